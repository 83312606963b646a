"""The form of a backup: a tar file whose last member, the manifest, has size and digest of every other one."""

import gzip
import hashlib
import io
import json
import lzma
import tarfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import IO

from pydantic import Field

from ...errors import StateError
from ...models.base.stored_facts import StoredFacts

__all__ = [
    "DATABASE",
    "FOLDERS",
    "MLFLOW",
    "Manifest",
    "read_archive",
    "write_archive",
]

DATABASE = "labelloop.db"
MLFLOW = "mlflow.db"
FOLDERS = ("artifacts", "snapshots")
MANIFEST = "manifest.json"
FORMAT = 1
CHUNK = 1 << 20
LARGEST_MANIFEST = 256 * 2**20
"""The largest manifest in bytes; each file in it takes about 150."""
# Weights hardly shrink, and the fastest level is several times as fast as the default one.
GZIP_LEVEL = 1
DAMAGED = (
    tarfile.TarError,
    gzip.BadGzipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)
"""Errors that `tarfile` and the libraries below it raise for archives that are damaged or malicious."""


class FileFacts(StoredFacts):
    """The size and digest that a file must have after it was unpacked."""

    bytes: int
    sha256: str


class Manifest(StoredFacts):
    """The facts that a backup states about itself.

    Attributes:
        labelloop, mlflow: versions that wrote it.
        database_schema, mlflow_schema: migrations that the databases have reached; None where MLflow had none yet.
        home: the home folder, whose path MLflow has stored with every run and version.
        created_at: in ISO form, UTC.
    """

    labelloop: str
    database_schema: str = Field(validation_alias="schema", serialization_alias="schema")
    mlflow: str
    mlflow_schema: str | None
    home: str
    created_at: str
    files: Mapping[str, FileFacts] = {}
    format: int = FORMAT


def write_archive(out: IO[bytes], files: Iterable[tuple[str, Path]], facts: Manifest, *, is_compressed: bool) -> int:
    """Write files, given as (name, path), and the manifest with their digests; returns how many there were.

    A file that is gone by then was a temporary one, and is left out.
    """
    written: dict[str, FileFacts] = {}
    with _writer(out, is_compressed) as archive:
        for name, path in files:
            try:
                written[name] = _add(archive, name, path)
            except FileNotFoundError:
                continue
        text = json.dumps(facts.copy_with(files=written).to_json(), indent=2)
        member = tarfile.TarInfo(MANIFEST)
        member.size = len(text.encode())
        archive.addfile(member, io.BytesIO(text.encode()))
    return len(written)


def read_archive(file: Path, folder: Path) -> Manifest:
    """Unpack a backup into an empty folder; returns its manifest, which every file there agrees with.

    Nothing is ever written outside the folder, whatever the archive holds: only plain files of the names that a
    backup has are taken.

    Raises:
        StateError: it is no backup, of another form, cut short, damaged or tampered with.
    """
    unpacked: dict[str, FileFacts] = {}
    manifest = None
    try:
        with tarfile.open(file, "r:*") as archive:
            for member in archive:
                content = archive.extractfile(member) if member.isreg() else None
                is_twice = member.name in unpacked or (member.name == MANIFEST and manifest is not None)
                if content is None or not _is_ours(member.name) or is_twice:
                    raise StateError(f"{file} holds {member.name!r}, which no backup holds; do not restore it")
                if member.name == MANIFEST:
                    manifest = _manifest(content.read(LARGEST_MANIFEST))
                else:
                    unpacked[member.name] = _unpack(content, folder / member.name)
    except DAMAGED as error:
        raise StateError(f"{file} is no backup, or was cut short ({error}); take another one") from None
    if manifest is None:
        raise StateError(f"{file} holds no {MANIFEST}, so it is no backup, or was cut short; take another one")
    wrong = sorted(name for name in {*unpacked, *manifest.files} if unpacked.get(name) != manifest.files.get(name))
    if wrong or DATABASE not in unpacked:
        raise StateError(f"{file} is damaged: {', '.join(wrong[:5]) or DATABASE} is not what its manifest says")
    return manifest


def _writer(out: IO[bytes], is_compressed: bool) -> tarfile.TarFile:
    if is_compressed:
        return tarfile.open(fileobj=out, mode="w:gz", compresslevel=GZIP_LEVEL)
    return tarfile.open(fileobj=out, mode="w")


def _add(archive: tarfile.TarFile, name: str, path: Path) -> FileFacts:
    with path.open("rb") as content:
        member = archive.gettarinfo(arcname=name, fileobj=content)
        # Whose the files were says nothing on another machine.
        member.uid = member.gid = 0
        member.uname = member.gname = ""
        reader = _Hashing(content)
        archive.addfile(member, reader)
        return FileFacts(bytes=member.size, sha256=reader.digest.hexdigest())


class _Hashing:
    """A file whose digest is that of exactly what was read."""

    def __init__(self, content: IO[bytes]) -> None:
        self._content = content
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        chunk = self._content.read(size)
        self.digest.update(chunk)
        return chunk


def _unpack(content: IO[bytes], target: Path) -> FileFacts:
    target.parent.mkdir(parents=True, exist_ok=True)
    reader, size = _Hashing(content), 0
    with target.open("xb") as file:
        while chunk := reader.read(CHUNK):
            size += file.write(chunk)
    return FileFacts(bytes=size, sha256=reader.digest.hexdigest())


def _is_ours(name: str) -> bool:
    parts = PurePosixPath(name).parts
    if name in (MANIFEST, DATABASE, MLFLOW):
        return True
    return len(parts) > 1 and parts[0] in FOLDERS and ".." not in parts and "\\" not in name


def _manifest(content: bytes) -> Manifest:
    document = json.loads(content)
    found = document.get("format") if isinstance(document, dict) else None
    if found != FORMAT:
        raise ValueError(f"its form is {found!r}, wanted {FORMAT}: another labelloop wrote it")
    return Manifest.parse(content)

"""A backup of a running installation in one file, and a home folder made of it again.

The file is a tar archive whose last member, the manifest, has size and digest of every other one.
"""

import gzip
import hashlib
import io
import json
import lzma
import os
import shutil
import tarfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import IO

from pydantic import Field
from sqlalchemy import create_engine
from sqlalchemy.exc import SQLAlchemyError

from ... import __version__
from ...atomic_files import UNFINISHED, atomic_file
from ...errors import ConfigurationError, StateError
from ...models.base.stored_facts import StoredFacts
from ...storage.database import open_database
from ...storage.sqlite_file import SqliteFile
from ...storage.studies import StudyStore
from ...tracking.store import MlflowTables

__all__ = ["back_up", "restore"]

DATABASE = "labelloop.db"
MLFLOW = "mlflow.db"
TUNING = StudyStore.file_beside(Path(DATABASE)).name
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
FORMS = {".tar": False, ".tar.gz": True, ".tgz": True}
# A folder that is the root of a file system holds this one from the beginning.
NOT_OURS = frozenset({"lost+found"})


class FileFacts(StoredFacts):
    """The size and digest that a file must have after it was unpacked."""

    bytes: int
    sha256: str


class Manifest(StoredFacts):
    """The facts that a backup states about itself.

    Attributes:
        labelloop, mlflow: versions that wrote it.
        database_schema, mlflow_schema: migrations that the databases have reached; None where MLflow had none yet.
        tuning_schema: that of the searches through training settings; None where there were none.
        home: the home folder, whose path MLflow has stored with every run and version.
        created_at: in ISO form, UTC.
    """

    labelloop: str
    database_schema: str = Field(validation_alias="schema", serialization_alias="schema")
    mlflow: str
    mlflow_schema: str | None
    tuning_schema: str | None = None
    home: str
    created_at: str
    files: Mapping[str, FileFacts] = {}
    format: int = FORMAT


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup that was made."""

    path: Path
    bytes: int
    files: int


def back_up(home: Path, database_url: str, mlflow_url: str, out: Path, now: datetime) -> Backup:
    """Write the state into one file, which appears complete or not at all. Nobody has to stop for it.

    Left out are fetched bundles, logs, temporary files, and what unfinished jobs have done so far.

    Args:
        database_url: of the state, as SQLAlchemy takes it.
        mlflow_url: of MLflow's store.
        out: ends in `.tar`, or in `.tar.gz` or `.tgz` to be compressed.

    Raises:
        ConfigurationError: the file's name has another ending, or lies among what is backed up.
        StateError: there is no state yet, or it is not all in files of this machine.
    """
    out = out.resolve()
    is_compressed = _is_compressed(out)
    inside = [name for name in FOLDERS if out.is_relative_to(home / name)]
    if inside:
        raise ConfigurationError(f"{out} lies in the folder {inside[0]}, which is backed up; choose another place")
    database, mlflow = _database(database_url, home), _mlflow(mlflow_url, home)
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".labelloop-backup-", dir=out.parent) as folder:
        # In this order, what refers is copied before what it refers to: rows, then MLflow's record, then files, which
        # are only ever added.
        copies = []
        for name, file in ((DATABASE, database), (TUNING, StudyStore.file_beside(database)), (MLFLOW, mlflow)):
            if file.exists():
                copies.append((name, Path(folder) / name))
                SqliteFile(file).copy_to(Path(folder) / name)
        revisions = {name: SqliteFile(copy).schema_revision() for name, copy in copies}
        facts = Manifest(
            labelloop=__version__,
            database_schema=revisions[DATABASE],
            mlflow=version("mlflow"),
            mlflow_schema=revisions.get(MLFLOW),
            tuning_schema=revisions.get(TUNING),
            home=str(home),
            created_at=now.isoformat(timespec="seconds"),
        )
        with atomic_file(out, is_private=True, is_synced=True) as draft, draft.open("wb") as archive:
            count = _write_archive(archive, [*copies, *_files(home)], facts, is_compressed=is_compressed)
    return Backup(out, out.stat().st_size, count)


def _is_compressed(out: Path) -> bool:
    for ending, is_compressed in FORMS.items():
        if out.name.endswith(ending):
            return is_compressed
    raise ConfigurationError(f"{out.name} has no ending of a backup; wanted one of {', '.join(FORMS)}")


def _database(url: str, home: Path) -> Path:
    file = SqliteFile.path_of(url)
    if file is None:
        raise StateError(
            "the state is in a database server (LABELLOOP_DATABASE_URL), which has its own tool: back it up with "
            f"pg_dump, and MLflow's database as well, then copy the folders {' and '.join(FOLDERS)} of {home}, "
            "in this order"
        )
    if not file.exists():
        raise StateError(f"{file} does not exist, so there is nothing to back up; check LABELLOOP_HOME")
    return file


def _mlflow(url: str, home: Path) -> Path:
    file = SqliteFile.path_of(url)
    if file is None:
        raise StateError(
            "MLflow's store is no file (LABELLOOP_MLFLOW_URL), so a backup of the rest would be half of one: stop "
            f"labelloop, back up the MLflow server or its database (pg_dump) and its files, then copy {home}"
        )
    return file


def _files(home: Path) -> Iterator[tuple[str, Path]]:
    """Plain files of the folders that a backup holds."""
    for folder in FOLDERS:
        for place, folders, names in os.walk(home / folder):
            folders[:] = sorted(name for name in folders if not name.startswith(UNFINISHED))
            for name in sorted(names):
                file = Path(place) / name
                if file.is_file() and not file.is_symlink():
                    yield file.relative_to(home).as_posix(), file


def restore(backup: Path, home: Path, clock: Callable[[], datetime]) -> tuple[Manifest, int]:
    """Make a backup the state of an empty home folder, whole or not at all.

    Returns:
        The backup's manifest, and how many places of files MLflow had stored below the old home folder and now has
        below this one.

    Raises:
        StateError: the folder holds something, or the file is no whole and sound backup.
        ConfigurationError: a newer labelloop made it.
    """
    home = home.resolve()
    with _beside(home) as unpacked:
        manifest = _read_archive(backup, unpacked)
        _check_databases(unpacked, manifest)
        moved = _move_paths(unpacked / MLFLOW, Path(manifest.home), home)
        # Brings the schema up to date; refuses one that is newer than this labelloop.
        open_database(f"sqlite:///{unpacked / DATABASE}", clock).close()
        for leftover in unpacked.glob(f"{DATABASE}.*"):
            leftover.unlink()
    return manifest, moved


@contextmanager
def _beside(home: Path) -> Iterator[Path]:
    """Yield a folder that becomes the home folder at the end of the block, and is removed if that raises.

    Raises:
        StateError: the home folder holds something, or such a folder is there already.
    """
    names = sorted(path.name for path in home.iterdir() if path.name not in NOT_OURS) if home.exists() else []
    # A mount point cannot be replaced, nor can a folder whose parent belongs to somebody else.
    is_fixed = home.is_mount() or (home.exists() and not os.access(home.parent, os.W_OK))
    unpacked = home / ".restoring" if is_fixed else home.with_name(f".{home.name}.restoring")
    if unpacked.exists():
        raise StateError(
            f"{unpacked} exists: another restore is under way, or one was killed; remove the folder if none is"
        )
    if names:
        raise StateError(
            f"{home} holds {', '.join(names[:5])} already; wanted in LABELLOOP_HOME a folder that is empty, or none yet"
        )
    unpacked.mkdir(parents=True)
    try:
        yield unpacked
        if is_fixed:
            _move_in(unpacked, home)
        else:
            unpacked.rename(home)
    except BaseException:
        shutil.rmtree(unpacked, ignore_errors=True)
        raise


def _move_in(unpacked: Path, home: Path) -> None:
    """The database comes last: without it, there is no state yet."""
    for name in (*FOLDERS, MLFLOW, TUNING, DATABASE):
        if (unpacked / name).exists():
            (unpacked / name).rename(home / name)
    unpacked.rmdir()


def _check_databases(unpacked: Path, manifest: Manifest) -> None:
    """Raise a StateError where a file is not a database, or not the one that the manifest describes."""
    schemas = {DATABASE: manifest.database_schema, MLFLOW: manifest.mlflow_schema, TUNING: manifest.tuning_schema}
    for name, wanted in schemas.items():
        schema = SqliteFile(unpacked / name).schema_revision() if (unpacked / name).exists() else None
        if schema != wanted:
            raise StateError(
                f"{name} of the backup has the schema {schema}, and its manifest says {wanted}; take another backup"
            )


def _move_paths(mlflow: Path, old: Path, new: Path) -> int:
    if old == new or not mlflow.exists():
        return 0
    engine = create_engine(f"sqlite:///{mlflow}")
    try:
        with engine.begin() as connection:
            return MlflowTables(connection).move_paths(old, new)
    except SQLAlchemyError as error:
        raise StateError(f"{MLFLOW} of the backup is no database of MLflow ({error}); take another backup") from error
    finally:
        engine.dispose()


def _write_archive(out: IO[bytes], files: Iterable[tuple[str, Path]], facts: Manifest, *, is_compressed: bool) -> int:
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


def _read_archive(file: Path, folder: Path) -> Manifest:
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
    if name in (MANIFEST, DATABASE, TUNING, MLFLOW):
        return True
    return len(parts) > 1 and parts[0] in FOLDERS and ".." not in parts and "\\" not in name


def _manifest(content: bytes) -> Manifest:
    try:
        document = json.loads(content)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    form = document.get("format") if isinstance(document, dict) else None
    if form != FORMAT:
        raise ValueError(f"its form is {form!r}, wanted {FORMAT}: another labelloop wrote it")
    return Manifest.parse(content)

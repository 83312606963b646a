"""Ways to damage a backup, or to make it do damage."""

import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = [
    "changed",
    "cut_short",
    "long_names",
    "manifest",
    "not_a_backup",
    "rewrite",
    "set_fact",
    "twice",
    "with_contents",
    "with_member",
    "without_manifest",
]


def cut_short(source: Path, target: Path) -> None:
    target.write_bytes(source.read_bytes()[: source.stat().st_size // 2])


def not_a_backup(source: Path, target: Path) -> None:
    target.write_bytes(b"something else " * 1000)


def changed(source: Path, target: Path) -> None:
    """One byte of a file differs, and the manifest does not."""

    def change(member: tarfile.TarInfo, content: bytes) -> tuple[tarfile.TarInfo, bytes]:
        return member, content[:-1] + b"!" if member.name == "mlflow.db" else content

    rewrite(source, target, change)


def without_manifest(source: Path, target: Path) -> None:
    rewrite(source, target, lambda member, content: None if member.name == "manifest.json" else (member, content))


def with_member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> Callable[[Path, Path], None]:
    def write(source: Path, target: Path) -> None:
        extra = tarfile.TarInfo(name)
        extra.type, extra.linkname = kind, link
        rewrite(source, target, lambda member, content: (member, content), extra)

    return write


def manifest(change: Callable[[dict[str, Any]], object]) -> Callable[[Path, Path], None]:
    """Another manifest in the place of the one that was made."""

    def write(source: Path, target: Path) -> None:
        def edit(member: tarfile.TarInfo, content: bytes) -> tuple[tarfile.TarInfo, bytes]:
            if member.name == "manifest.json":
                document = json.loads(content)
                made = change(document)
                content = made if isinstance(made, bytes) else json.dumps(document).encode()
                member.size = len(content)
            return member, content

        rewrite(source, target, edit)

    return write


def set_fact(*place: str, value: object) -> Callable[[Path, Path], None]:
    def change(document: dict[str, Any]) -> None:
        for key in place[:-1]:
            document = document[key]
        document[place[-1]] = value

    return manifest(change)


def with_contents(name: str, content: bytes) -> Callable[[Path, Path], None]:
    """Another content of a file, which the manifest agrees with."""

    def write(source: Path, target: Path) -> None:
        digest = hashlib.sha256(content).hexdigest()
        between = target.with_suffix(".between")
        set_fact("files", name, value={"bytes": len(content), "sha256": digest})(source, between)

        def edit(member: tarfile.TarInfo, old: bytes) -> tuple[tarfile.TarInfo, bytes]:
            if member.name != name:
                return member, old
            member.size = len(content)
            return member, content

        rewrite(between, target, edit)
        between.unlink()

    return write


def twice(source: Path, target: Path) -> None:
    """Two manifests, of which the second would be believed."""
    rewrite(source, target, lambda member, content: (member, content))
    with tarfile.open(target, "a") as archive, tarfile.open(source) as old:
        content = old.extractfile("manifest.json")
        archive.addfile(old.getmember("manifest.json"), content)


def long_names(source: Path, target: Path) -> None:
    """A chain of headers that each announce the next one's name."""
    header = tarfile.TarInfo("././@LongLink")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 1
    link = header.tobuf(tarfile.GNU_FORMAT) + b"x" + bytes(tarfile.BLOCKSIZE - 1)
    target.write_bytes(link * 2000)


def rewrite(
    source: Path,
    target: Path,
    change: Callable[[tarfile.TarInfo, bytes], tuple[tarfile.TarInfo, bytes] | None],
    *extra: tarfile.TarInfo,
) -> None:
    with tarfile.open(source) as old, tarfile.open(target, "w") as new:
        for member in extra:
            new.addfile(member)
        for member in old:
            content = old.extractfile(member)
            assert content is not None
            if kept := change(member, content.read()):
                new.addfile(kept[0], io.BytesIO(kept[1]))

"""Backups that somebody or something has changed, put before the real command."""

import hashlib
import io
import json
import math
import shutil
import sqlite3
import tarfile
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ml_backend.errors import StateError
from ml_backend.workflows.state.backup import restore
from tests.backend_process import command_error, command_result


def as_it_is(member: tarfile.TarInfo, content: bytes) -> tuple[tarfile.TarInfo, bytes]:
    return member, content


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
        rewrite(source, target, as_it_is, extra)

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
    rewrite(source, target, as_it_is)
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


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (cut_short, "cut short"),
        (not_a_backup, "is no backup"),
        (changed, "mlflow.db is not what its manifest says"),
        (without_manifest, "holds no manifest.json"),
        (with_member("artifacts/new.bin"), "artifacts/new.bin is not what its manifest says"),
        (with_member("../evil"), "holds '../evil'"),
        (with_member("artifacts/../../evil"), "which no backup holds"),
        (with_member("/tmp/labelloop-evil"), "which no backup holds"),
        (with_member("artifacts/link", tarfile.SYMTYPE, "/etc"), "which no backup holds"),
        (with_member("artifacts/link", tarfile.LNKTYPE, "labelloop.db"), "which no backup holds"),
        (with_member("artifacts/pipe", tarfile.FIFOTYPE), "which no backup holds"),
        (with_member("crontab"), "which no backup holds"),
        (twice, "holds 'manifest.json', which no backup holds"),
        (long_names, "is no backup"),
        (lambda _, target: target.write_bytes(b"\xfd7zXZ\x00" + b"junk" * 100), "is no backup"),
        (manifest(lambda _: b"{"), "is no backup"),
        (manifest(lambda _: b"[" * 100_000 + b"]" * 100_000), "nested too deeply"),
        (manifest(lambda _: b"[]"), "its form is None, wanted 1"),
        (manifest(lambda _: b'{"format": ' + b"9" * 5000 + b"}"), "is no backup"),
        (manifest(lambda _: b"\xff\xfe\x00"), "is no backup"),
        (manifest(lambda found: found.pop("home")), "home"),
        (manifest(lambda found: found.update(surprise=1)), "surprise: 1 found"),
        (set_fact("format", value="1"), "its form is '1', wanted 1"),
        (set_fact("home", value=["/"]), "home: ['/'] found; input should be a valid string"),
        (set_fact("mlflow_schema", value=7), "mlflow_schema: 7 found"),
        (set_fact("files", value=[]), "files: [] found"),
        (set_fact("files", "labelloop.db", value="sound"), "files.labelloop.db: 'sound' found"),
        (set_fact("files", "labelloop.db", "bytes", value=math.nan), "files.labelloop.db.bytes: nan found"),
        (set_fact("files", "labelloop.db", "bytes", value=10**400), "labelloop.db is not what its manifest says"),
        (set_fact("files", "labelloop.db", "sha256", value="0" * 64), "labelloop.db is not what its manifest says"),
        (set_fact("files", "../../evil", value={"bytes": 0, "sha256": ""}), "../../evil is not what its manifest says"),
        (set_fact("schema", value="0001"), "labelloop.db of the backup has the schema "),
        (set_fact("mlflow_schema", value=None), "and its manifest says None"),
        (with_contents("mlflow.db", b"no database"), "mlflow.db is no database that labelloop or MLflow has made"),
        (with_contents("mlflow.db", b""), "mlflow.db is no database that labelloop or MLflow has made"),
        (
            with_contents("labelloop.db", b"\x00" * 4096),
            "labelloop.db is no database that labelloop or MLflow has made",
        ),
    ],
)
def test_a_backup_that_is_not_sound_is_refused_and_nothing_is_left(
    tmp_path: Path, archive: Path, damage: Callable[[Path, Path], None], words: str
) -> None:
    bad = tmp_path / "bad.tar"
    damage(archive, bad)
    with pytest.raises(StateError) as refused:
        restore(bad, tmp_path / "home", lambda: datetime.now(UTC))

    assert words in str(refused.value)
    assert list(tmp_path.iterdir()) == [bad]


def test_a_backup_of_a_newer_version_is_refused_and_nothing_is_left(tmp_path: Path, folder: Path, home: Path) -> None:
    newer = tmp_path / "newer"
    shutil.copytree(home, newer)
    with closing(sqlite3.connect(newer / "labelloop.db")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    command_result(newer, "backup", str(tmp_path / "newer.tar"))
    said = command_error(tmp_path / "there", "restore", str(tmp_path / "newer.tar"))

    assert "a newer labelloop made it" in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["newer", "newer.tar"]

"""A backup of a running installation, in one file."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from ... import __version__
from ...atomic_files import UNFINISHED, atomic_file
from ...errors import ConfigurationError, StateError
from ...storage.sqlite_file import SqliteFile
from .archive import DATABASE, FOLDERS, MLFLOW, Manifest, write_archive

__all__ = ["back_up"]

FORMS = {".tar": False, ".tar.gz": True, ".tgz": True}


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
        for name, file in ((DATABASE, database), (MLFLOW, mlflow)):
            if file.exists():
                copies.append((name, Path(folder) / name))
                SqliteFile(file).copy_to(Path(folder) / name)
        revisions = {name: SqliteFile(copy).schema_revision() for name, copy in copies}
        facts = Manifest(
            labelloop=__version__,
            database_schema=revisions[DATABASE],
            mlflow=version("mlflow"),
            mlflow_schema=revisions.get(MLFLOW),
            home=str(home),
            created_at=now.isoformat(timespec="seconds"),
        )
        with atomic_file(out, is_private=True, is_synced=True) as draft, draft.open("wb") as archive:
            count = write_archive(archive, [*copies, *_files(home)], facts, is_compressed=is_compressed)
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

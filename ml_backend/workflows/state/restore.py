"""A backup made into a home folder again, at the same path or another one."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import create_engine
from sqlalchemy.exc import SQLAlchemyError

from ...errors import StateError
from ...storage.database import open_database
from ...storage.sqlite_file import SqliteFile
from ...tracking.store import MlflowTables
from .archive import DATABASE, FOLDERS, MLFLOW, Manifest, read_archive

__all__ = ["restore"]

# A folder that is the root of a file system holds this one from the beginning.
NOT_OURS = frozenset({"lost+found"})


@dataclass(frozen=True, slots=True)
class Restored:
    """A state that was restored.

    Attributes:
        moved_paths: places of files that MLflow had stored below the old home folder, and now has below this one.
    """

    home: Path
    manifest: Manifest
    moved_paths: int


def restore(backup: Path, home: Path, clock: Callable[[], datetime]) -> Restored:
    """Make a backup the state of an empty home folder, whole or not at all.

    Raises:
        StateError: the folder holds something, or the file is no whole and sound backup.
        ConfigurationError: a newer labelloop made it.
    """
    home = home.resolve()
    with _beside(home) as unpacked:
        manifest = read_archive(backup, unpacked)
        _check_databases(unpacked, manifest)
        moved = _move_paths(unpacked / MLFLOW, Path(manifest.home), home)
        # Brings the schema up to date; refuses one that is newer than this labelloop.
        open_database(f"sqlite:///{unpacked / DATABASE}", clock).close()
        for leftover in unpacked.glob(f"{DATABASE}.*"):
            leftover.unlink()
    return Restored(home, manifest, moved)


@contextmanager
def _beside(home: Path) -> Iterator[Path]:
    """A folder that becomes the home folder at the end of the block, and is removed if that raises.

    Raises:
        StateError: the home folder holds something, or such a folder is there already.
    """
    found = sorted(path.name for path in home.iterdir() if path.name not in NOT_OURS) if home.exists() else []
    # A mount point cannot be replaced, nor can a folder whose parent belongs to somebody else.
    is_fixed = home.is_mount() or (home.exists() and not os.access(home.parent, os.W_OK))
    unpacked = home / ".restoring" if is_fixed else home.with_name(f".{home.name}.restoring")
    if unpacked.exists():
        raise StateError(
            f"{unpacked} exists: another restore is under way, or one was killed; remove the folder if none is"
        )
    if found:
        raise StateError(
            f"{home} holds {', '.join(found[:5])} already; wanted in LABELLOOP_HOME a folder that is empty, or none yet"
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
    for name in (*FOLDERS, MLFLOW, DATABASE):
        if (unpacked / name).exists():
            (unpacked / name).rename(home / name)
    unpacked.rmdir()


def _check_databases(unpacked: Path, manifest: Manifest) -> None:
    """Raise a StateError where a file is not a database, or not the one that the manifest describes."""
    for name, wanted in ((DATABASE, manifest.database_schema), (MLFLOW, manifest.mlflow_schema)):
        found = SqliteFile(unpacked / name).schema_revision() if (unpacked / name).exists() else None
        if found != wanted:
            raise StateError(
                f"{name} of the backup has the schema {found}, and its manifest says {wanted}; take another backup"
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

"""A crew: workers that hold a model and write one shard after another."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar, Literal, NamedTuple, TypeAlias

from ....options import Options
from ....plugins import classes_in, kind_names
from ..formats.base import Piece
from ..shard import Record, WritePiece

__all__ = ["Crew", "Event", "OpenWorker"]

OpenWorker: TypeAlias = Callable[[Path], WritePiece]
"""Opens a worker from the folder of a bundle, in the worker's process. It is sent there, so it can be pickled."""


class Event(NamedTuple):
    """News of a worker.

    Attributes:
        kind: `ready`: it takes pieces from now on; `done` or `failed`: its oldest piece; `unfit`: it could not be
            opened, which is nobody's accident; `died`: its process is gone, with what it had.
        problem: why it failed, is unfit or died.
    """

    worker: int
    kind: Literal["ready", "done", "failed", "unfit", "died"]
    record: Record | None = None
    problem: str = ""


class Crew(ABC):
    """Starts workers, gives them pieces, and tells what becomes of these. Subclasses lie in this folder, one a module.

    Args:
        options: the settings.
        bundle: folder of the version's files on this machine.
        open_worker: opens a worker.
        count: workers that there are at most at a time.
    """

    name: ClassVar[str]
    """As in `--engine`; the module's name."""
    depth: ClassVar[int]
    """Pieces that a worker has at a time: above 1 where it would wait for the next one."""

    @abstractmethod
    def __init__(self, options: Options, bundle: Path, open_worker: OpenWorker, count: int) -> None: ...

    @abstractmethod
    def hire(self) -> int:
        """Start a worker; return its number, which no other one gets. It says when it is ready."""

    @abstractmethod
    def give(self, worker: int, piece: Piece) -> None:
        """Give a worker that is ready one more piece."""

    @abstractmethod
    def wait(self) -> Sequence[Event]:
        """Wait for news of workers, for a second at most."""

    @abstractmethod
    def close(self) -> None:
        """End all workers, whatever they do."""

    @staticmethod
    def names() -> list[str]:
        """Return the names of all crews."""
        return kind_names(__package__)

    @staticmethod
    def of(name: str) -> "type[Crew]":
        """Return the crew of this name."""
        return classes_in(__package__, Crew, "name")[name]

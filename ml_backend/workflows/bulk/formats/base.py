"""The tasks of a form of files: to cut a file into pieces, to read a piece, and to write predictions."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, TypeAlias

from ....domain.annotation import Prediction
from ....labelstudio.files.notes import FileNotes
from ....plugins import classes_in
from ....storage.shared_files import SharedFiles

__all__ = ["BulkFormat", "Fault", "Item", "Piece", "Predicted"]

Item: TypeAlias = Mapping[str, Any]
"""A task as Label Studio imports it."""
Predicted: TypeAlias = Iterable[tuple[Item, Prediction]]


class Fault(NamedTuple):
    """Something in a file that is no task: where, and what is wrong, for people."""

    where: str
    problem: str


class Piece(NamedTuple):
    """A part of a file that becomes one shard. It is small: it names its part, unless nobody else can find that.

    Attributes:
        number: of the shard, from 0.
        file: relative path of the file.
        format: name of the `BulkFormat` that reads it.
        start: first of its positions in the file, as the format counts them.
        end: the position after the last one.
        size: bytes of the file that it takes up, about.
        text: its tasks as JSON lines, where the file has to be read from its beginning to find them.
    """

    number: int
    file: str
    format: str
    start: int
    end: int
    size: int
    text: bytes = b""


class BulkFormat(ABC):
    """A form of files. Subclasses lie in this folder, one a module."""

    name: ClassVar[str]
    """As in `--format`, and the ending of a shard's name."""
    is_written: ClassVar[bool] = True
    """Whether predictions are written in it."""

    @abstractmethod
    def suits(self, name: str, head: bytes) -> bool:
        """Return whether a file of this name and beginning has this form; at most one format says so."""

    @abstractmethod
    def cut(self, source: SharedFiles, name: str, size: int, piece_bytes: int, notes: FileNotes) -> Iterator[Piece]:
        """Yield the file's pieces of about so many bytes, in order and always the same; their number is not set yet.

        Args:
            notes: counts the values that had to be changed, where the cutting reads them.

        Raises:
            StudioExportError: the file is damaged, or of another form; raised when the reading gets there.
        """

    @abstractmethod
    def read(self, source: SharedFiles, piece: Piece, notes: FileNotes) -> Iterator[Item | Fault]:
        """Yield the tasks of a piece in order, in constant memory; a Fault for what is none.

        Args:
            notes: counts the values that had to be changed.
        """

    @abstractmethod
    def write(self, predicted: Predicted, draft: Path) -> None:
        """Write tasks with their predictions, in constant memory."""

    @staticmethod
    def all() -> "Mapping[str, type[BulkFormat]]":
        """Return every format by its name."""
        return classes_in(__package__, BulkFormat, "name")

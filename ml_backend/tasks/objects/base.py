"""The interface of an object: a tag that shows annotators something of a task, as a text that is read."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from ...domain.object_tag import ObjectTag

__all__ = ["ObjectKind"]


class ObjectKind(ABC):
    """A kind of object that is read as a text. A new kind is a new file in this folder.

    Pieces that people mark have positions of the object's own in Label Studio, and positions in the text, in code
    points, everywhere else. The text alone tells how to get from one to the other, so whoever has a row can.

    Attributes:
        tag: of the object.
        marking: the tag of controls that mark pieces of it; empty where none can.
    """

    tag: ClassVar[str]
    marking: ClassVar[str] = ""

    @abstractmethod
    def text(self, shown: ObjectTag, data: Mapping[str, Any]) -> str:
        """Return the text of a task; empty where there is nothing to read."""

    @abstractmethod
    def data(self, shown: ObjectTag, text: str) -> dict[str, Any]:
        """Return data for a task that has this text."""

    def marked(self, value: Mapping[str, Any], text: str) -> dict[str, Any] | None:  # noqa: ARG002 (others need it)
        """Return the place of a piece as it is on a `<Text>`: `start` and `end` in the text, and maybe its own `text`.

        None where the value holds no place at all. A place outside the object starts and ends at -1.

        Args:
            value: a region's, as Label Studio stores it.
        """
        return dict(value)

    def place(self, start: int, end: int, text: str) -> dict[str, Any] | None:
        """Return the place of a piece as Label Studio stores it; None where nothing of it is the object's own."""
        return {"start": start, "end": end, "text": text[start:end]}

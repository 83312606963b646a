"""Make the answers to one control a column with a type."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from ...domain.example import Target
from ...plugins import classes_in
from ...tasks import ServedControl
from ..limits import NotCarried

__all__ = ["AnswerColumn"]


class AnswerColumn(ABC):
    """A control's column. A new head is a new file in this folder.

    Attributes:
        head: the kind of head whose answers it holds.
        has_spans: the answers are pieces of the text.
    """

    head: ClassVar[str]
    has_spans: ClassVar[bool] = False

    def __init__(self, served: ServedControl) -> None:
        self.control = served.name
        self.labels = served.control.label_values
        self._numbers = {label: number for number, label in enumerate(self.labels)}

    @abstractmethod
    def value(self, target: Target) -> Any:
        """Return the answer as Parquet has it.

        Raises:
            NotCarried: it holds a label that the config lacks.
        """

    @abstractmethod
    def feature(self) -> Any:
        """Return the column's type, as `datasets` writes it into the schema."""

    def number(self, label: str) -> int:
        """Return the place of a label in the label config.

        Raises:
            NotCarried: the config lacks it.
        """
        try:
            return self._numbers[label]
        except KeyError:
            raise NotCarried(f"a label of {self.control} that the label config lacks") from None

    def label_feature(self) -> dict[str, Any]:
        """Return the type of one label, as `datasets` writes it."""
        return {"names": list(self.labels), "_type": "ClassLabel"}

    @staticmethod
    def of(served: ServedControl) -> "AnswerColumn":
        """Return the column of a control; answers about marked pieces are pieces with their answers as labels."""
        columns = classes_in(__package__, AnswerColumn, "head")
        if served.marking:
            return next(column for column in columns.values() if column.has_spans)(served)
        return columns[served.kind.head](served)

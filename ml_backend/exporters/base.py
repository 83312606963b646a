"""The seam for export formats: what one has to provide, and how it is found."""

import re
from abc import ABC, abstractmethod
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import ClassVar, TypeVar

from ..domain.example import Row, Target
from ..errors import ConfigurationError
from ..plugins import classes_in
from ..tasks import ServedControl

__all__ = [
    "ExportReport",
    "ExportRequest",
    "Exporter",
    "LineExporter",
    "Lines",
    "NotCarried",
    "RowCounter",
    "encodable",
    "exporter",
    "exporter_names",
]

Made = TypeVar("Made")

HALF_SURROGATES = re.compile("[\ud800-\udfff]")


class NotCarried(Exception):
    """A format has no place for a row. The message is the reason, the same one for all such rows."""


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """What is exported, and how.

    Attributes:
        field: the input field that holds the text.
        controls: whose answers there are; empty where no label config was given.
        control: the one control whose answers a format writes that carries one.
        system_prompt: opens every conversation, where the format has such a thing; "" for none.
        keeps_formulas: cells of a table are written as they are, even those that a spreadsheet would calculate.
        names_annotators: where the format has annotators, their ids are written.
    """

    field: str
    controls: tuple[ServedControl, ...] = ()
    control: str = ""
    system_prompt: str = ""
    keeps_formulas: bool = False
    names_annotators: bool = True

    @property
    def served(self) -> ServedControl:
        """The one control.

        Raises:
            ConfigurationError: there is no label config that describes it.
        """
        for served in self.controls:
            if served.name == self.control:
                return served
        raise ConfigurationError("this format needs to know the labels; name the label config: --config FILE")

    def text(self, row: Row) -> str:
        """The row's text."""
        return row.input.get(self.field, "")

    def target(self, row: Row) -> Target:
        """The row's answer to the one control.

        Raises:
            NotCarried: it has none.
        """
        if self.control not in row.targets:
            raise NotCarried(f"no agreed answer to {self.control}")
        return row.targets[self.control]


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What came of an export.

    Attributes:
        rows: how many were written.
        left_out: task ids of the rows that the format cannot carry, by reason.
        notices: what a reader of the file should know about it, in sentences.
    """

    rows: int
    left_out: Mapping[str, Sequence[int]] = field(default_factory=dict)
    notices: tuple[str, ...] = ()


class RowCounter:
    """Counts rows while they are written, and keeps the task ids of those that are not."""

    def __init__(self) -> None:
        self.rows = 0
        self._left_out: dict[str, array[int]] = {}

    def made(self, rows: Iterable[Row], make: Callable[[Row], Made]) -> Iterator[Made]:
        """What becomes of each row that can be carried, in order."""
        for row in rows:
            try:
                value = make(row)
            except NotCarried as reason:
                # Eight bytes an id: a million rows may be left out.
                self._left_out.setdefault(str(reason), array("q")).append(row.task_id)
            else:
                self.rows += 1
                yield value

    def report(self, notices: Iterable[str] = ()) -> ExportReport:
        """What was counted."""
        return ExportReport(self.rows, dict(self._left_out), tuple(notices))


class Exporter(ABC):
    """One format. A subclass in a file of this folder is found by itself.

    Attributes:
        name: what `--format` is given; unique.
        description: what a reader of the file finds in it, in a sentence.
        limits: what the format cannot carry, in sentences.
        suffix: usual ending of the files, with the dot.
        carries_one_control: it holds the answers to one control only.
        needs_config: it cannot be written without a label config.
        is_folder: it is a folder that holds a file per split, even where there is one split.
    """

    name: ClassVar[str]
    description: ClassVar[str]
    limits: ClassVar[str]
    suffix: ClassVar[str]
    carries_one_control: ClassVar[bool] = False
    needs_config: ClassVar[bool] = True
    is_folder: ClassVar[bool] = False

    def check(self, wish: ExportRequest) -> None:  # noqa: B027 (most formats take every wish)
        """Refuse a wish that the format cannot fulfil, before anything is read.

        Raises:
            ConfigurationError: it cannot.
        """

    def file_of(self, split: str) -> str:
        """Path of a split's file within a folder."""
        return f"{split}{self.suffix}"

    @abstractmethod
    def write(self, rows: Iterable[Row], path: Path, wish: ExportRequest) -> ExportReport:
        """Write the rows into a file as they come, in flat memory."""

    def finish(self, folder: Path) -> None:  # noqa: B027 (most formats have nothing to add)
        """Add what a folder of splits needs besides the files."""


class Lines(ABC):
    """Turns the rows of one file into text, one after another."""

    @abstractmethod
    def text_of(self, row: Row) -> str:
        """What the row adds to the file.

        Raises:
            NotCarried: the format has no place for it.
        """

    def notices(self) -> Iterable[str]:
        """What a reader should know, once all rows have passed."""
        return ()


class LineExporter(Exporter):
    """A format whose files are UTF-8 text, to which every row adds a piece."""

    @abstractmethod
    def lines(self, wish: ExportRequest) -> Lines:
        """What turns the rows of one file into text."""

    def write(self, rows: Iterable[Row], path: Path, wish: ExportRequest) -> ExportReport:
        """Write the rows into a file as they come, in flat memory."""
        lines, tally = self.lines(wish), RowCounter()
        with path.open("w", encoding="utf-8", newline="") as target:
            target.writelines(tally.made(rows, lines.text_of))
        return tally.report(lines.notices())


def encodable(text: str) -> str:
    r"""The text with half surrogate pairs, which have no UTF-8 form, as `\ufffd`. Its length stays."""
    return HALF_SURROGATES.sub("\ufffd", text)


def exporter(name: str) -> Exporter:
    """The exporter of a format.

    Raises:
        ConfigurationError: there is no such format; the message lists those there are.
    """
    found = _exporters().get(name)
    if found is None:
        raise ConfigurationError(f"unknown export format {name!r}; wanted one of {', '.join(exporter_names())}")
    return found


def exporter_names() -> tuple[str, ...]:
    """Names of all formats, in alphabetical order."""
    return tuple(sorted(_exporters()))


@cache
def _exporters() -> Mapping[str, Exporter]:
    return {name: kind() for name, kind in classes_in(__package__, Exporter, "name").items()}

"""The base class of export formats, and how formats are found."""

from abc import ABC, abstractmethod
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import ClassVar, TypeVar

from ..domain.conversation import turns_of
from ..domain.example import Row, Target
from ..domain.field_texts import readable_text
from ..domain.object_tag import ObjectTag
from ..domain.snapshot import SplitFractions
from ..errors import ConfigurationError
from ..plugins import classes_in
from ..tasks import ServedControl
from .heads.base import AnswerColumn
from .limits import NotCarried

__all__ = ["ExportRequest", "Exporter", "LineExporter", "RowCounter"]

Converted = TypeVar("Converted")


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """A request for an export.

    Attributes:
        format_name: name of the format.
        control: whose answers a format that carries one control gets; "" for the only one there is.
        split: a file per split, with duplicates and leaks dropped as in a snapshot; None: one file of all rows.
        system_prompt: opens every conversation, where the format has such a thing; "" for none.
        keeps_formulas: cells of a table are written as they are, even those that a spreadsheet would calculate.
        names_annotators: where the format has annotators, their ids are written.
        texts: what is read of each task; filled in once the label config is read.
        controls: whose answers there are, filled in at the same time; empty where no label config was given.
    """

    format_name: str
    control: str = ""
    split: SplitFractions | None = None
    system_prompt: str = ""
    keeps_formulas: bool = False
    names_annotators: bool = True
    texts: tuple[ObjectTag, ...] = ()
    controls: tuple[ServedControl, ...] = ()

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of the fields that are read."""
        return tuple(shown.field or "" for shown in self.texts)

    def text(self, row: Row) -> str:
        """Return the text that the one control is decided on, as people read it."""
        served = next((each for each in self.controls if each.name == self.control), None)
        return readable_text(row.text if served is None else served.control.text_in(row.text))

    def turns(self, row: Row) -> list[tuple[str, str]]:
        """Return that text as the turns of a conversation, role and words of each: one of a user, or a dialogue's."""
        served = next((each for each in self.controls if each.name == self.control), None)
        if served is None or not served.control.answers_a_dialogue:
            return [("user", self.text(row))]
        return turns_of(served.control.prompt_in(row.text))

    def target(self, row: Row) -> Target:
        """Return the row's answer to the one control.

        Raises:
            NotCarried: it has none.
        """
        if self.control not in row.targets:
            raise NotCarried(f"no agreed answer to {self.control}")
        return row.targets[self.control]


class RowCounter:
    """Counts rows while they are written, and keeps the task ids of those that are not.

    Attributes:
        rows: how many were written.
        left_out: task ids of the rows that the format cannot carry, by reason.
        notices: what a reader of the file should know about it, in sentences.
        relations: how many relations the written rows have.
    """

    def __init__(self) -> None:
        self.rows = self.relations = 0
        self.left_out: dict[str, array[int]] = {}
        self.notices: list[str] = []

    def convert(self, rows: Iterable[Row], convert: Callable[[Row], Converted]) -> Iterator[Converted]:
        """Yield what becomes of each row that can be carried, in order."""
        for row in rows:
            try:
                value = convert(row)
            except NotCarried as reason:
                # Eight bytes an id: a million rows may be left out.
                self.left_out.setdefault(str(reason), array("q")).append(row.task_id)
            else:
                self.rows += 1
                self.relations += len(row.relations)
                yield value


class Exporter(ABC):
    """One format. A subclass in a file of this folder is found by itself.

    Attributes:
        name: the value of `--format`; unique.
        description: what a reader of the file finds in it, in a sentence.
        limits: what the format cannot carry, in sentences.
        suffix: usual ending of the files, with the dot.
        carries_one_control: it holds the answers to one control only.
        carries_spans: that control must be answered with pieces of the text.
        carries_relations: it holds relations between marked pieces, too.
        needs_config: it cannot be written without a label config.
        is_folder: it is a folder that holds a file per split, even where there is one split.
    """

    name: ClassVar[str]
    description: ClassVar[str]
    limits: ClassVar[str]
    suffix: ClassVar[str]
    carries_one_control: ClassVar[bool] = False
    carries_spans: ClassVar[bool] = False
    carries_relations: ClassVar[bool] = False
    needs_config: ClassVar[bool] = True
    is_folder: ClassVar[bool] = False

    def check(self, request: ExportRequest) -> None:
        """Refuse a request that the format cannot fulfil, before anything is read.

        Raises:
            ConfigurationError: it cannot.
        """
        for served in request.controls:
            if self.carries_spans and served.name == request.control and not AnswerColumn.of(served).has_spans:
                raise ConfigurationError(
                    f"the format {self.name} holds entities, and {served.name!r} is answered with {served.kind.name}; "
                    "choose another format, or name the control that marks entities: --control NAME"
                )

    def file_of(self, split: str) -> str:
        """Return the path of a split's file within a folder."""
        return f"{split}{self.suffix}"

    @abstractmethod
    def write(self, rows: Iterable[Row], path: Path, request: ExportRequest) -> RowCounter:
        """Write the rows into a file as they come, in flat memory."""

    def finish(self, folder: Path) -> None:  # noqa: B027 (most formats have nothing to add)
        """Add what a folder of splits needs besides the files."""

    @staticmethod
    def named(name: str) -> "Exporter":
        """Return the exporter of a format.

        Raises:
            ConfigurationError: there is no such format; the message lists those there are.
        """
        exporters = _exporters()
        if name not in exporters:
            raise ConfigurationError(f"unknown export format {name!r}; wanted one of {', '.join(Exporter.names())}")
        return exporters[name]

    @staticmethod
    def names() -> tuple[str, ...]:
        """Return the names of all formats, in alphabetical order."""
        return tuple(sorted(_exporters()))


class LineExporter(Exporter):
    """A format whose files are UTF-8 text, to which every row adds a piece."""

    @abstractmethod
    def pieces(self, rows: Iterable[Row], request: ExportRequest, counter: RowCounter) -> Iterator[str]:
        """Yield what each row adds to the file, by `RowCounter.convert`; then add the notices to the counter."""

    def write(self, rows: Iterable[Row], path: Path, request: ExportRequest) -> RowCounter:
        """Write the rows into a file as they come, in flat memory."""
        counter = RowCounter()
        with path.open("w", encoding="utf-8", newline="") as file:
            file.writelines(self.pieces(rows, request, counter))
        return counter


@cache
def _exporters() -> Mapping[str, Exporter]:
    return {name: kind() for name, kind in classes_in(__package__, Exporter, "name").items()}

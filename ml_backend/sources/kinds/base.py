"""The base class of kinds of label sources, how they are found, and what they are loaded with."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from ...domain.readable import listed
from ...domain.source import AnswerForm, LabelSource, SourceFault
from ...errors import SourceError
from ...plugins import classes_in
from ..language import ENGLISH
from ..text import TaskText

__all__ = ["AskedControl", "Loading", "SourceKind", "Voter"]

SHOWN = 10

Vote = tuple[int, str, int, int]
"""A vote: which of the voter's sources gives it, the label, and start and end of the piece; 0 and 0 for whole texts."""


@dataclass(frozen=True, slots=True)
class AskedControl:
    """A control that sources answer.

    Attributes:
        field: the field whose text its pieces are marked in; empty where that is the only text.
        labels: in the order of the label config.
    """

    name: str
    form: AnswerForm
    labels: tuple[str, ...]
    field: str = ""

    def label(self, label: str) -> str:
        """Return the label.

        Raises:
            SourceError: the label config lacks it.
        """
        if label not in self.labels:
            raise SourceError(f"label {label!r} found; the control {self.name!r} offers {listed(self.labels, SHOWN)}")
        return label


class Voter(ABC):
    """One or several sources that read a text together.

    Attributes:
        sources: those whose votes it gives.
        control: what they answer.
        language: of the text that it gets.
    """

    sources: tuple[LabelSource, ...]
    control: AskedControl
    language: str = ENGLISH

    @abstractmethod
    def votes(self, text: TaskText) -> Iterable[Vote]:
        """Return the votes on a text.

        Raises:
            SourceError: a source gives what the control does not take.
        """


class Loading:
    """The folder that sources are loaded from, and what they may need to know.

    Args:
        controls: those that are answered with labels.
        marked: pieces of train rows' texts that people marked, by control and label.
        begin: is called with the name of a file before its code runs; False where the file is to be left out.

    Attributes:
        faults: what is wrong with the folder; grows while sources are loaded.
    """

    def __init__(
        self,
        folder: Path,
        controls: Iterable[AskedControl],
        marked: Mapping[str, Mapping[str, Iterable[str]]],
        begin: Callable[[str], bool],
    ) -> None:
        self.folder, self.marked, self.begin = folder, marked, begin
        self.controls = {control.name: control for control in controls}
        self.faults: list[SourceFault] = []

    def control(self, name: str | None) -> AskedControl:
        """Return the control of this name, or the only one for None.

        Raises:
            SourceError: there is none of this name, or there are several to choose from.
        """
        if name is None and len(self.controls) == 1:
            return next(iter(self.controls.values()))
        if name is None or name not in self.controls:
            found = "no control" if name is None else f"control {name!r}"
            raise SourceError(f"{found} found; wanted one of {', '.join(map(repr, self.controls))}")
        return self.controls[name]

    def fault(self, place: str, problem: object, source: str = "") -> None:
        """Note that a source, or a whole file, cannot be used."""
        self.faults.append(SourceFault(source or place.partition(":")[0], place, str(problem), is_fatal=True))

    def files(self, folder: str) -> list[Path]:
        """Return the files of a folder below this one by name, without those whose names begin with `_` or a dot."""
        below = self.folder / folder
        found = sorted(below.iterdir()) if below.is_dir() else []
        return [path for path in found if path.is_file() and not path.name.startswith(("_", "."))]

    def name(self, path: Path) -> str:
        """Return a file's name as messages show it."""
        return path.relative_to(self.folder).as_posix()


class SourceKind(ABC):
    """A kind of label source. A new one is a new file in this folder.

    Attributes:
        name: as `LabelSource.kind` has it.
    """

    name: ClassVar[str]

    @abstractmethod
    def load(self, loading: Loading) -> Iterator[Voter]:
        """Yield the sources of this kind; what cannot be used is noted as a fault."""

    @staticmethod
    def all() -> "Mapping[str, type[SourceKind]]":
        """Return all kinds by name."""
        return classes_in(__package__, SourceKind, "name")

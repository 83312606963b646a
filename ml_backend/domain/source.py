"""Label sources: what reasons, lists and patterns that experts gave say about texts, and what is proposed by them."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from .example import Target

__all__ = ["AnswerForm", "LabelSource", "Proposal", "SourceFault"]


class AnswerForm(StrEnum):
    """The form of the answers to a control: one label, several, or labeled pieces of the text."""

    ONE = "one"
    SEVERAL = "several"
    SPANS = "spans"


@dataclass(frozen=True, slots=True)
class LabelSource:
    """Something that answers some texts, and says nothing about the others.

    Attributes:
        name: unique among the sources of a folder.
        kind: what it is, such as `rationale`; a file of `sources/kinds`.
        label: the only one that it gives; None where it may give several.
        reason: why it is right, in an expert's words.
        by: whose reason this is.
        when: when the reason was given, as it was written down.
        place: where it is defined, as `file.py:12`; empty where it stands in no file.
        learns: it is made from the train rows, so they say nothing about how often it is right.
    """

    name: str
    kind: str
    control: str
    label: str | None = None
    reason: str = ""
    by: str = ""
    when: str = ""
    place: str = ""
    learns: bool = False


@dataclass(frozen=True, slots=True)
class SourceFault:
    """Something that a source did wrong, once or on several texts.

    Attributes:
        source: its name; of a file that cannot be read, the file's.
        place: where in the file, as `file.py:12`.
        problem: what was found and what was wanted.
        text: the beginning of the first text that it happened with; empty where it happened without one.
        count: on how many texts.
        is_fatal: the source, or the file, is left out for good.
    """

    source: str
    place: str
    problem: str
    text: str = ""
    count: int = 1
    is_fatal: bool = False

    @property
    def sentence(self) -> str:
        """The fault as a line for people."""
        times = f" ({self.count} texts)" if self.count > 1 else ""
        about = f", with the text {self.text!r}" if self.text else ""
        end = "; it is left out" if self.is_fatal else ""
        name = "" if self.place.startswith(self.source) else f"{self.source}: "
        return f"{self.place}: {name}{self.problem}{about}{times}{end}"


@dataclass(frozen=True, slots=True)
class Proposal:
    """An answer that the sources together give to a task, for a person to confirm.

    Attributes:
        confidence: the chance that all of it is right.
        by: names of the sources that say so.
    """

    task_id: int
    targets: Mapping[str, Target]
    confidence: float
    by: tuple[str, ...]

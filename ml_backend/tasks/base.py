"""The interface of a labeling kind."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from ..domain.annotation import Region
from ..domain.example import Target, label_of, parts_of
from ..domain.label_config import Control
from ..domain.model import ScoredTarget
from ..domain.reasons import Reason

__all__ = ["GivenAnswer", "TaskKind"]


@dataclass(frozen=True, slots=True)
class GivenAnswer:
    """The answer that an annotation gives to a control.

    Attributes:
        target: None where there is no answer, or none that counts; `reasons` then say why.
        reasons: why the answer or a part of it is left out or was repaired.
    """

    target: Target | None = None
    reasons: tuple[Reason, ...] = ()


class TaskKind(ABC):
    """A kind of labeling. A new kind is a new file in this folder and a template in `label_config/`.

    Attributes:
        name: as in `label_config/<name>.xml`.
        head: the kind of head that answers it, a file of `models/decoders`.
        has_labels: True where an answer, of labels or a number, can be right or wrong; a response in words cannot.
        rates: True where, beside a text area, it is the response that is rated and not the text.
        kind_of_each: where it is asked about each marked piece of a text, the kind of each answer; a target is a span
            per piece then, whose label is the answer. Empty for others.
        example: the control that it serves, as it is written in a label config.
    """

    name: ClassVar[str]
    head: ClassVar[str]
    has_labels: ClassVar[bool] = True
    rates: ClassVar[bool] = False
    kind_of_each: ClassVar[str] = ""
    example: ClassVar[str]

    def may_serve(self, tag: str) -> bool:
        """True where controls of this tag may be of this kind."""
        return self.example.startswith(f"<{tag}")

    @abstractmethod
    def refusal(self, control: Control) -> str | None:
        """Return why this kind does not serve the control, as a clause after its name; None where it does.

        Only asked about controls of a text of the task's data that are asked once per task.
        """

    @abstractmethod
    def read(self, control: Control, result: Sequence[Region], text: str) -> GivenAnswer:
        """Return the answer that an annotation's result gives to the control.

        It may hold labels that the config no longer knows: see `labels_in`.

        Args:
            text: the task's text.
        """

    @abstractmethod
    def write(self, control: Control, answer: ScoredTarget, text: str) -> list[Region]:
        """Return the regions that show the answer in Label Studio, without labels that the config lacks."""

    @abstractmethod
    def resolve(self, votes: Sequence[Target]) -> Target | None:
        """Return the answer that several annotators agree on, None where they do not. `votes` is not empty."""

    def is_refused_in_bulk(self, control: Control) -> bool:  # noqa: ARG002 (of most kinds all are taken)
        """Return whether Label Studio drops what this kind writes where many predictions are sent at once."""
        return False

    def standing(self, votes: Sequence[Target]) -> tuple[Target, ...]:
        """Return the answers of several annotators that count: the one that they agree on, none where they do not.

        Answers that can be right side by side all count. `votes` is not empty.
        """
        agreed = self.resolve(votes)
        return () if agreed is None else (agreed,)

    def labels_in(self, target: Target) -> tuple[str, ...]:
        """Return the labels that an answer uses."""
        return tuple(label_of(part) for part in parts_of(target)) if self.has_labels else ()

    @staticmethod
    def region(control: Control, kind: str, value: Any, score: float, **others: Any) -> Region:
        """Return a region that shows an answer, or a part of it."""
        names = {"from_name": control.name, "to_name": control.object.name}
        return {**names, "type": kind, "value": value, "score": score, **others}

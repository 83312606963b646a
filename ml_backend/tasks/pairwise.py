"""Comparisons: `<Pairwise>` on two texts."""

from collections.abc import Mapping, Sequence

from ..domain.annotation import Region
from ..domain.example import Target
from ..domain.label_config import Control
from ..domain.model import ScoredTarget
from .base import GivenAnswer, TaskKind
from .choices import chosen_by_most, only_choice

__all__: list[str] = []


class Pairwise(TaskKind):
    """Which of two texts is better: a target is `left` or `right`; the first name in `toName` is on the left.

    Label Studio stores the control's own name as `to_name` where people answer. Where predictions are imported, it
    wants the name of an object there, and shows them all the same.
    """

    name = "pairwise"
    head = "pair"
    example = "<Pairwise>"

    def refusal(self, control: Control) -> str | None:
        if control.tag != "Pairwise":
            return "is not <Pairwise>"
        if control.other is None or control.other == control.object:
            return 'names one text, and a comparison takes two; write toName="answer1,answer2"'
        return None

    def read(self, control: Control, result: Sequence[Region], text: str) -> GivenAnswer:  # noqa: ARG002 (the base's shape)
        """Return the side that the result names once or several times; different sides are no answer."""
        regions = [region for region in result if region.get("from_name") == control.name]
        if not regions:
            return GivenAnswer()
        values = [region.get("value") if region.get("type") == "pairwise" else None for region in regions]
        sides = [value.get("selected") if isinstance(value, Mapping) else None for value in values]
        return only_choice(
            {str(side) for side in sides} if all(side in control.label_values for side in sides) else None
        )

    def write(self, control: Control, answer: ScoredTarget, text: str) -> list[Region]:
        if answer.target not in control.label_values or not text.strip():
            return []
        return [self.region(control, "pairwise", {"selected": answer.target}, answer.score)]

    def resolve(self, votes: Sequence[Target]) -> Target | None:
        return chosen_by_most(votes)

"""Ratings: `<Rating>` on `<Text>`."""

from collections.abc import Sequence

from ..domain.annotation import Region
from ..domain.example import Target, label_of, parts_of
from ..domain.label_config import Control
from ..domain.model import ScoredTarget
from ..domain.reasons import Reason
from .base import GivenAnswer, TaskKind
from .numbers import given_number, middle_number

__all__: list[str] = []


class Rating(TaskKind):
    """A whole number of stars per text, from 1 to `maxRating`. A target is that number.

    Label Studio stores 0 where stars were given and taken away: that is no answer.
    """

    name = "rating"
    head = "ordinal"
    rates = True
    example = "<Rating>"

    def refusal(self, control: Control) -> str | None:
        if control.tag != "Rating":
            return "is not <Rating>"
        if len(control.labels) < 2:
            return f'has maxRating="{control.attributes.get("maxrating")}", and wanted is a whole number from 2 to 100'
        return None

    def read(self, control: Control, result: Sequence[Region], text: str) -> GivenAnswer:  # noqa: ARG002 (the base's shape)
        answer = given_number(control, result, "rating")
        if not isinstance(answer.target, int | float):
            return answer
        if answer.target == 0:
            return GivenAnswer()
        is_level = answer.target == int(answer.target) and answer.target > 0
        return GivenAnswer(int(answer.target)) if is_level else GivenAnswer(reasons=(Reason.UNREADABLE,))

    def write(self, control: Control, answer: ScoredTarget, text: str) -> list[Region]:  # noqa: ARG002 (the base's shape)
        # Label sources name a level as a label.
        levels = [label_of(part) for part in parts_of(answer.target)]
        if len(levels) != 1 or levels[0] not in control.label_values:
            return []
        return [self.region(control, "rating", {"rating": int(levels[0])}, answer.score)]

    def is_refused_in_bulk(self, control: Control) -> bool:
        return "toname" not in control.attributes

    def resolve(self, votes: Sequence[Target]) -> Target | None:
        """Return the middle rating where more than half of the annotators gave it or one next to it."""
        return middle_number(votes, lambda one, other: abs(one - other) <= 1)

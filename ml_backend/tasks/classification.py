"""Single-choice classification: `<Choices choice="single">` on `<Text>`."""

from collections.abc import Sequence

from ..domain.annotation import Region
from ..domain.example import Target
from ..domain.label_config import Control
from ..domain.model import ScoredTarget
from .base import GivenAnswer, TaskKind
from .choices import chosen_by_most, only_choice, ticked_choices

__all__: list[str] = []


class Classification(TaskKind):
    """One class per text. A target is the class's stored value."""

    name = "classification"
    head = "softmax"
    example = '<Choices choice="single">'

    def refusal(self, control: Control) -> str | None:
        if control.tag != "Choices":
            return "is not <Choices>"
        choice = control.attributes.get("choice", "single")
        if choice not in ("single", "single-radio"):
            return f'has choice="{choice}", not choice="single"'
        if control.is_nested:
            return "has choices inside choices, and wanted are all of them side by side"
        if len(control.labels) < 2:
            return f"offers {len(control.labels)} choices, and a class needs an alternative"
        return None

    def read(self, control: Control, result: Sequence[Region], text: str) -> GivenAnswer:  # noqa: ARG002 (the base's shape)
        """Return the class that the result names once or several times; different classes are no answer."""
        regions = [region for region in result if region.get("from_name") == control.name]
        if not regions:
            return GivenAnswer()
        return only_choice(ticked_choices(regions))

    def write(self, control: Control, answer: ScoredTarget, text: str) -> list[Region]:  # noqa: ARG002 (the base's shape)
        if answer.target not in control.label_values:
            return []
        return [self.region(control, "choices", {"choices": [answer.target]}, answer.score)]

    def resolve(self, votes: Sequence[Target]) -> Target | None:
        return chosen_by_most(votes)

"""Multiple choice: `<Choices choice="multiple">` on `<Text>`."""

from collections import Counter
from collections.abc import Sequence

from ..domain.annotation import Region
from ..domain.example import Target, label_of, parts_of
from ..domain.label_config import Control
from ..domain.model import ScoredTarget
from ..domain.reasons import Reason
from .base import GivenAnswer, TaskKind
from .choices import ticked_choices

__all__: list[str] = []

DIGITS = 4


class MultipleChoice(TaskKind):
    """Any number of labels per text. A target is the sorted tuple of their stored values, empty for none.

    In Label Studio no label is no region, so a submitted annotation without one says that no label applies.
    """

    name = "multiple_choice"
    head = "sigmoid"
    example = '<Choices choice="multiple">'

    def refusal(self, control: Control) -> str | None:
        if control.tag != "Choices":
            return "is not <Choices>"
        if (choice := control.attributes.get("choice", "single")) != "multiple":
            return f'has choice="{choice}", not choice="multiple"'
        if control.is_nested:
            return "has choices inside choices, and wanted are all of them side by side"
        if not control.labels:
            return "lists no choices in the label config"
        return None

    def read(self, control: Control, result: Sequence[Region], text: str) -> GivenAnswer:  # noqa: ARG002 (the base's shape)
        regions = [region for region in result if region.get("from_name") == control.name]
        if not regions:
            return GivenAnswer(() if control.may_be_left_empty else None)
        chosen = ticked_choices(regions)
        return GivenAnswer(reasons=(Reason.UNREADABLE,)) if chosen is None else GivenAnswer(tuple(sorted(chosen)))

    def write(self, control: Control, answer: ScoredTarget, text: str) -> list[Region]:  # noqa: ARG002 (the base's shape)
        # One name alone is what a model of a single choice says, as the control may have been one.
        chosen = answer.target if isinstance(answer.target, tuple) else ()
        choices = [value for value in control.label_values if value in chosen]
        if not choices:
            return []
        # The editor shows no score of a choice; it keeps what stands in `meta`, so exports hold it.
        meta = {"scores": {v: round(answer.scores[v], DIGITS) for v in control.label_values if v in answer.scores}}
        return [self.region(control, "choices", {"choices": choices}, answer.score, meta=meta)]

    def resolve(self, votes: Sequence[Target]) -> Target | None:
        """Return the labels that more than half of the annotators chose.

        None where exactly half chose a label, and where no label is left although at least half chose something: then
        they disagree about which.
        """
        chosen = Counter(label for vote in votes for label in set(map(label_of, parts_of(vote))))
        if any(count * 2 == len(votes) for count in chosen.values()):
            return None
        agreed = tuple(sorted(label for label, count in chosen.items() if count * 2 > len(votes)))
        if not agreed and sum(bool(vote) for vote in votes) * 2 >= len(votes):
            return None
        return agreed

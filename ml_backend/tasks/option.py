"""One of a task's own options: `<Choices value="$options">` on `<Text>`."""

from collections.abc import Sequence
from typing import ClassVar

from ..domain.annotation import Region
from ..domain.example import Target, parts_of
from ..domain.label_config import INSIDE, Control
from ..domain.model import ScoredTarget
from ..domain.offered import options_in
from ..domain.reasons import Reason
from .base import GivenAnswer, TaskKind
from .choices import chosen_by_most

__all__ = ["OptionChoice"]


class OptionChoice(TaskKind):
    """One of the options that the task holds. A target is its id: its alias, or else its value.

    Attributes:
        choice: the value of the attribute `choice` that it serves.
    """

    name = "option"
    head = "option"
    example = '<Choices choice="single" value="$options">'
    choice: ClassVar[str] = "single"

    def refusal(self, control: Control) -> str | None:
        if control.tag != "Choices" or control.options is None:
            return "takes no choices from a field of the task"
        choice = control.attributes.get("choice", "single")
        if (choice == "multiple") is not (self.choice == "multiple"):
            return f'has choice="{choice}", not choice="{self.choice}"'
        return None

    def read(self, control: Control, result: Sequence[Region], text: str) -> GivenAnswer:
        regions = [region for region in result if region.get("from_name") == control.name]
        if not regions:
            return self._unanswered(control, text)
        chosen: set[str] = set()
        for region in regions:
            value = region.get("value")
            choices = value.get("choices") if region.get("type") == "choices" and isinstance(value, dict) else None
            if not isinstance(choices, list):
                return GivenAnswer(reasons=(Reason.UNREADABLE,))
            # Where choices may lie inside others, each is stored as a path, even an outermost one.
            paths = [each if isinstance(each, list) else [each] for each in choices]
            if not all(path and all(isinstance(step, str) for step in path) for path in paths):
                return GivenAnswer(reasons=(Reason.UNREADABLE,))
            chosen.update(INSIDE.join(path) for path in paths)
        options = options_in(text)
        if not options:
            return GivenAnswer(reasons=(Reason.OPTIONS_UNFIT,))
        # The editor shows nothing of these, and stores what a pre-label had of them all the same.
        return self._answered(chosen) if chosen <= options.keys() else GivenAnswer(reasons=(Reason.UNKNOWN_OPTION,))

    def write(self, control: Control, answer: ScoredTarget, text: str) -> list[Region]:
        """Return a region with the options of the answer that the task holds, as paths where they may lie in others."""
        chosen = {part for part in parts_of(answer.target) if isinstance(part, str)}
        names = [name for name in options_in(text) if name in chosen]
        if not names or (self.choice == "single" and len(names) > 1):
            return []
        is_nested = self.is_refused_in_bulk(control)
        choices = [name.split(INSIDE) for name in names] if is_nested else names
        return [self.region(control, "choices", {"choices": choices}, answer.score)]

    def is_refused_in_bulk(self, control: Control) -> bool:
        return control.has("allownested")

    def labels_in(self, target: Target) -> tuple[str, ...]:  # noqa: ARG002 (options are each task's own)
        return ()

    def resolve(self, votes: Sequence[Target]) -> Target | None:
        return chosen_by_most(votes)

    def _unanswered(self, control: Control, text: str) -> GivenAnswer:  # noqa: ARG002 (others need both)
        return GivenAnswer()

    def _answered(self, chosen: set[str]) -> GivenAnswer:
        if not chosen:
            return GivenAnswer(reasons=(Reason.UNREADABLE,))
        return GivenAnswer(chosen.pop()) if len(chosen) == 1 else GivenAnswer(reasons=(Reason.CONTRADICTORY,))

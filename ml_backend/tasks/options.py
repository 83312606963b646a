"""Any number of a task's own options: `<Choices choice="multiple" value="$options">` on `<Text>`."""

from collections.abc import Sequence

from ..domain.example import Target
from ..domain.label_config import Control
from ..domain.offered import options_in
from .base import GivenAnswer
from .multiple_choice import MultipleChoice
from .option import OptionChoice

__all__: list[str] = []


class SeveralOptions(OptionChoice):
    """Any number of the options that the task holds. A target is the sorted tuple of their ids, empty for none."""

    name = "options"
    head = "options"
    example = '<Choices choice="multiple" value="$options">'
    choice = "multiple"

    def resolve(self, votes: Sequence[Target]) -> Target | None:
        return MultipleChoice().resolve(votes)

    def _unanswered(self, control: Control, text: str) -> GivenAnswer:
        return GivenAnswer(() if control.may_be_left_empty and options_in(text) else None)

    def _answered(self, chosen: set[str]) -> GivenAnswer:
        return GivenAnswer(tuple(sorted(chosen)))

"""Everything that a file of rationales imports.

    from ml_backend.sources.writing import TaskText, rationale

    @rationale("Cancellation", by="Ada Reed", when="2026-11-30")
    def wants_it_to_end(text: TaskText):
        '''They ask to end or pause something that runs, whatever the reason.'''
        return text.mentions("cancel", "terminate", "close my account").affirmed()

The text is a string that can be asked for more: see `TaskText`. A rationale that does not apply returns nothing. One
that does returns

- True, or what a question found: its label, or, where pieces of the text are marked, these pieces with its label;
- a label, or a list of labels where several may be chosen;
- a pair of positions, or a list of pairs or of triples (start, end, label), where pieces of the text are marked.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

from ..errors import SourceError
from .language import ENGLISH
from .text import Examples, Match, Matches, TaskText

__all__ = ["Examples", "Match", "Matches", "Rationale", "TaskText", "rationale"]


@dataclass(frozen=True, slots=True)
class Rationale:
    """An expert's reason as a function of a text. It is called like the function; `rationale` makes it."""

    function: Callable[[TaskText], Any]
    name: str
    label: str | None
    control: str | None
    reason: str
    by: str
    when: str
    language: str

    def __call__(self, text: TaskText) -> Any:
        return self.function(text)


def rationale(
    label: str | None = None,
    *,
    control: str | None = None,
    reason: str = "",
    by: str = "",
    when: str | date = "",
    name: str = "",
    language: str = ENGLISH,
) -> Callable[[Callable[[TaskText], Any]], Rationale]:
    """Make a function a source of labels.

    Args:
        label: what it votes for; None where the function returns labels itself.
        control: the control of the label config that it answers; needed only where there are several.
        reason: the expert's reason in words; else the function's docstring.
        by: whose reason it is.
        when: when it was given.
        name: else the function's.
        language: whose inflections, negations, numbers and months `TaskText` goes by, such as `german`.

    Raises:
        SourceError: it is written without parentheses.
    """
    if callable(label):
        raise SourceError("@rationale found; wanted parentheses with a label, such as @rationale('Billing')")

    def marked(function: Callable[[TaskText], Any]) -> Rationale:
        words = " ".join((reason or function.__doc__ or "").split())
        return Rationale(function, name or function.__name__, label, control, words, by, str(when), language)

    return marked

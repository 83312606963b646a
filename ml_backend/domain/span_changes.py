"""Tell two ways to mark a text apart."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from .example import Span

__all__ = ["SpanChange", "SpanFault", "span_changes"]


class SpanFault(StrEnum):
    """A fault of a marked piece of a text, or of one that is not marked."""

    MISSED = "missed"
    SPURIOUS = "spurious"
    WRONG_BOUNDARY = "wrong_boundary"
    WRONG_TYPE = "wrong_type"


@dataclass(frozen=True, slots=True)
class SpanChange:
    """One piece of a text, and how it would be marked instead.

    Attributes:
        given: None for a missed one.
        suggested: None for a spurious one.
    """

    fault: SpanFault
    given: Span | None
    suggested: Span | None


def span_changes(spans: Iterable[Span], suggested: Iterable[Span]) -> tuple[SpanChange, ...]:
    """Return what turns the given spans into the suggested ones, in the order of the text.

    A span that is taken away and one that is added are one change where they share characters; each is paired with the
    one that it shares the most with, of those with the same label if there are any.
    """
    before, after = set(spans), set(suggested)
    removed, added = sorted(before - after), sorted(after - before)
    near = [(one, other) for one in removed for other in added if _shared(one, other) > 0]
    near.sort(key=lambda pair: (pair[0].label != pair[1].label, -_shared(*pair), pair))
    changes: list[SpanChange] = []
    for one, other in near:
        if one in removed and other in added:
            removed.remove(one)
            added.remove(other)
            fault = SpanFault.WRONG_BOUNDARY if one.label == other.label else SpanFault.WRONG_TYPE
            changes.append(SpanChange(fault, one, other))
    changes += [SpanChange(SpanFault.SPURIOUS, span, None) for span in removed]
    changes += [SpanChange(SpanFault.MISSED, None, span) for span in added]
    return tuple(sorted(changes, key=_place))


def _shared(one: Span, other: Span) -> int:
    """Return how many characters both cover; 0 or less where they cover none."""
    return min(one.end, other.end) - max(one.start, other.start)


def _place(change: SpanChange) -> tuple[Span, ...]:
    return tuple(span for span in (change.given, change.suggested) if span is not None)

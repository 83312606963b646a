"""Entities: `<Labels>` on `<Text>`."""

from collections import Counter
from collections.abc import Mapping, Sequence

from ..domain.annotation import Region
from ..domain.example import Span, Target, label_of, parts_of
from ..domain.label_config import Control
from ..domain.model import HeadKind, ScoredTarget
from .base import TaskKind, may_be_left_empty

__all__ = ["Entities", "overlap", "without_overlaps"]


class Entities(TaskKind):
    """Labeled pieces of a text. A target is the sorted tuple of its spans, empty for none.

    Spans may touch, overlap and lie inside one another, as people mark them; two of one place differ in their label.
    In Label Studio no span is no region, so a submitted annotation without one says that the text holds none.
    """

    name = "entities"
    head = HeadKind.TAGS
    example = "<Labels>"

    def refusal(self, control: Control) -> str | None:
        if control.tag != "Labels":
            return "is not <Labels>"
        if not control.labels:
            return "offers no labels of its own"
        return None

    def read(self, control: Control, result: Sequence[Region], text: str) -> Target | None:
        """The spans of an annotation's result; None as well where one of them lies outside the text.

        A region that cannot be read voids the whole answer: without it, the text would seem to hold nothing there.
        """
        regions = [region for region in result if region.get("from_name") == control.name]
        if not regions:
            return () if may_be_left_empty(control) else None
        spans: set[Span] = set()
        for region in regions:
            found = _spans(region, len(text))
            if found is None:
                return None
            spans.update(found)
        return tuple(sorted(spans))

    def write(self, control: Control, answer: ScoredTarget, text: str) -> list[Region]:
        spans = [part for part in parts_of(answer.target) if isinstance(part, Span)]
        return [
            {
                "id": f"{control.name}-{number}",
                "from_name": control.name,
                "to_name": control.object.name,
                "type": "labels",
                "value": {
                    "start": span.start,
                    "end": span.end,
                    "text": text[span.start : span.end],
                    "labels": [span.label],
                },
                "score": answer.scores.get(span, answer.score),
            }
            for number, span in enumerate(spans)
            if span.label in control.label_values and 0 <= span.start < span.end <= len(text)
        ]

    def resolve(self, votes: Sequence[Target]) -> Target | None:
        """The spans that more than half of the annotators marked alike, in place and label.

        A span that fewer marked is left out where more than half left its place bare, and where an agreed span
        overlaps it. Otherwise something is there and nobody can say what: None.
        """
        marked = [[part for part in parts_of(vote) if isinstance(part, Span)] for vote in votes]
        counts = Counter(span for spans in marked for span in set(spans))
        agreed = {span for span, count in counts.items() if count * 2 > len(votes)}
        for span in counts.keys() - agreed:
            busy = sum(any(overlap(span, other) for other in spans) for spans in marked)
            is_tied = counts[span] * 2 == len(votes)
            if is_tied or (busy * 2 >= len(votes) and not any(overlap(span, other) for other in agreed)):
                return None
        return tuple(sorted(agreed))

    def labels_in(self, target: Target) -> tuple[str, ...]:
        return tuple(label_of(part) for part in parts_of(target))


def overlap(one: Span, other: Span) -> bool:
    """True where the two share a character."""
    return one.start < other.end and other.start < one.end


def without_overlaps(spans: Sequence[Span]) -> tuple[Span, ...]:
    """Spans of which no two share a character, in the order of the text.

    The longest comes first, of equals the earliest, then the label that is first in the alphabet; each later one is
    kept where it overlaps none that is kept already. So the whole wins over its parts, whatever order they come in.
    """
    kept: list[Span] = []
    for span in sorted(set(spans), key=lambda span: (span.start - span.end, span.start, span.label)):
        if not any(overlap(span, other) for other in kept):
            kept.append(span)
    return tuple(sorted(kept))


def _spans(region: Region, length: int) -> list[Span] | None:
    """One span per label of a region; None where it is none, or not within a text of this length."""
    value = region.get("value")
    if region.get("type") != "labels" or not isinstance(value, Mapping):
        return None
    start, end, labels = value.get("start"), value.get("end"), value.get("labels")
    if type(start) is not int or type(end) is not int or not 0 <= start < end <= length:
        return None
    if not isinstance(labels, list) or not labels or not all(isinstance(label, str) for label in labels):
        return None
    return [Span(start, end, label) for label in labels]

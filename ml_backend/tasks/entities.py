"""Entities: `<Labels>` on `<Text>`."""

from collections import Counter
from collections.abc import Mapping, Sequence

from ..domain.annotation import Region
from ..domain.example import Span, Target, label_of, parts_of
from ..domain.label_config import Control
from ..domain.model import ScoredTarget
from ..domain.reasons import Reason
from .base import GivenAnswer, TaskKind, may_be_left_empty
from .span_positions import Mark, placed

__all__ = ["Entities", "overlap", "without_overlaps"]


class Entities(TaskKind):
    """Labeled pieces of a text. A target is the sorted tuple of its spans, empty for none.

    Spans may touch, overlap and lie inside one another, as people mark them; two of one place differ in their label.
    In Label Studio no span is no region, so a submitted annotation without one says that the text holds none.
    """

    name = "entities"
    head = "tags"
    example = "<Labels>"

    def refusal(self, control: Control) -> str | None:
        if control.tag != "Labels":
            return "is not <Labels>"
        if not control.labels:
            return "offers no labels of its own"
        return None

    def read(self, control: Control, result: Sequence[Region], text: str) -> GivenAnswer:
        """Return the spans of an annotation's result, without the white space at their ends.

        A region that cannot be read, or whose position is in doubt, voids the whole answer: without it, the text would
        seem to hold no entity there. A region of white space alone is left out, and is no answer by itself.
        """
        regions = [region for region in result if region.get("from_name") == control.name]
        if not regions:
            return GivenAnswer(() if may_be_left_empty(control) else None)
        stored = [marked for region in regions if (marked := _marked(region)) is not None]
        if len(stored) < len(regions):
            return GivenAnswer(reasons=(Reason.UNREADABLE,))
        marks = [mark for mark, _ in stored]
        places = placed(marks, text)
        if places is None:
            return GivenAnswer(reasons=(Reason.DOUBTFUL_POSITIONS,))
        spans = [
            Span(place.start, place.end, label).trimmed(text[place.start : place.end])
            for place, (_, labels) in zip(places, stored, strict=True)
            for label in labels
        ]
        if not any(spans):
            return GivenAnswer(reasons=(Reason.EMPTY_ANSWER,))
        reasons = (Reason.MOVED_POSITIONS,) * (places != marks) + (Reason.BLANK_SPAN,) * (None in spans)
        return GivenAnswer(tuple(sorted({span for span in spans if span})), reasons)

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


def _marked(region: Region) -> tuple[Mark, list[str]] | None:
    """Return the position and the labels of a region; None where it lacks one of them."""
    value = region.get("value")
    if region.get("type") != "labels" or not isinstance(value, Mapping):
        return None
    start, end, labels, says = value.get("start"), value.get("end"), value.get("labels"), value.get("text")
    if type(start) is not int or type(end) is not int:
        return None
    if not isinstance(labels, list) or not labels or not all(isinstance(label, str) for label in labels):
        return None
    return Mark(start, end, says if isinstance(says, str) else ""), labels

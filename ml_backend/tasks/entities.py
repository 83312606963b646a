"""Entities: `<Labels>` on `<Text>`, `<HyperTextLabels>` on `<HyperText>`, `<ParagraphLabels>` on `<Paragraphs>`."""

from collections import Counter
from collections.abc import Mapping, Sequence

from ..domain.annotation import Region
from ..domain.example import Span, Target, spans_in
from ..domain.label_config import Control
from ..domain.model import ScoredTarget
from ..domain.reasons import Reason
from .base import GivenAnswer, TaskKind
from .objects import find_objects
from .span_positions import Mark, repair_positions

__all__ = ["spans_of_region", "without_overlaps"]


class Entities(TaskKind):
    """Labeled pieces of a text. A target is the sorted tuple of its spans, empty for none.

    Spans may touch, overlap and lie inside one another, as people mark them; two of one place differ in their label.
    In Label Studio no span is no region, so a submitted annotation without one says that the text holds none.
    """

    name = "entities"
    head = "tags"
    example = "<Labels>"

    def may_serve(self, tag: str) -> bool:
        return any(each.marking == tag for each in find_objects().values())

    def refusal(self, control: Control) -> str | None:
        if not self.may_serve(control.tag):
            return "is not <Labels>"
        marking = find_objects()[control.object.tag].marking
        if control.tag != marking:
            wanted = f"wanted is <{marking}>" if marking else "nothing in it can be marked"
            return f"is about <{control.object.tag}>, and {wanted} there"
        if not control.labels:
            return "lists no labels in the label config"
        return None

    def read(self, control: Control, result: Sequence[Region], text: str) -> GivenAnswer:
        """Return the spans of an annotation's result, without the white space at their ends.

        A region that cannot be read, or whose position is in doubt, voids the whole answer: without it, the text would
        seem to hold no entity there. A region of white space alone is left out, and is no answer by itself.
        """
        regions = [region for region in result if region.get("from_name") == control.name]
        if not regions:
            return GivenAnswer(() if control.may_be_left_empty else None)
        stored = [mark for region in regions if (mark := _mark_of(region)) is not None]
        if len(stored) < len(regions):
            return GivenAnswer(reasons=(Reason.UNREADABLE,))
        marks = [mark for mark, _ in stored]
        places = repair_positions(marks, text)
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
        regions = []
        for number, span in enumerate(spans_in(answer.target)):
            if span.label in control.label_values and 0 <= span.start < span.end <= len(text):
                piece, score = text[span.start : span.end], answer.scores.get(span, answer.score)
                value = {"start": span.start, "end": span.end, "text": piece, "labels": [span.label]}
                regions.append(self.region(control, "labels", value, score, id=f"{control.name}-{number}"))
        return regions

    def resolve(self, votes: Sequence[Target]) -> Target | None:
        """Return the spans that more than half of the annotators marked alike, in place and label.

        A span that fewer marked is left out where more than half left its place bare, and where an agreed span
        overlaps it. Otherwise something is there and nobody can say what: None.
        """
        marked = [spans_in(vote) for vote in votes]
        counts = Counter(span for spans in marked for span in set(spans))
        agreed = {span for span, count in counts.items() if count * 2 > len(votes)}
        for span in counts.keys() - agreed:
            busy = sum(any(_overlap(span, other) for other in spans) for spans in marked)
            is_tied = counts[span] * 2 == len(votes)
            if is_tied or (busy * 2 >= len(votes) and not any(_overlap(span, other) for other in agreed)):
                return None
        return tuple(sorted(agreed))


def _overlap(one: Span, other: Span) -> bool:
    """True where the two share a character."""
    return one.start < other.end and other.start < one.end


def without_overlaps(spans: Sequence[Span]) -> tuple[Span, ...]:
    """Return spans of which no two share a character, in the order of the text.

    A longer span goes before a shorter one, of equals the earlier one, then the label that is first in the alphabet. So
    the whole wins over its parts, whatever order they come in.
    """
    chosen: list[Span] = []
    for span in sorted(set(spans), key=lambda span: (span.start - span.end, span.start, span.label)):
        if not any(_overlap(span, other) for other in chosen):
            chosen.append(span)
    return tuple(sorted(chosen))


def spans_of_region(region: Region, text: str) -> tuple[Span, ...]:
    """Return the spans that a region marks, one per label, as far as it can be read by itself.

    Args:
        region: as on a `<Text>`.
    """
    stored = _mark_of(region)
    places = repair_positions([stored[0]], text) if stored else None
    if stored is None or not places:
        return ()
    start, end = places[0].start, places[0].end
    spans = (Span(start, end, label).trimmed(text[start:end]) for label in stored[1])
    return tuple(span for span in spans if span)


def _mark_of(region: Region) -> tuple[Mark, list[str]] | None:
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

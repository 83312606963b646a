"""Answers about each marked piece of a text, as controls with `perRegion="true"` ask for them."""

from abc import abstractmethod
from collections import Counter
from collections.abc import Sequence

from ..domain.annotation import Region
from ..domain.example import Span, Target, label_of, spans_in
from ..domain.label_config import Control
from ..domain.model import ScoredTarget
from ..domain.reasons import Reason
from .base import GivenAnswer, TaskKind
from .entities import spans_of_region

__all__ = ["RegionKind", "on_marks"]

PLACE = frozenset({"start", "startOffset", "end", "endOffset", "globalOffsets", "text"})
"""Keys that say in a region's value where it is."""


class RegionKind(TaskKind):
    """An answer per marked piece. A target is the sorted tuple of the answered pieces, each with its answer as label.

    In Label Studio an answer is a region with the id of the marked one. A piece that is not answered says nothing.
    """

    @property
    @abstractmethod
    def of_each(self) -> TaskKind:
        """The kind that answers one piece."""

    def may_serve(self, tag: str) -> bool:  # noqa: ARG002 (controls that are asked once per task are none of this kind)
        return False

    def refusal(self, control: Control) -> str | None:
        if not control.has("perregion"):
            return "is asked per task"
        return self.of_each.refusal(control)

    def answer_named(self, label: str) -> Target:
        """Return the answer to one piece that is stored as this label."""
        return label

    def read(self, control: Control, result: Sequence[Region], text: str) -> GivenAnswer:
        """Return the answers that belong to a marked piece, and about which the control is asked.

        Args:
            result: the control's regions and the marks, these as they are on a `<Text>`.
        """
        own = [region for region in result if region.get("from_name") == control.name]
        marks = [region for region in result if region.get("from_name") != control.name]
        answers: dict[tuple[int, int], set[str]] = {}
        reasons: list[Reason] = []
        for region_id in dict.fromkeys(map(_id, own)):
            given = self.of_each.read(control, [each for each in own if _id(each) == region_id], text)
            reasons += given.reasons
            about = [
                (str(mark.get("from_name")), span)
                for mark in marks
                if region_id and _id(mark) == region_id
                for span in spans_of_region(mark, text)
            ]
            if not about:
                reasons.append(Reason.ANSWER_WITHOUT_MARK)
            elif not any(control.is_asked_about(name, span.label) for name, span in about):
                reasons.append(Reason.NOT_ASKED)
            elif given.target is not None:
                _, span = about[0]
                answers.setdefault((span.start, span.end), set()).add(_label(given.target))
        spans = sorted(Span(*place, *labels) for place, labels in answers.items() if len(labels) == 1)
        reasons += [Reason.CONTRADICTORY] * (len(answers) - len(spans))
        return GivenAnswer(tuple(spans) if spans else None, tuple(reasons))

    def write(self, control: Control, answer: ScoredTarget, text: str) -> list[Region]:
        """Return a region per answered piece at its place; `on_marks` gives them their ids."""
        regions: list[Region] = []
        for span in spans_in(answer.target):
            each = ScoredTarget(self.answer_named(span.label), answer.scores.get(span, answer.score), {})
            for region in self.of_each.write(control, each, text):
                place = {"start": span.start, "end": span.end, "text": text[span.start : span.end]}
                regions.append({**region, "value": {**place, **region["value"]}})
        return regions

    def resolve(self, votes: Sequence[Target]) -> Target | None:
        """Return the pieces that more than half of the annotators answered, where they agree on the answer."""
        marked = Counter((span.start, span.end) for vote in votes for span in spans_in(vote))
        agreed = []
        for place, count in marked.items():
            if count * 2 > len(votes):
                spans = [span for vote in votes for span in spans_in(vote) if (span.start, span.end) == place]
                target = self.of_each.resolve([self.answer_named(span.label) for span in spans])
                agreed += [] if target is None else [Span(*place, _label(target))]
        return tuple(sorted(agreed)) or None


def on_marks(regions: Sequence[Region], marks: Sequence[tuple[str, Span, Region]], control: Control) -> list[Region]:
    """Return what `RegionKind.write` wrote as Label Studio shows it: with id and place of the marked region.

    An answer about a piece that is not marked would be attached to nothing, so it is left out.

    Args:
        marks: control and place of each marked region, and the region as Label Studio stores it.
    """
    by_place: dict[tuple[int, int], list[tuple[str, Span, Region]]] = {}
    for name, span, mark in marks:
        by_place.setdefault((span.start, span.end), []).append((name, span, mark))
    attached: dict[str, Region] = {}
    for region in regions:
        value = region["value"]
        for name, span, mark in by_place.get((value["start"], value["end"]), ()):
            if control.is_asked_about(name, span.label):
                place = {key: each for key, each in mark["value"].items() if key in PLACE}
                answer = {key: each for key, each in value.items() if key not in PLACE}
                attached[mark["id"]] = {**region, "id": mark["id"], "value": {**place, **answer}}
    return list(attached.values())


def _id(region: Region) -> str:
    """Return what an answer and its mark have in common; empty where a region has no id, and so nothing in common."""
    region_id = region.get("id")
    return str(region_id) if isinstance(region_id, str | int) else ""


def _label(target: Target) -> str:
    return label_of(target) if not isinstance(target, tuple) else ""

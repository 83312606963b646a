"""Relations between marked pieces of a text, as `<Relations>` has people draw them. They are kept, and not learned."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from ..domain.annotation import Region
from ..domain.example import Relation, Span, Target
from . import ServedControl, marks_in

__all__ = ["agreed_relations", "relation_regions", "relations_in"]

DIRECTIONS = ("right", "left", "bi")


def relations_in(result: Sequence[Region], controls: Sequence[ServedControl], text: str) -> list[Relation | None]:
    """Return the relations of a result in its order; None for one to a region that cannot be read, or is none.

    Args:
        text: the task's, of all fields that are read.
    """
    drawn = [region for region in result if region.get("type") == "relation"]
    marks = {region["id"]: (name, span) for name, span, region in _marks(result, controls, text)} if drawn else {}
    return [_relation(region, marks) for region in drawn]


def relation_regions(
    relations: Iterable[Relation], result: Sequence[Region], controls: Sequence[ServedControl], text: str
) -> list[Region]:
    """Return what Label Studio stores for these relations between the regions of a result that have an `id`."""
    ids = {(name, span): region["id"] for name, span, region in _marks(result, controls, text)}
    return [
        {
            "type": "relation",
            "from_id": ids[each.from_control, each.from_span],
            "to_id": ids[each.to_control, each.to_span],
            "direction": each.direction,
            "labels": list(each.labels),
        }
        for each in relations
        if (each.from_control, each.from_span) in ids and (each.to_control, each.to_span) in ids
    ]


def agreed_relations(votes: Sequence[Sequence[Relation]], targets: Mapping[str, Target]) -> tuple[Relation, ...]:
    """Return the relations between pieces of the agreed answers that more than half of the annotators drew."""
    counts = Counter(relation for vote in votes for relation in set(vote))
    agreed = (relation for relation, count in counts.items() if count * 2 > len(votes))
    return tuple(sorted(relation for relation in agreed if relation.is_within(targets)))


def _marks(result: Sequence[Region], controls: Sequence[ServedControl], text: str) -> list[tuple[str, Span, Region]]:
    """Return the marks of a result, see `marks_in`."""
    marking = (each.control for each in controls if each.control.marks_regions)
    return [mark for control in marking for mark in marks_in(control, result, text)]


def _relation(region: Region, marks: Mapping[str, tuple[str, Span]]) -> Relation | None:
    start, end = marks.get(str(region.get("from_id"))), marks.get(str(region.get("to_id")))
    labels = region.get("labels") or []
    if start is None or end is None or not isinstance(labels, list):
        return None
    direction = region.get("direction") if region.get("direction") in DIRECTIONS else DIRECTIONS[0]
    return Relation(*start, *end, str(direction), tuple(label for label in labels if isinstance(label, str)))

"""Rankings: `<Ranker>` on the items of a `<List>`."""

from collections.abc import Mapping, Sequence
from itertools import chain

from ..domain.annotation import Region
from ..domain.example import Bucket, Target
from ..domain.label_config import Control
from ..domain.model import ScoredTarget
from ..domain.offered import options_in
from ..domain.reasons import Reason
from .base import GivenAnswer, TaskKind
from .choices import chosen_by_most

__all__: list[str] = []

UNSORTED = "_"
FEWEST = 2


class Ranker(TaskKind):
    """The order of a task's items: a target is the tuple of their ids, the best first; with buckets, all buckets.

    The editor stores a ranking that nobody touched as if somebody had made it. So the order that the task has is no
    answer unless it was shown as a pre-label, and neither are buckets where all items lie where they lay to begin with.
    """

    name = "ranker"
    head = "ranking"
    example = "<Ranker>"

    def refusal(self, control: Control) -> str | None:
        if control.tag != "Ranker":
            return "is not <Ranker>"
        if control.options is None:
            return f'is about <{control.object.tag}>, and its items stand in a <List value="$items">'
        return None

    def read(self, control: Control, result: Sequence[Region], text: str) -> GivenAnswer:
        regions = [region for region in result if region.get("from_name") == control.name]
        if not regions:
            return GivenAnswer()
        ids = tuple(options_in(text))
        if len(ids) < FEWEST:
            return GivenAnswer(reasons=(Reason.OPTIONS_UNFIT,))
        answers = {_sorted(control, region, ids) for region in regions}
        if None in answers:
            return GivenAnswer(reasons=(Reason.UNREADABLE,))
        if len(answers) > 1:
            return GivenAnswer(reasons=(Reason.CONTRADICTORY,))
        (answer,) = answers
        was_shown = any(region.get("origin") == "prediction" for region in regions)
        if answer is None or (_is_untouched(control, answer, ids) and not (was_shown and not control.buckets)):
            return GivenAnswer(reasons=(Reason.UNTOUCHED,))
        return GivenAnswer(answer)

    def write(self, control: Control, answer: ScoredTarget, text: str) -> list[Region]:
        """Return one region with every item of the task once, and none that it lacks: that would blank the page."""
        ids = tuple(options_in(text))
        target = answer.target if isinstance(answer.target, tuple) else ()
        if control.buckets:
            placed = {part.name: part.ids for part in target if isinstance(part, Bucket)}
            answered = tuple(Bucket(name, placed.get(name, ())) for name in control.buckets)
            is_whole = sorted(chain.from_iterable(placed.values())) == sorted(ids)
            if not is_whole or placed.keys() - set(control.buckets) or _is_untouched(control, answered, ids):
                return []
            value = {bucket.name: list(bucket.ids) for bucket in answered}
        else:
            order = [part for part in target if isinstance(part, str)]
            if len(ids) < FEWEST or sorted(order) != sorted(ids):
                return []
            value = {control.name: order}
        return [self.region(control, "ranker", {"ranker": value}, answer.score)]

    def labels_in(self, target: Target) -> tuple[str, ...]:  # noqa: ARG002 (items are each task's own)
        return ()

    def resolve(self, votes: Sequence[Target]) -> Target | None:
        return chosen_by_most(votes)


def _sorted(control: Control, region: Region, ids: Sequence[str]) -> Target | None:
    """Return the answer that a region holds; None where it does not name each item of the task once at most."""
    value = region.get("value")
    lists = value.get("ranker") if isinstance(value, Mapping) and region.get("type") == "ranker" else None
    if not isinstance(lists, Mapping) or not all(isinstance(each, list) for each in lists.values()):
        return None
    named = list(chain.from_iterable(lists.values()))
    if not all(isinstance(each, str) for each in named) or len(set(named)) < len(named) or set(named) - set(ids):
        return None
    if not control.buckets:
        return tuple(lists[control.name]) if lists.keys() == {control.name} and len(named) == len(ids) else None
    if lists.keys() - {*control.buckets, UNSORTED}:
        return None
    rest = [each for each in ids if each not in named]
    held = {name: lists.get(name, []) for name in control.buckets}
    if UNSORTED not in held and (rest or lists.get(UNSORTED)):
        return None  # from before one of the buckets held what is unsorted
    # Nobody has put those in an order.
    unsorted = {UNSORTED: [each for each in ids if each in rest or each in held[UNSORTED]]} if UNSORTED in held else {}
    return tuple(Bucket(name, tuple(each)) for name, each in (held | unsorted).items())


def _is_untouched(control: Control, answer: Target, ids: Sequence[str]) -> bool:
    """True where nothing tells the answer from what the editor stores by itself."""
    # The editor puts ids that are whole numbers first, in their order.
    numbers = sorted((each for each in ids if each.isascii() and each.isdecimal() and each == str(int(each))), key=int)
    orders = (tuple(ids), (*numbers, *(each for each in ids if each not in numbers)))
    if not control.buckets:
        return answer in orders
    buckets = [part for part in (answer if isinstance(answer, tuple) else ()) if isinstance(part, Bucket) and part.ids]
    return len(buckets) == 1 and (
        buckets[0].name == UNSORTED or (UNSORTED not in control.buckets and buckets[0].ids in orders)
    )

"""Questions that are asked only after certain answers (`visibleWhen`), and which were asked, given the answers."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Protocol, TypeVar

from .annotation import Region

__all__ = ["ChoiceMade", "Condition", "RegionMarked", "hidden_controls", "in_order_of_asking", "waiting_for"]


@dataclass(frozen=True, slots=True)
class ChoiceMade:
    """Holds where a choice was made in another question, itself one that is asked.

    Attributes:
        controls: names of the questions that decide, any of them.
        values: any of these must be chosen, as Label Studio stores them; None: whichever.
        is_reversed: it holds where no such choice was made.
    """

    controls: tuple[str, ...]
    values: tuple[str, ...] | None = None
    is_reversed: bool = False


@dataclass(frozen=True, slots=True)
class RegionMarked:
    """Holds while a piece of the text is selected in the editor, which takes one that is marked.

    Attributes:
        control: whose regions count; None: those of any.
        labels: the region must have one of these; None: whichever.
    """

    control: str | None = None
    labels: tuple[str, ...] | None = None


Condition = ChoiceMade | RegionMarked


class Conditional(Protocol):
    """A control, as far as it matters here."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def conditions(self) -> Sequence[Condition]:
        """All of them must hold."""


Asked = TypeVar("Asked", bound=Conditional)


def in_order_of_asking(controls: Iterable[Asked]) -> list[Asked]:
    """Controls, each after those that decide whether it is asked, as far as there is such an order.

    Left out are those that wait for themselves in the end, and those that wait for a control that is not among them.
    """
    by_name = {control.name: control for control in controls}
    deciding = {name: _deciding(control) for name, control in by_name.items()}
    unknown = set().union(*deciding.values()) - by_name.keys()
    # A name that waits for itself holds up all that wait for it.
    sorter = TopologicalSorter(deciding | {name: {name} for name in unknown})
    with suppress(CycleError):
        sorter.prepare()
    ordered: list[Asked] = []
    while ready := sorter.get_ready():
        ordered += [by_name[name] for name in ready]
        sorter.done(*ready)
    return ordered


def waiting_for(names: Iterable[str], ordered: Iterable[Conditional]) -> frozenset[str]:
    """The names, and those of the controls that wait for an answer to one of them.

    Args:
        ordered: as for `hidden_controls`.
    """
    found = set(names)
    for control in ordered:
        if not found.isdisjoint(_deciding(control)):
            found.add(control.name)
    return frozenset(found)


def hidden_controls(ordered: Iterable[Conditional], result: Sequence[Region]) -> frozenset[str]:
    """Names of the controls that a result leaves unasked.

    Args:
        ordered: controls with conditions, each after those of them that decide about it.
    """
    chosen = _chosen(result)
    hidden: set[str] = set()
    for control in ordered:
        if not all(_holds(condition, chosen, result, hidden) for condition in control.conditions):
            hidden.add(control.name)
    return frozenset(hidden)


def _deciding(control: Conditional) -> set[str]:
    return {name for each in control.conditions if isinstance(each, ChoiceMade) for name in each.controls}


def _holds(
    condition: Condition, chosen: Mapping[str, set[str]], result: Sequence[Region], hidden: Collection[str]
) -> bool:
    if isinstance(condition, RegionMarked):
        return any(_is_marked(region, condition) for region in result)
    found = [chosen[name] for name in condition.controls if name in chosen and name not in hidden]
    is_made = any(condition.values is None or not values.isdisjoint(condition.values) for values in found)
    return is_made is not condition.is_reversed


def _chosen(result: Sequence[Region]) -> dict[str, set[str]]:
    """What each question of choices was answered with; of choices inside choices, the innermost."""
    chosen: dict[str, set[str]] = {}
    for region in result:
        kind, value = region.get("type"), region.get("value")
        choices = value.get(kind) if kind in ("choices", "taxonomy") and isinstance(value, Mapping) else None
        if isinstance(choices, list):
            leaves = (choice[-1] if isinstance(choice, list) and choice else choice for choice in choices)
            if names := {leaf for leaf in leaves if isinstance(leaf, str)}:
                chosen.setdefault(str(region.get("from_name")), set()).update(names)
    return chosen


def _is_marked(region: Region, condition: RegionMarked) -> bool:
    value = region.get("value")
    labels = value.get("labels") if region.get("type") == "labels" and isinstance(value, Mapping) else None
    if not isinstance(labels, list) or condition.control not in (None, region.get("from_name")):
        return False
    return condition.labels is None or any(label in condition.labels for label in labels)

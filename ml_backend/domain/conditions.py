"""Conditions of questions (`visibleWhen`), and which questions were asked, given an annotation's answers."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Protocol, TypeVar

from .annotation import Region

__all__ = ["ChoiceMade", "Condition", "RegionMarked", "hidden_controls", "in_order_of_asking", "waiting_for"]


@dataclass(frozen=True, slots=True)
class ChoiceMade:
    """A condition that holds where a choice was made in another question that is asked itself.

    Attributes:
        controls: names of the questions that decide; a choice in any of them will do.
        values: one of these must be chosen, spelled as Label Studio stores it; None: any choice will do.
        is_reversed: the condition holds where no such choice was made.
    """

    controls: tuple[str, ...]
    values: tuple[str, ...] | None = None
    is_reversed: bool = False


@dataclass(frozen=True, slots=True)
class RegionMarked:
    """A condition that holds while a marked region of the text is selected in the editor.

    Attributes:
        control: the control whose regions count; None: every control's.
        labels: the region must have one of these; None: any label will do.
    """

    control: str | None = None
    labels: tuple[str, ...] | None = None


Condition = ChoiceMade | RegionMarked


class Conditional(Protocol):
    """The part of a control that this module needs."""

    @property
    def name(self) -> str:
        """The control's name."""

    @property
    def conditions(self) -> Sequence[Condition]:
        """The conditions, all of which must hold."""


Asked = TypeVar("Asked", bound=Conditional)


def in_order_of_asking(controls: Iterable[Asked]) -> list[Asked]:
    """Sort controls so that each comes after those that decide whether it is asked.

    Controls that depend on themselves are left out, and so are those that depend on a control that is not among them.
    """
    by_name = {control.name: control for control in controls}
    deciding = {name: _deciding(control) for name, control in by_name.items()}
    unknown = set().union(*deciding.values()) - by_name.keys()
    # A name that depends on itself keeps out everything that depends on it.
    sorter = TopologicalSorter(deciding | {name: {name} for name in unknown})
    with suppress(CycleError):
        sorter.prepare()
    ordered: list[Asked] = []
    while ready := sorter.get_ready():
        ordered += [by_name[name] for name in ready]
        sorter.done(*ready)
    return ordered


def waiting_for(names: Iterable[str], ordered: Iterable[Conditional]) -> frozenset[str]:
    """Return the names, and the names of all controls that depend on an answer to one of them.

    Args:
        ordered: as for `hidden_controls`.
    """
    found = set(names)
    for control in ordered:
        if not found.isdisjoint(_deciding(control)):
            found.add(control.name)
    return frozenset(found)


def hidden_controls(ordered: Iterable[Conditional], result: Sequence[Region]) -> frozenset[str]:
    """Return the names of the controls that are not asked, given a result.

    Args:
        ordered: controls with conditions, each after those that decide whether it is asked.
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
    """Return the values chosen for each question of choices; of choices inside choices, the innermost one."""
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

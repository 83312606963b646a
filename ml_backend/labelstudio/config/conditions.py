"""Conditions in a label config (`visibleWhen`), read as Label Studio's editor reads them."""

from collections.abc import Mapping, Sequence
from xml.etree.ElementTree import Element

from ...domain.label_config import INSIDE, ChoiceMade, Control, RegionMarked

__all__ = ["conditions_of"]

CONDITIONAL_TAGS = frozenset({"Choices", "Taxonomy", "TextArea", "View"})
"""The tags on which the editor heeds `visibleWhen`; on others it ignores it."""
CHOICE_TAGS = frozenset({"Choices", "Taxonomy"})
ON_CHOICE = ("choice-selected", "choice-unselected")

Condition = ChoiceMade | RegionMarked


def conditions_of(
    controls: Mapping[str, Control], paths: Mapping[str, Sequence[Element]]
) -> dict[str, tuple[Condition, ...] | str]:
    """Return by control the conditions under which it is asked, or a clause on why it is never asked.

    Args:
        controls: the config's controls by name.
        paths: the tags around each control, the outermost first, and the control's tag at the end.
    """
    # A choice that itself waits for any choice cannot be the one that such questions wait for.
    free = [name for name, each in controls.items() if each.tag == "Choices" and not _waits_for_any_choice(paths[name])]
    return {name: _conditions_on(paths[name], controls, free) for name in controls}


def _conditions_on(
    path: Sequence[Element], controls: Mapping[str, Control], free: Sequence[str]
) -> tuple[Condition, ...] | str:
    conditions: list[Condition] = []
    for element in path:
        condition = _condition(element, path[-1], controls, free) if element.tag in CONDITIONAL_TAGS else None
        if isinstance(condition, str):
            return condition
        if condition is not None:
            conditions.append(condition)
    return tuple(dict.fromkeys(conditions))


def _waits_for_any_choice(path: Sequence[Element]) -> bool:
    """True where the control, or a tag around it, is shown after any choice, whichever question it answers."""
    return any(
        element.tag in CONDITIONAL_TAGS
        and not element.get("whentagname")
        and (element.get("visiblewhen") in ON_CHOICE or bool(element.get("whenchoicevalue")))
        for element in path
    )


def _condition(
    element: Element, control: Element, controls: Mapping[str, Control], free: Sequence[str]
) -> Condition | str | None:
    when = element.get("visiblewhen")
    if when == "region-selected":
        return _on_region(element)
    if when in ON_CHOICE:
        is_reversed = when == "choice-unselected"
        if name := element.get("whentagname"):
            return _on_choice(name, element, controls, is_reversed=is_reversed)
        # Without whenTagName, the editor heeds a value only on the control itself.
        values = element.get("whenchoicevalue", "").split(",") if element is control else []
        return _on_any_choice(list(filter(None, values)), control, controls, free, is_reversed=is_reversed)
    if not when and (value := element.get("whenchoicevalue")):
        return _on_any_choice([value], control, controls, free)
    return None


def _on_region(element: Element) -> RegionMarked:
    control = element.get("whentagname") or None
    if labels := element.get("whenlabelvalue"):
        return RegionMarked(control, tuple(labels.split(",")))
    # Messages have roles; no piece of a text does.
    return RegionMarked(control, () if element.get("whenrole") else None)


def _on_choice(
    name: str, element: Element, controls: Mapping[str, Control], *, is_reversed: bool
) -> Condition | str | None:
    decider = controls.get(name)
    if decider is None or decider.tag not in CHOICE_TAGS:
        return None if is_reversed else _never(repr(name))
    value = element.get("whenchoicevalue")
    values = None if value is None else tuple(_stored(decider, each) for each in value.split(","))
    return ChoiceMade((name,), values, is_reversed)


def _on_any_choice(
    values: Sequence[str],
    control: Element,
    controls: Mapping[str, Control],
    free: Sequence[str],
    *,
    is_reversed: bool = False,
) -> Condition | str | None:
    names = tuple(name for name in free if name != control.get("name"))
    if not names:
        return None if is_reversed else _never("another choice")
    stored = {_stored(controls[name], value) for name in names for value in values}
    return ChoiceMade(names, tuple(sorted(stored)) or None, is_reversed)


def _stored(control: Control, value: str) -> str:
    """Return a value as it is stored: the editor also accepts the shown text of a choice that has an alias."""
    for label in control.labels:
        stored = label.path[-1] if label.path else label.value
        if value in (stored, label.display.rpartition(INSIDE)[2] if label.path else label.display):
            return stored
    return value


def _never(awaited: str) -> str:
    return f"is asked after an answer to {awaited} alone (visibleWhen), and nobody can choose one; correct whenTagName"

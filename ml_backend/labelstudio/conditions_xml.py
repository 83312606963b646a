"""Conditions of a label config (`visibleWhen`), read as Label Studio's editor takes them."""

from collections.abc import Mapping, Sequence
from xml.etree.ElementTree import Element

from ..domain.conditions import ChoiceMade, Condition, RegionMarked
from ..domain.label_config import Control

__all__ = ["conditions_of", "waits_for_any_choice"]

CONDITIONAL_TAGS = frozenset({"Choices", "Taxonomy", "TextArea", "View"})
"""On other tags, the editor does not look at `visibleWhen`."""
CHOICE_TAGS = frozenset({"Choices", "Taxonomy"})
ON_CHOICE = ("choice-selected", "choice-unselected")


def conditions_of(
    path: Sequence[Element], controls: Mapping[str, Control], free: Sequence[str]
) -> tuple[Condition, ...] | str:
    """What must hold for a control to be asked; a clause on why it never is, where it never is.

    Args:
        path: the control's tag at the end, and the tags around it.
        controls: of the config, by name.
        free: names of the choices that are not asked only after any other choice: see `waits_for_any_choice`.
    """
    found: list[Condition] = []
    for element in path:
        condition = _condition(element, path[-1], controls, free) if element.tag in CONDITIONAL_TAGS else None
        if isinstance(condition, str):
            return condition
        if condition is not None:
            found.append(condition)
    return tuple(dict.fromkeys(found))


def waits_for_any_choice(path: Sequence[Element]) -> bool:
    """True where the control, or a tag around it, is shown after any choice, whichever question it answers."""
    return any(
        element.tag in CONDITIONAL_TAGS
        and not element.get("whentagname")
        and (element.get("visiblewhen") in ON_CHOICE or bool(element.get("whenchoicevalue")))
        for element in path
    )


def _condition(
    element: Element, asked: Element, controls: Mapping[str, Control], free: Sequence[str]
) -> Condition | str | None:
    when = element.get("visiblewhen")
    if when == "region-selected":
        return _on_region(element)
    if when in ON_CHOICE:
        is_reversed = when == "choice-unselected"
        if name := element.get("whentagname"):
            return _on_choice(name, element, controls, is_reversed=is_reversed)
        # The editor heeds a value without whenTagName on the control itself alone.
        values = element.get("whenchoicevalue", "").split(",") if element is asked else []
        return _on_any_choice(list(filter(None, values)), asked, controls, free, is_reversed=is_reversed)
    if not when and (value := element.get("whenchoicevalue")):
        return _on_any_choice([value], asked, controls, free)
    return None


def _on_region(element: Element) -> RegionMarked:
    labels = element.get("whenlabelvalue")
    if labels:
        wanted: tuple[str, ...] | None = tuple(labels.split(","))
    else:
        # Messages have roles; no piece of a text does.
        wanted = () if element.get("whenrole") else None
    return RegionMarked(element.get("whentagname") or None, wanted)


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
    asked: Element,
    controls: Mapping[str, Control],
    free: Sequence[str],
    *,
    is_reversed: bool = False,
) -> Condition | str | None:
    names = tuple(name for name in free if name != asked.get("name"))
    if not names:
        return None if is_reversed else _never("another choice")
    stored = {_stored(controls[name], value) for name in names for value in values}
    return ChoiceMade(names, tuple(sorted(stored)) or None, is_reversed)


def _stored(control: Control, value: str) -> str:
    """A value as it is stored; the editor takes what a choice shows for its alias, too."""
    return next((label.value for label in control.labels if value in (label.value, label.display)), value)


def _never(awaited: str) -> str:
    return f"is asked after an answer to {awaited} alone (visibleWhen), and nobody can choose one; correct whenTagName"

"""Which labeling kind serves which control of a label config, and why some controls are served by none."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache

from ..domain.label_config import Control
from ..plugins import classes_in
from .base import TaskKind
from .shown_texts import unreadable

__all__ = ["find_kinds", "kind_examples", "marking_controls", "match_kinds"]

PER_REGION = "is asked per region, not per task"


@cache
def find_kinds() -> Mapping[str, TaskKind]:
    """Return the kinds of this folder by name."""
    return {name: kind() for name, kind in classes_in(__package__, TaskKind, "name").items()}


def match_kinds(controls: Sequence[Control]) -> list[tuple[Control, TaskKind | str]]:
    """Return each control with the kind that serves it, or with why none does, as a clause after its name."""
    return _without_marks(_without_raters(_kinds(controls)))


def marking_controls(control: Control, kinds: Sequence[tuple[Control, TaskKind | str]]) -> Iterator[Control]:
    """Yield the served controls whose marks a control is asked about; none where it is asked per task."""
    for each, kind in kinds:
        is_marking = isinstance(kind, TaskKind) and each.marks_regions and each.object.name == control.object.name
        if is_marking and control.has("perregion"):
            yield each


def kind_examples(*, per_region: bool, between: str) -> str:
    """Return controls that are served, those that are asked per region or the others, as label configs write them."""
    return between.join(kind.example for kind in find_kinds().values() if bool(kind.kind_of_each) is per_region)


def _kinds(controls: Sequence[Control]) -> list[tuple[Control, TaskKind | str]]:
    """Return each control with the kind that serves it, or with why none does.

    A text area that may be left empty is a box for remarks beside other controls. Where there are only such, they hold
    what the project is about.
    """
    kinds = [(control, _kind_of(control)) for control in controls]
    if any(not isinstance(kind, str) or control.tag != "TextArea" for control, kind in kinds):
        return kinds
    return [
        (control, _kind_of(replace(control, attributes={**control.attributes, "required": "true"})))
        for control in controls
    ]


def _kind_of(control: Control) -> TaskKind | str:
    """Return the kind that serves the control, or why none does, as a clause that follows the control's name."""
    faults = (*map(unreadable, (control.object, *control.objects)), _unserved_use(control))
    if (reason := next(filter(None, faults), None)) is not None:
        return reason
    refusals: dict[str, str] = {}
    is_per_region = control.has("perregion")
    for name, kind in find_kinds().items():
        refusal = kind.refusal(control) if bool(kind.kind_of_each) is is_per_region else "is asked otherwise"
        if refusal is None:
            return kind
        refusals[name] = refusal
    if is_per_region:
        return f"{PER_REGION}, and of such controls {kind_examples(per_region=True, between=' and ')} are served"
    # What kinds of quite different controls have to say about it helps nobody.
    near = [refusals[name] for name, kind in find_kinds().items() if _is_alike(kind, control)]
    return " and ".join(dict.fromkeys(near or refusals.values()))


def _unserved_use(control: Control) -> str | None:
    """Return why no kind can serve a control used in this way, as a clause after its name; None where one may."""
    if control.has("peritem"):
        return "is asked per item (perItem), not per task"
    if control.is_dynamic and control.options is None:
        return (
            "takes labels from each task (a $ in a value), and a model only learns labels of the label config, or "
            'chooses among all that a field of the task holds: <Choices value="$options"> without any <Choice>'
        )
    if not any(kind.may_serve(control.tag) for kind in find_kinds().values()):
        return "is of a kind that stays in Label Studio and its exports, and nothing is trained on it"
    return None


def _is_alike(kind: TaskKind, control: Control) -> bool:
    choice = control.attributes.get("choice", "single")
    if ("$" in kind.example) is not (control.options is not None):
        return False
    return kind.may_serve(control.tag) and ("choice=" not in kind.example or f'choice="{choice}"' in kind.example)


def _without_raters(kinds: Sequence[tuple[Control, TaskKind | str]]) -> list[tuple[Control, TaskKind | str]]:
    """Give a reason in place of the kind of controls that rate the responses to others, which no task holds."""
    written = next((each.name for each, kind in kinds if isinstance(kind, TaskKind) and not kind.has_labels), None)
    reason = f"stands beside {written!r} and rates what is written there, which no task holds"
    return [(each, reason if written and isinstance(kind, TaskKind) and kind.rates else kind) for each, kind in kinds]


def _without_marks(kinds: Sequence[tuple[Control, TaskKind | str]]) -> list[tuple[Control, TaskKind | str]]:
    """Give a reason in place of the kind of controls that are asked about marks that nobody can make."""

    def refusal(control: Control) -> str:
        return f"{PER_REGION}, and no control that is served marks pieces of {control.object.name!r}"

    def is_without(control: Control, kind: TaskKind | str) -> bool:
        return isinstance(kind, TaskKind) and bool(kind.kind_of_each) and not [*marking_controls(control, kinds)]

    return [(each, refusal(each) if is_without(each, kind) else kind) for each, kind in kinds]

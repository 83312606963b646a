"""What an annotator did with a pre-label, as far as a payload tells."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ..domain.annotation import Region
from ..domain.example import PrelabelOutcome

__all__ = ["outcome_by_comparison", "outcome_by_origin"]


def outcome_by_comparison(result: Sequence[Region], prelabel: Sequence[Region]) -> PrelabelOutcome:
    """The outcome where the pre-label is at hand.

    Only meaning counts: control, object, type and value. Ids, origins, scores and the order of regions do not,
    nor do controls that the pre-label says nothing about (a comment box beside the labels).
    """
    if not prelabel:
        return PrelabelOutcome.NONE
    controls = {_control(region) for region in prelabel}
    answered = [region for region in result if _control(region) in controls]
    is_same = Counter(map(_meaning, answered)) == Counter(map(_meaning, prelabel))
    return PrelabelOutcome.ACCEPTED if is_same else PrelabelOutcome.CHANGED


def outcome_by_origin(result: Sequence[Region], *, was_copied: bool) -> PrelabelOutcome:
    """The outcome where an annotation started from a pre-label that is not at hand.

    The editor marks each region: `prediction` (untouched), `prediction-changed` or `manual`. A region that was deleted
    leaves no mark. Regions of controls that the pre-label left no mark on do not count.

    Args:
        was_copied: Label Studio made the annotation from the prediction by itself, without the editor.
    """
    origins = [(_control(region), str(region.get("origin") or "")) for region in result]
    if was_copied and not any(origin for _, origin in origins):
        return PrelabelOutcome.ACCEPTED
    controls = {name for name, origin in origins if origin in ("prediction", "prediction-changed")}
    marks = {origin for name, origin in origins if name in controls}
    return PrelabelOutcome.ACCEPTED if marks == {"prediction"} else PrelabelOutcome.CHANGED


def _control(region: Region) -> str:
    """Name of the control; a person's name for it is text, but a payload may hold anything."""
    return str(region.get("from_name"))


def _meaning(region: Region) -> str:
    value = region.get("value")
    if isinstance(value, Mapping):
        value = _value_meaning(value)
    return json.dumps(
        [region.get("from_name"), region.get("to_name"), region.get("type"), value], sort_keys=True, default=str
    )


def _value_meaning(value: Mapping[str, Any]) -> dict[str, Any]:
    """The value without what the editor adds or reorders on its own.

    It repeats a span's text beside its offsets, ticks several choices in any order, and writes one text as a list.
    """
    is_span = "start" in value and "end" in value
    meaning: dict[str, Any] = {}
    for key, item in value.items():
        if key == "text":
            if not is_span:
                meaning[key] = item if isinstance(item, list) else [item]
        elif isinstance(item, list) and all(isinstance(each, str) for each in item):
            meaning[key] = sorted(item)
        else:
            meaning[key] = item
    return meaning

"""The meaning of a result's regions, the same whether the editor, an export or an API call wrote them."""

import json
from collections.abc import Mapping
from typing import Any

from .annotation import Region
from .example import Span

__all__ = ["flat_choices", "region_meaning"]


def flat_choices(choices: object) -> object:
    """Return the choices of a region, with `["a"]` for `[["a"]]`.

    Where a config has `allowNested`, the editor stores each tick as a path, although no choice lies inside another. A
    path of several steps stays unchanged.
    """
    if not isinstance(choices, list):
        return choices
    return [each[0] if isinstance(each, list) and len(each) == 1 else each for each in choices]


def region_meaning(region: Region) -> str:
    """Return a text that is equal for regions of equal control, object, type and value, whatever their id or score."""
    value = region.get("value")
    if isinstance(value, Mapping):
        value = _value_meaning(value)
    return json.dumps(
        [region.get("from_name"), region.get("to_name"), region.get("type"), value], sort_keys=True, default=str
    )


def _value_meaning(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return the value without what the editor adds or reorders, and without white space at a span's ends.

    The editor repeats a span's text beside its offsets, stores choices in any order, and writes one text as a list.
    """
    is_span = "start" in value and "end" in value
    meaning: dict[str, Any] = {}
    for key, item in value.items():
        if key == "text":
            if not is_span:
                meaning[key] = item if isinstance(item, list) else [item]
        elif isinstance(flat := flat_choices(item), list) and all(isinstance(each, str) for each in flat):
            meaning[key] = sorted(flat)
        else:
            meaning[key] = item
    return meaning | (_trimmed_ends(value) if is_span else {})


def _trimmed_ends(value: Mapping[str, Any]) -> dict[str, int]:
    """Return a span's start and end without the white space in the text that the region repeats, if it does."""
    start, end, piece = value["start"], value["end"], value.get("text")
    if type(start) is not int or type(end) is not int or not isinstance(piece, str) or len(piece) != end - start:
        return {}
    span = Span(start, end, "").trimmed(piece)
    return {"start": span.start, "end": span.end} if span else {}

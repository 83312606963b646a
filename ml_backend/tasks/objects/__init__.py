"""Objects that are read as texts, one file each, and the regions that mark pieces of them."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from ...domain.annotation import Region
from ...domain.label_config import Control
from ...domain.object_tag import ObjectTag
from ...plugins import classes_in
from .base import ObjectKind

__all__ = ["data_of", "find_objects", "placed_regions", "plain_regions"]

PLAIN = "labels"


@cache
def find_objects() -> Mapping[str, ObjectKind]:
    """Return the kinds of objects of this folder by their tags."""
    return {tag: kind() for tag, kind in classes_in(__package__, ObjectKind, "tag").items()}


def data_of(texts: Iterable[tuple[ObjectTag, str]]) -> dict[str, Any]:
    """Return data for a task that shows annotators several texts."""
    return ObjectTag.merged(find_objects()[shown.tag].data(shown, text) for shown, text in texts)


def plain_regions(control: Control, result: Sequence[Region], text: str) -> Sequence[Region]:
    """Return a result in which the control's marks are as on a `<Text>`: of the type `labels`, with places in the text.

    Args:
        text: of the control's object.
    """
    if not control.marks_regions or control.tag == "Labels":
        return result
    return [_plain(region, control, text) if region.get("from_name") == control.name else region for region in result]


def placed_regions(control: Control, regions: Sequence[Region], text: str) -> list[Region]:
    """Return regions such as `plain_regions` makes as Label Studio stores them, without those that it cannot show."""
    if not control.marks_regions or control.tag == "Labels":
        return list(regions)
    shown, own = find_objects()[control.object.tag], control.tag.lower()
    placed: list[Region] = []
    for region in regions:
        value = region["value"]
        if (place := shown.place(value["start"], value["end"], text)) is not None:
            placed.append({**region, "type": own, "value": {**place, own: value[PLAIN]}})
    return placed


def _plain(region: Region, control: Control, text: str) -> Region:
    value, own = region.get("value"), control.tag.lower()
    if region.get("type") != own or not isinstance(value, Mapping):
        return region
    place = find_objects()[control.object.tag].marked(value, text) or {}
    return {**region, "type": PLAIN, "value": {**place, PLAIN: value.get(own)}}

"""Read the cells of a flat export: the answer that a cell gives to a control, as regions."""

from collections.abc import Iterator

from ..domain.annotation import Region
from ..domain.label_config import Control
from .json_stream import Decoder, NotJson

__all__ = ["are_regions", "is_answered_by_regions", "regions_of", "unpacked", "unreadable_region"]

PLAIN_KEYS = {"choices": "choices", "textarea": "text"}
"""For each type of region, the key of the value that Label Studio writes as a plain cell where it is the only one."""


def regions_of(control: Control, cell: object, decode: Decoder | None) -> Iterator[Region]:
    """Yield the regions that a cell describes.

    Args:
        decode: decodes JSON in the cells of tables, which hold objects and lists as text; None for JSON_MIN.

    Raises:
        PayloadError: the JSON in a cell nests too deep, or holds a number too long to read.
    """
    if decode is not None and cell not in control.label_values:
        value = unpacked(cell, decode)
        cell = value if _is_packed(control, value) else cell
    kind = control.tag.lower()
    for value in cell if isinstance(cell, list) else [cell]:
        yield _region(control, {PLAIN_KEYS.get(kind, kind): [value]} if isinstance(value, str) else value)


def is_answered_by_regions(control: Control) -> bool:
    """True where an answer is always a list of regions, such as spans, and never a plain value."""
    return control.tag.lower() not in PLAIN_KEYS


def are_regions(value: object) -> bool:
    """True where the value has the form of an answer by regions."""
    return isinstance(value, list) and all(isinstance(each, dict) for each in value)


def unpacked(cell: object, decode: Decoder) -> object:
    """Return the object or list that a cell holds as JSON text; any other cell is returned unchanged.

    Raises:
        PayloadError: as `regions_of` says.
    """
    if not isinstance(cell, str) or not cell.startswith(("{", "[")):
        return cell
    try:
        return decode(cell)
    except NotJson:
        return cell


def unreadable_region(control: Control) -> Region:
    """Return a region that cannot be read; it marks an answer that is not in the file, so that none counts as empty."""
    return _region(control, None)


def _region(control: Control, value: object) -> Region:
    return {"from_name": control.name, "to_name": control.object.name, "type": control.tag.lower(), "value": value}


def _is_packed(control: Control, value: object) -> bool:
    """True where Label Studio writes such a value as JSON, which it never does with a single plain value.

    Choices are stored as paths where they may be nested, so a list may be one choice as well as several.
    """
    key = PLAIN_KEYS.get(control.tag.lower())
    if key is None:
        return True
    members = value if isinstance(value, list) else [value]
    objects = [each for each in members if isinstance(each, dict) and isinstance(each.get(key), list)]
    texts = [each for each in members if isinstance(each, str)]
    if len(objects) + len(texts) < len(members):
        return False
    if isinstance(value, dict):
        return len(value[key]) != 1
    return bool(objects) or (bool(texts) and set(texts) <= set(control.label_values))

"""`<List>`: items with a title and a body, read as a paragraph each. Nothing in it can be marked."""

from collections.abc import Mapping
from typing import Any

from ...domain.object_tag import ObjectTag, as_text
from .base import ObjectKind

__all__: list[str] = []


class ListObject(ObjectKind):
    """A list of objects with an `id`, a `title` and a `body`, in the order of the task's data."""

    tag = "List"

    def text(self, shown: ObjectTag, data: Mapping[str, Any]) -> str:
        value = shown.value(data)
        items = [_item(each) for each in value] if isinstance(value, list) else []
        return "\n".join(items) if any(item.strip() for item in items) else ""

    def data(self, shown: ObjectTag, text: str) -> dict[str, Any]:
        return shown.data_holding([{"id": "1", "title": "", "body": text}])


def _item(item: Any) -> str:
    if not isinstance(item, Mapping):
        return as_text(item)
    parts = (as_text(item.get(key)) for key in ("title", "body", "html"))
    return ": ".join(part for part in parts if part)

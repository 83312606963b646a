"""`<Text>`: a string. Positions in Label Studio are code points of it, so nothing is counted anew."""

from collections.abc import Mapping
from typing import Any

from ...domain.object_tag import ObjectTag
from .base import ObjectKind

__all__: list[str] = []


class TextObject(ObjectKind):
    """A text as it is in the task's data."""

    tag = "Text"
    marking = "Labels"

    def text(self, shown: ObjectTag, data: Mapping[str, Any]) -> str:
        return shown.text(data)

    def data(self, shown: ObjectTag, text: str) -> dict[str, Any]:
        return shown.data(text)

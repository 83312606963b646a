"""The options of a task: the items of a ranked `<List>`, and choices that a field of the task holds.

They are read only where each can be told from the others and says something: all or none, for an answer to some of them
would hide the others, or name one that nobody sees.
"""

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any

from ...domain.label_config import INSIDE, path_name
from ...domain.object_tag import ObjectTag, as_text
from ...domain.offered import join_options, options_in
from .base import ObjectKind
from .hypertext import HyperTextObject

__all__: list[str] = []

PAGE = ObjectTag("", "HyperText", "html")
Option = tuple[str, str]
"""Its id, and its text; either may be empty."""


class _OfferedObject(ObjectKind):
    """Options with ids."""

    def text(self, shown: ObjectTag, data: Mapping[str, Any]) -> str:
        value = shown.value(data)
        options = list(self._options(shown, value)) if isinstance(value, list) else []
        by_id = dict(options)
        return join_options(by_id) if len(by_id) == len(options) else ""

    @abstractmethod
    def _options(self, shown: ObjectTag, value: list[Any]) -> Iterator[Option]:
        """Yield the options of a list, as far as each is one."""


class RankedItems(_OfferedObject):
    """Items with an `id`, a `title` and a `body`, or HTML in its place."""

    tag = "Ranker"

    def data(self, shown: ObjectTag, text: str) -> dict[str, Any]:
        return shown.data_holding(
            [{"id": name, "title": "", "body": option} for name, option in options_in(text).items()]
        )

    def _options(self, shown: ObjectTag, value: list[Any]) -> Iterator[Option]:  # noqa: ARG002 (the base's shape)
        for item in value:
            texts = (as_text(item.get(key)) for key in ("title", "body")) if isinstance(item, Mapping) else ()
            parts = [*texts, _page_text(item)]
            yield _id(item, "id"), ": ".join(part for part in parts if part.strip())


class OfferedChoices(_OfferedObject):
    """Choices with a `value`, an `alias` that is stored in its place, and `html` that is shown in its place.

    With `allowNested`, choices lie inside others as their `children`, and go by their paths.
    """

    tag = "Choices"

    def data(self, shown: ObjectTag, text: str) -> dict[str, Any]:
        options = options_in(text)
        if not _is_nested(shown):
            return shown.data_holding([{"value": option, "alias": name} for name, option in options.items()])
        top: list[dict[str, Any]] = []
        children: dict[str, list[dict[str, Any]]] = {"": top}
        for name, option in options.items():
            outer, _, own = name.rpartition(INSIDE)
            children[name] = []
            choice = {"value": option, "alias": own, "children": children[name]}
            children.get(outer, top).append(choice)
        return shown.data_holding(top)

    def _options(self, shown: ObjectTag, value: list[Any]) -> Iterator[Option]:
        is_nested = _is_nested(shown)
        waiting: list[tuple[tuple[str, ...], Any]] = [((), choice) for choice in reversed(value)]
        while waiting:
            outer, choice = waiting.pop()
            own = _id(choice, "alias") or _id(choice, "value")
            path = (*outer, own)
            name = path_name(path) if is_nested else own
            # A step that looks like several would not come back as it was, nor would a choice inside such a one.
            is_kept = own and (not is_nested or (len(name.split(INSIDE)) == len(path) and name == INSIDE.join(path)))
            html = isinstance(choice, Mapping) and choice.get("html")
            yield name if is_kept else "", _page_text(choice) if html else _id(choice, "value")
            children = choice.get("children") if is_nested and isinstance(choice, Mapping) else None
            waiting += [(path, child) for child in reversed(children)] if isinstance(children, list) else []


def _is_nested(shown: ObjectTag) -> bool:
    return shown.attributes.get("allownested", "").lower() == "true"


def _id(item: Any, key: str) -> str:
    """Return what tells an option from others as Label Studio stores it; empty where there is nothing to tell it by."""
    value = item.get(key) if isinstance(item, Mapping) else None
    is_fit = isinstance(value, str | int) and not isinstance(value, bool)
    return str(value) if is_fit and as_text(value) == str(value) else ""


def _page_text(item: Any) -> str:
    """Return the text of an option's HTML; a picture has none."""
    html = item.get("html") if isinstance(item, Mapping) else None
    return HyperTextObject().text(PAGE, {"html": html}).strip() if isinstance(html, str) else ""

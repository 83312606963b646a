"""Tags that show something, such as `<Text value="$field"/>`, and the text that annotators see for a task's data.

Fields are resolved as Label Studio's editor resolves them, in JavaScript.
"""

import base64
import binascii
import dataclasses
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

__all__ = ["ObjectTag", "as_text"]

REFERENCE = re.compile(r"\$[\w[\].{}]+", re.ASCII)
STEP = re.compile(r"[^.\[\]]+|(?<=\[)(?=\])|^(?=\.)")
INDEX = re.compile(r"0|[1-9]\d{0,8}", re.ASCII)
NEST = re.compile(r"\[(?P<index>\d{1,3})\]|(?P<key>[^.\[\]]+)", re.ASCII)
HALF_CHARACTER = re.compile("[\ud800-\udfff]")
LARGEST_PLAIN_NUMBER = 1e21
"""JavaScript writes whole numbers from here on with an exponent."""
CHARSETS = {"base64": "latin-1", "base64unicode": "utf-8"}
MISSING = object()


@dataclass(frozen=True, slots=True)
class ObjectTag:
    """Something shown to the annotator, such as `<Text name="text" value="$text"/>`.

    Attributes:
        field: what it shows, and the key under which rows hold that: the key of the task's data or the path in it
            (without the `$`); the `value` itself where that is put together (`$title: $body`); None for a constant.
        attributes: the tag's XML attributes, their names in lower case.
    """

    ENCODINGS: ClassVar = ("none", *CHARSETS)
    """The values that the attribute `encoding` may have."""

    name: str
    tag: str
    field: str | None
    attributes: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @staticmethod
    def field_of(value: str) -> str | None:
        """Return the name of the field that a `value` shows; None for a constant.

        The name is the path where the value is a single reference (`doc.text` for `$doc.text`), and the value itself
        where it has several parts (`$title: $body`), including white space at its ends, which annotators see as well.
        """
        bare = value.strip()
        if bare.rfind("$") == 0:
            return bare[1:] or None
        return value if REFERENCE.search(value) else None

    @property
    def encoding(self) -> str:
        """How the text is encoded in the task's data, one of `ENCODINGS`."""
        return self.attributes.get("encoding", "none")

    @property
    def written(self) -> str:
        """The tag's `value`, empty for a constant."""
        if not self.field:
            return ""
        return self.field if "$" in self.field else f"${self.field}"

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of a task's data that the text uses: `doc` for `doc.text`, both keys for `$title: $body`."""
        if not self.field:
            return ()
        # A plain key may have characters that no reference contains, such as a space.
        is_reference = "$" in self.field or REFERENCE.fullmatch(self.written)
        paths = [each[1:] for each in REFERENCE.findall(self.written)] if is_reference else [self.field]
        return tuple(dict.fromkeys(next(iter(STEP.findall(path)), "") for path in paths))

    def is_in(self, data: Mapping[str, Any]) -> bool:
        """True where a task's data holds every key that the text uses."""
        return not self.field or self.field in data or all(key in data for key in self.keys)

    def text(self, data: Mapping[str, Any]) -> str:
        """Return the text that annotators see of a task.

        The text is empty where the data holds none of the fields, where the field holds an object, which the editor
        does not show, and where the text is not encoded as the tag says.
        """
        value = self.value(data)
        return _decoded(as_text(value), CHARSETS[self.encoding]) if self.encoding in CHARSETS else as_text(value)

    def value(self, data: Mapping[str, Any]) -> Any:
        """Return what a task's data holds for it, as it is; None where there is nothing."""
        if not self.field:
            return None
        return data[self.field] if self.field in data else _resolved(self.written, data)

    def data(self, text: str) -> dict[str, Any]:
        """Return data for a task that shows annotators the text.

        A text made of several fields is not split: it is stored under the field's own name, where `text` finds it.
        """
        if self.encoding in CHARSETS:
            text = base64.b64encode(text.encode(CHARSETS[self.encoding], errors="replace")).decode()
        return self.data_holding(text)

    def data_holding(self, value: Any) -> dict[str, Any]:
        """Return data in which `value` finds this."""
        if not self.field:
            return {}
        if REFERENCE.fullmatch(self.written) is None:
            return {self.field: value}
        for step in reversed(list(NEST.finditer(self.field))[1:]):
            value = {step["key"]: value} if step["key"] else [*([{}] * int(step["index"])), value]
        return {self.keys[0]: value}

    @staticmethod
    def merged(parts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
        """Return the data of several tags as the data of one task."""
        data: dict[str, Any] = {}
        for part in parts:
            data = _merged(data, part)
        return data


def _merged(one: Any, other: Any) -> Any:
    """Return two objects as one, and of other values the later one."""
    if not (isinstance(one, Mapping) and isinstance(other, Mapping)):
        return other
    return dict(one) | {key: _merged(one.get(key), value) for key, value in other.items()}


def _resolved(template: str, data: Mapping[str, Any]) -> Any:
    references = REFERENCE.findall(template)
    values = {reference: _get(data, reference[1:]) for reference in references}
    if all(value is MISSING or value is None for value in values.values()):
        return None
    if template in values:
        return values[template]
    return REFERENCE.sub(lambda match: _inserted(values[match.group()]), template)


def _get(data: Mapping[str, Any], path: str) -> Any:
    """Return the value at a path such as `items[0].text`; a key that equals the whole path comes first."""
    if path in data:
        return data[path]
    value: Any = data
    for step in STEP.findall(path):
        if isinstance(value, Mapping):
            value = value.get(step, MISSING)
        elif isinstance(value, list) and INDEX.fullmatch(step) and int(step) < len(value):
            value = value[int(step)]
        else:
            return MISSING
    return value


def _inserted(value: Any) -> str:
    """Return a value as JavaScript inserts it into other text, where missing values are spelled out."""
    if value is MISSING:
        return "undefined"
    if value is None:
        return "null"
    return "[object Object]" if isinstance(value, Mapping) else as_text(value)


def as_text(value: Any) -> str:
    """Return a value as text, as JavaScript converts it; empty for an object and for a list that holds one.

    U+FFFD replaces each half of a surrogate pair: Label Studio cannot export a project in which an answer repeats one.
    """
    if isinstance(value, str):
        return value if value.isascii() else HALF_CHARACTER.sub("\ufffd", value)
    if value is None or value is MISSING or isinstance(value, Mapping):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        items = _flat(value)
        return "" if any(isinstance(item, Mapping) for item in items) else ",".join(map(as_text, items))
    if isinstance(value, float) and value.is_integer() and abs(value) < LARGEST_PLAIN_NUMBER:
        return str(int(value))
    return str(value)


def _flat(items: list[Any]) -> list[Any]:
    """Return the items of nested lists of any depth as one list; None stands for an empty list."""
    flat: list[Any] = []
    waiting: list[Any] = [items]
    while waiting:
        item = waiting.pop()
        if isinstance(item, list):
            waiting += reversed(item or [None])
        else:
            flat.append(item)
    return flat


def _decoded(text: str, charset: str) -> str:
    digits = "".join(text.split())
    try:
        return base64.b64decode(digits + "=" * (-len(digits) % 4), validate=True).decode(charset)
    except (binascii.Error, ValueError):
        return ""

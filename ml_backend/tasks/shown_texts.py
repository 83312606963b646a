"""The texts that annotators see of a task, and which of them are read."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from ..domain.label_config import Control, LabelConfig
from ..domain.object_tag import ObjectTag
from .objects import find_objects

__all__ = ["ReadFields", "ranked_fields", "readable_objects", "unreadable"]

LEAST_TASKS = 5
"""With fewer tasks, nobody can say whether a field is the same in all of them."""
URL = re.compile(r"(?:https?://|www\.)\S+", re.IGNORECASE)
IDENTIFIER = re.compile(r"(?!\d+[.,]\d+$)(?=\S*\d)\S+")
"""Amounts such as 12.50 are none."""


@dataclass(frozen=True, slots=True)
class ReadFields:
    """The fields of a project's tasks that are read, as they are fixed when it is connected.

    Attributes:
        names: in the order of the label config; empty where it shows one text, for then that one is read, whatever it
            is called.
        left_out: why each other field is not read, as a clause after its name.
    """

    TASKS_READ: ClassVar = 200
    """As many tasks are looked at, at most."""

    names: tuple[str, ...]
    left_out: Mapping[str, str]

    @classmethod
    def of(
        cls,
        config: LabelConfig,
        controls: Sequence[Control],
        tasks: Iterable[Mapping[str, Any]],
        ignored: Collection[str] = (),
    ) -> "ReadFields":
        """Return what is read of tasks such as these.

        A field is left out where it is ignored, and where all of at least five tasks hold the same text in it, or
        nothing but a URL, or an identifier: a word with a digit, and never the same one. A text in which regions are
        marked, or that is compared, is always read, and the first control's text where there would be no other.

        Args:
            controls: the served ones, at least one.
            tasks: the data of each.
            ignored: names of fields.
        """
        objects = readable_objects(config, controls)
        if len(objects) == 1:
            return cls((), {})
        data = list(tasks)
        needed = [control for control in controls if control.marks_regions or control.reads_apart]
        ranked = ranked_fields(controls)
        marked = {shown.field for control in needed for shown in control.objects}
        left_out = {}
        for field, shown in objects.items():
            reason = "is ignored by LABELLOOP_IGNORED_FIELDS" if field in ignored else _emptiness(shown, data)
            reason = "holds the items of a ranking, which are read one by one" if field in ranked else reason
            if reason and field not in marked:
                left_out[field] = reason
        if len(left_out) == len(objects):
            del left_out[controls[0].object.field or ""]
        return cls(tuple(field for field in objects if field not in left_out), left_out)

    @property
    def sentences(self) -> tuple[str, ...]:
        """Say what is left out and why."""
        return tuple(f"The field {name!r} is shown and not read: it {why}." for name, why in self.left_out.items())


def readable_objects(config: LabelConfig, controls: Sequence[Control]) -> dict[str, ObjectTag]:
    """Return the texts on which controls of a label config can be decided, by field, in the order of the config.

    Where all of them mark regions, these are the texts that they are about.
    """
    readable: dict[str, ObjectTag] = {}
    options = [control.options for control in controls if control.options is not None]
    for shown in (*config.objects, *(control.object for control in controls), *options):
        if shown.field and unreadable(shown) is None:
            readable.setdefault(shown.field, shown)
    if not all(control.is_about_pieces for control in controls):
        return readable
    marked = {control.object.field for control in controls}
    return {field: shown for field, shown in readable.items() if field in marked}


def ranked_fields(controls: Sequence[Control]) -> frozenset[str | None]:
    """Return the fields of lists whose items are the options of a control, and so need not be read as one text."""
    return frozenset(
        each.object.field for each in controls if each.options and each.object.written == each.options.field
    )


def unreadable(shown: ObjectTag) -> str | None:
    """Return why the shown text cannot be read, as a clause that follows a control's name; None where it can."""
    if shown.tag not in find_objects():
        return f"is about <{shown.tag}>, which is not read"
    if not shown.field:
        return f'is about <{shown.tag}>, which is the same in all tasks; wanted is one with value="$field"'
    if shown.attributes.get("valuetype") == "url" or shown.attributes.get("resolver"):
        attribute = "resolver" if shown.attributes.get("resolver") else "valueType"
        return (
            f'is about <{shown.tag} name={shown.name!r} {attribute}="{shown.attributes[attribute.lower()]}">: tasks '
            "hold an address there, which annotators' browsers follow and labelloop does not; import tasks that hold "
            f"the texts themselves, and take {attribute} away"
        )
    if shown.encoding not in ObjectTag.ENCODINGS:
        encodings = " or ".join(ObjectTag.ENCODINGS)
        return f'is about <{shown.tag} name={shown.name!r} encoding="{shown.encoding}">, and wanted is {encodings}'
    return None


def _emptiness(shown: ObjectTag, data: Sequence[Mapping[str, Any]]) -> str | None:
    """Return why the text tells nothing about a task, as a clause after the field's name; None where it may."""
    if len(data) < LEAST_TASKS:
        return None
    texts = [find_objects()[shown.tag].text(shown, each).strip() for each in data]
    filled = [text for text in texts if text]
    if len(set(texts)) == 1:
        return f"is {'the same' if filled else 'empty'} in all of the first {len(data)} tasks"
    if all(map(URL.fullmatch, filled)):
        return "holds URLs"
    if LEAST_TASKS <= len(filled) == len(set(filled)) and all(map(IDENTIFIER.fullmatch, filled)):
        return "holds identifiers"
    return None

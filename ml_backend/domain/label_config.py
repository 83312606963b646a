"""What labelloop knows of a Label Studio label config, once the XML has been read."""

import dataclasses
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .annotation import Region
from .conditions import Condition, RegionMarked, hidden_controls, in_order_of_asking, waiting_for
from .shown_text import data_keys, data_of, shown_text, written

__all__ = ["Control", "Label", "LabelConfig", "ObjectTag"]

FINGERPRINT_DIGITS = 12
PHRASE_END = re.compile(r"[.,:;!?]+\s")


@dataclass(frozen=True, slots=True)
class Label:
    """One value an annotator can give.

    Attributes:
        value: what Label Studio stores: the `alias` where there is one, else the `value`.
        display: what the annotator sees.
        hint: the sentence that explains it, or None.
    """

    value: str
    display: str
    hint: str | None = None

    @property
    def descriptions(self) -> tuple[str, ...]:
        """Its name and the phrases of its hint: short texts that stand for the label where few rows do."""
        name = self.display.replace("_", " ").strip()
        phrases = (phrase.strip(" \t\n.,:;!?") for phrase in PHRASE_END.split(self.hint or ""))
        return tuple(text for text in (name, *phrases) if text)


@dataclass(frozen=True, slots=True)
class ObjectTag:
    """Something shown to the annotator, such as `<Text name="text" value="$text"/>`.

    Attributes:
        field: what it shows, and the key under which rows hold that: the key of the task's data or the path in it
            (without the `$`); the `value` itself where that is put together (`$title: $body`); None for a constant.
        attributes: the tag's XML attributes, their names in lower case.
    """

    name: str
    tag: str
    field: str | None
    attributes: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def encoding(self) -> str:
        """How the text is encoded in the task's data: "none", "base64" or "base64unicode"."""
        return self.attributes.get("encoding", "none")

    @property
    def written(self) -> str:
        """The tag's `value`, empty for a constant."""
        return written(self.field) if self.field else ""

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of a task's data from which the shown text is made."""
        return data_keys(self.field) if self.field else ()

    def text(self, data: Mapping[str, Any]) -> str:
        """Return the text that annotators see of a task, empty where there is none."""
        return shown_text(self.field, data, self.encoding) if self.field else ""

    def data(self, text: str) -> dict[str, Any]:
        """Return data for a task that shows annotators the text."""
        return data_of(self.field, text, self.encoding) if self.field else {}


@dataclass(frozen=True, slots=True)
class Control:
    """Something the annotator answers with, such as `<Choices>`.

    Attributes:
        object: the object tag that `toName` points to.
        labels: the values on offer, in the order of the config.
        attributes: the tag's XML attributes, `choice="single"` among them, their names in lower case.
        is_nested: some labels lie inside others.
        is_dynamic: its labels come from each task, so they are not known here.
        conditions: all must hold for it to be asked (`visibleWhen`, on its tag and on those around it).
    """

    name: str
    tag: str
    object: ObjectTag
    labels: tuple[Label, ...]
    attributes: Mapping[str, str] = dataclasses.field(default_factory=dict)
    is_nested: bool = False
    is_dynamic: bool = False
    conditions: tuple[Condition, ...] = ()

    @property
    def label_values(self) -> tuple[str, ...]:
        """The stored values on offer, in the order of the config."""
        return tuple(label.value for label in self.labels)

    @property
    def waits_for_selection(self) -> bool:
        """True where it is asked only while a region of the text is selected, so nobody can tell who saw it."""
        return any(isinstance(condition, RegionMarked) for condition in self.conditions)

    def has(self, attribute: str) -> bool:
        """True where the attribute is set to true; its name is given in lower case."""
        return self.attributes.get(attribute, "").lower() == "true"


@dataclass(frozen=True, slots=True)
class LabelConfig:
    """A parsed label config.

    Attributes:
        xml: the config as Label Studio holds it.
        controls: in document order.
        faults: sentences about parts that cannot be read; these are not among the controls.
        fingerprint: twelve hex digits that change when controls, labels or fields do, and not with layout or hints'
            spelling.
    """

    xml: str
    controls: tuple[Control, ...]
    faults: tuple[str, ...] = ()
    fingerprint: str = dataclasses.field(init=False)
    _conditional: tuple[Control, ...] = dataclasses.field(init=False, repr=False)

    def __post_init__(self) -> None:
        essence = [[*_essence(control), *_conditions(control)] for control in self.controls]
        digest = hashlib.sha256(json.dumps(essence, sort_keys=True).encode()).hexdigest()
        conditional = (control for control in in_order_of_asking(self.controls) if control.conditions)
        # The dataclass is frozen; only this method sets the attribute.
        object.__setattr__(self, "fingerprint", digest[:FINGERPRINT_DIGITS])
        object.__setattr__(self, "_conditional", tuple(conditional))

    @property
    def has_conditions(self) -> bool:
        """True where some question is asked only under a condition."""
        return bool(self._conditional)

    def hidden(self, result: Sequence[Region]) -> frozenset[str]:
        """Return the names of the controls that are not asked, given these answers of an annotator or a pre-label."""
        return hidden_controls(self._conditional, result) if self._conditional else frozenset()

    def waiting_for(self, names: Iterable[str]) -> frozenset[str]:
        """Return these names, and those of the controls that are asked only after certain answers to them."""
        return waiting_for(names, self._conditional)


def _essence(control: Control) -> list[Any]:
    shown, choice = control.object, control.attributes.get("choice", "")
    return [control.name, control.tag, choice, shown.tag, shown.field, list(control.label_values)]


def _conditions(control: Control) -> list[Any]:
    """Return the conditions for the fingerprint; empty for most controls, so that existing fingerprints stay valid."""
    return [[type(condition).__name__, *dataclasses.astuple(condition)] for condition in control.conditions]

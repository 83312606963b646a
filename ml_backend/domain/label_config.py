"""What labelloop knows of a Label Studio label config, once the XML has been read."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Control", "Label", "LabelConfig", "ObjectTag"]

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
        field: the key of the task's data that it shows (without the `$`), or None where it shows a constant.
    """

    name: str
    tag: str
    field: str | None


@dataclass(frozen=True, slots=True)
class Control:
    """Something the annotator answers with, such as `<Choices>`.

    Attributes:
        object: the object tag that `toName` points to.
        labels: the values on offer, in the order of the config.
        attributes: the tag's XML attributes as written, `choice="single"` among them.
        is_nested: some labels lie inside others.
        is_conditional: it, or a tag around it, is shown only when something else was answered (`visibleWhen`).
    """

    name: str
    tag: str
    object: ObjectTag
    labels: tuple[Label, ...]
    attributes: Mapping[str, str] = field(default_factory=dict)
    is_nested: bool = False
    is_conditional: bool = False

    @property
    def label_values(self) -> tuple[str, ...]:
        """The stored values on offer, in the order of the config."""
        return tuple(label.value for label in self.labels)


@dataclass(frozen=True, slots=True)
class LabelConfig:
    """A parsed label config.

    Attributes:
        xml: the config as Label Studio holds it.
        controls: in document order.
    """

    xml: str
    controls: tuple[Control, ...]

    @property
    def fingerprint(self) -> str:
        """Twelve hex digits that change when controls, labels or fields do, and not with layout or hints' spelling."""
        essence = [
            [c.name, c.tag, c.attributes.get("choice", ""), c.object.tag, c.object.field, list(c.label_values)]
            for c in self.controls
        ]
        return hashlib.sha256(json.dumps(essence, sort_keys=True).encode()).hexdigest()[:12]

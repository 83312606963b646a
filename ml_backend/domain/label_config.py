"""A Label Studio label config, as labelloop knows it once the XML has been read.

A question may be asked under conditions (`visibleWhen`) on the answers to others. So an annotation that leaves it empty
says something about it only where its other answers made the editor ask it.
"""

import dataclasses
import hashlib
import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any

from .annotation import Region
from .conversation import as_prompt
from .field_texts import field_texts, join_fields, readable_text
from .object_tag import ObjectTag
from .offered import OPTIONS

__all__ = [
    "INSIDE",
    "LEFT",
    "RIGHT",
    "ChoiceMade",
    "Control",
    "Label",
    "LabelConfig",
    "RegionMarked",
    "parent_of",
    "path_name",
]

FINGERPRINT_DIGITS = 12
PHRASE_END = re.compile(r"[.,:;!?]+\s")
MARKING_TAGS = frozenset({"Labels", "HyperTextLabels", "ParagraphLabels"})
"""Tags of controls that mark pieces of a text."""
MARKING_TYPES = frozenset(tag.lower() for tag in MARKING_TAGS)
INSIDE = " > "
"""Stands between the steps of a path, as in Label Studio's editor."""
LEFT, RIGHT = "left", "right"
"""The two answers to a comparison, which are the names of its two texts in `Control.text_in` as well."""
EXPLAINING = {"_reason": "TextArea", "_evidence": "Labels"}
"""Ends of the names of controls in which people say why they answered another one as they did, with their tags."""


@dataclass(frozen=True, slots=True)
class Label:
    """One value an annotator can give.

    Attributes:
        value: what Label Studio stores: the `alias` where there is one, else the `value`; of labels inside labels the
            name of the whole path, see `path_name`.
        display: what the annotator sees.
        hint: the sentence that explains it, or None.
        path: of labels inside labels what Label Studio stores, the outermost first; empty for others.
    """

    value: str
    display: str
    hint: str | None = None
    path: tuple[str, ...] = ()

    @property
    def descriptions(self) -> tuple[str, ...]:
        """The label's name and the phrases of its hint: short texts that stand for it where few rows do."""
        name = self.display.replace(INSIDE, ": ").replace("_", " ").strip()
        phrases = (phrase.strip(" \t\n.,:;!?") for phrase in PHRASE_END.split(self.hint or ""))
        return tuple(text for text in (name, *phrases) if text)


def path_name(steps: Iterable[str]) -> str:
    """Return the name of a label inside others, from the outermost on, such as `Animal > Dog`."""
    return INSIDE.join(step.replace(INSIDE, " › ") for step in steps)


def parent_of(name: str) -> str:
    """Return the name of the label that this one lies inside, by `path_name`; empty for an outermost one."""
    return name.rpartition(INSIDE)[0]


@dataclass(frozen=True, slots=True)
class ChoiceMade:
    """A condition that holds where a choice was made in another question that is asked itself.

    Attributes:
        controls: names of the questions that decide; a choice in any of them will do.
        values: one of these must be chosen, spelled as Label Studio stores it; None: any choice will do.
        is_reversed: the condition holds where no such choice was made.
    """

    controls: tuple[str, ...]
    values: tuple[str, ...] | None = None
    is_reversed: bool = False


@dataclass(frozen=True, slots=True)
class RegionMarked:
    """A condition that holds while a marked region of the text is selected in the editor.

    Attributes:
        control: the control whose regions count; None: every control's.
        labels: the region must have one of these; None: any label will do.
    """

    control: str | None = None
    labels: tuple[str, ...] | None = None


Condition = ChoiceMade | RegionMarked


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
        other: of a `<Pairwise>` the second tag of `toName`, the one on the right; None where it names none.
        options: what holds the options where each task has its own, to be read like a text; None where it has none.
        buckets: names of the buckets that the items of a `<Ranker>` are sorted into, in the order of the config; the
            one that they are in at first is `_`, or the one that the config says.
    """

    name: str
    tag: str
    object: ObjectTag
    labels: tuple[Label, ...]
    attributes: Mapping[str, str] = dataclasses.field(default_factory=dict)
    is_nested: bool = False
    is_dynamic: bool = False
    conditions: tuple[Condition, ...] = ()
    other: ObjectTag | None = None
    options: ObjectTag | None = None
    buckets: tuple[str, ...] = ()

    @property
    def objects(self) -> tuple[ObjectTag, ...]:
        """The tags that it cannot do without: its options; or its object, and the other one that is compared."""
        if self.options is not None:
            return (self.options,)
        return (self.object,) if self.other is None else (self.object, self.other)

    @property
    def reads_apart(self) -> bool:
        """True where the texts that decide it are read one by one, since an answer names one of them."""
        return self.other is not None or self.options is not None

    @property
    def label_values(self) -> tuple[str, ...]:
        """The stored values on offer, in the order of the config."""
        return tuple(label.value for label in self.labels)

    @property
    def waits_for_selection(self) -> bool:
        """True where it is asked only while a region of the text is selected, so nobody can tell who saw it."""
        return any(isinstance(condition, RegionMarked) for condition in self.conditions)

    @property
    def may_be_left_empty(self) -> bool:
        """True where an annotation that leaves the question empty answers it: nothing applies.

        It does not where an answer is required, because then the control did not exist when the annotation was made,
        nor where the question appears only while a region is selected, because then it may never have been seen.
        """
        return not self.has("required") and not self.waits_for_selection

    @property
    def marks_regions(self) -> bool:
        """True where it marks pieces of its object's text."""
        return self.tag in MARKING_TAGS

    @property
    def is_about_pieces(self) -> bool:
        """True where it marks pieces of its object's text, or is asked about each (`perRegion`); others about tasks."""
        return self.marks_regions or self.has("perregion")

    def is_asked_about(self, control: str, label: str) -> bool:
        """True where a control that is asked per region is asked about pieces with this label of that control."""
        piece = {"from_name": control, "type": "labels", "value": {"labels": [label]}}
        return all(_is_marked(piece, each) for each in self.conditions if isinstance(each, RegionMarked))

    def text_in(self, text: str) -> str:
        """Return what it is decided on out of a task's text.

        That is its object's text where it is about pieces, the text as people read it where a text answers it, else
        all. Two texts that are compared stand at the end there, as the fields `LEFT` and `RIGHT`; where one is
        empty, nothing can be decided, and there is no text. So do options, as the field `OPTIONS`.

        Args:
            text: of one field or several, as `join_fields` returns it.
        """
        if self.tag == "TextArea":
            return readable_text(text)
        if self.other is not None:
            return self._compared(field_texts(text), self.other)
        if self.options is not None:
            return self._with_options(field_texts(text), self.options)
        if not self.is_about_pieces:
            return text
        texts = field_texts(text)
        return texts.get("" if "" in texts else self.object.field or "", "")

    def prompt_in(self, text: str) -> str:
        """Return what it is decided on as a language model reads it, see `as_prompt`; for labels `text_in`."""
        return as_prompt(text, self.object) if self.answers_a_dialogue else self.text_in(text)

    @property
    def answers_a_dialogue(self) -> bool:
        """True where it takes a response to a dialogue, which a language model reads turn by turn."""
        return self.tag == "TextArea" and self.object.tag == "Paragraphs"

    def _compared(self, texts: Mapping[str, str], other: ObjectTag) -> str:
        sides = {LEFT: texts.get(self.object.field or "", ""), RIGHT: texts.get(other.field or "", "")}
        own = {shown.field for shown in self.objects}
        around = {f"{name} " if name in sides else name: text for name, text in texts.items() if name not in own}
        return join_fields({**around, **sides}) if all(text.strip() for text in sides.values()) else ""

    def _with_options(self, texts: Mapping[str, str], options: ObjectTag) -> str:
        held = texts.get("" if "" in texts else options.field or "", "")
        # The items of a list are the options, and stand nowhere else.
        own = {"", options.field, *([self.object.field] if self.object.written == options.field else [])}
        around = {f"{name} " if name == OPTIONS else name: text for name, text in texts.items() if name not in own}
        return join_fields({**around, OPTIONS: held}) if held.strip() else ""

    def has(self, attribute: str) -> bool:
        """True where the attribute is set to true; its name is given in lower case."""
        return self.attributes.get(attribute, "").lower() == "true"

    @staticmethod
    def in_order_of_asking(controls: "Iterable[Control]") -> "list[Control]":
        """Sort controls so that each comes after those that decide whether it is asked.

        Controls that depend on themselves are left out, and so are those that depend on a control that is not among
        them.
        """
        by_name = {control.name: control for control in controls}
        deciding = {name: _deciding(control) for name, control in by_name.items()}
        unknown = set().union(*deciding.values()) - by_name.keys()
        # A name that depends on itself keeps out everything that depends on it.
        sorter = TopologicalSorter(deciding | {name: {name} for name in unknown})
        with suppress(CycleError):
            sorter.prepare()
        ordered: list[Control] = []
        while ready := sorter.get_ready():
            ordered += [by_name[name] for name in ready]
            sorter.done(*ready)
        return ordered


@dataclass(frozen=True, slots=True)
class LabelConfig:
    """A parsed label config.

    Attributes:
        xml: the config as Label Studio holds it.
        controls: in document order.
        faults: sentences about parts that cannot be read; these are not among the controls.
        objects: what annotators see of a task, in document order.
        fingerprint: twelve hex digits that change when controls, labels or fields do, and not with layout, with hints'
            spelling, or with controls that explain others.
    """

    xml: str
    controls: tuple[Control, ...]
    faults: tuple[str, ...] = ()
    objects: tuple[ObjectTag, ...] = ()
    fingerprint: str = dataclasses.field(init=False)
    _conditional: tuple[Control, ...] = dataclasses.field(init=False, repr=False)

    def __post_init__(self) -> None:
        answering = [control for control in self.controls if not self.explains(control)]
        essence = [[*_essence(control), *_conditions(control)] for control in answering]
        digest = hashlib.sha256(json.dumps(essence, sort_keys=True).encode()).hexdigest()
        # In this order, whether a control is asked is known when others that depend on it come up.
        conditional = (control for control in Control.in_order_of_asking(self.controls) if control.conditions)
        # The dataclass is frozen; only this method sets these attributes.
        object.__setattr__(self, "fingerprint", digest[:FINGERPRINT_DIGITS])
        object.__setattr__(self, "_conditional", tuple(conditional))

    @property
    def has_conditions(self) -> bool:
        """True where some question is asked only under a condition."""
        return bool(self._conditional)

    def explains(self, control: Control) -> str:
        """Return the name of the control for whose answers this one holds the reasons; empty where it holds none.

        For the control `topic` these are the text area `topic_reason`, in which people say why, and the labels
        `topic_evidence`, with which they mark the pieces of the text that tell. No model learns either.
        """
        for end, tag in EXPLAINING.items():
            name = control.name.removesuffix(end)
            if control.tag == tag and name != control.name and any(each.name == name for each in self.controls):
                return name
        return ""

    def hidden(self, result: Sequence[Region]) -> frozenset[str]:
        """Return the names of the controls that are not asked, given these answers of an annotator or a pre-label."""
        if not self._conditional:
            return frozenset()
        chosen = _chosen(result)
        hidden: set[str] = set()
        for control in self._conditional:
            if not all(_holds(condition, chosen, result, hidden) for condition in control.conditions):
                hidden.add(control.name)
        return frozenset(hidden)

    def waiting_for(self, names: Iterable[str]) -> frozenset[str]:
        """Return these names, and the names of controls that are asked only after certain answers to them."""
        waiting = set(names)
        for control in self._conditional:
            if not waiting.isdisjoint(_deciding(control)):
                waiting.add(control.name)
        return frozenset(waiting)


def _essence(control: Control) -> list[Any]:
    shown, choice = control.object, control.attributes.get("choice", "")
    compared = [] if control.other is None else [control.other.tag, control.other.field]
    return [control.name, control.tag, choice, shown.tag, shown.field, list(control.label_values), *compared]


def _conditions(control: Control) -> list[Any]:
    """Return the conditions for the fingerprint; empty for most controls, so that existing fingerprints stay valid.

    The names of the classes of conditions are part of stored fingerprints, and must stay as they are.
    """
    return [[type(condition).__name__, *dataclasses.astuple(condition)] for condition in control.conditions]


def _deciding(control: Control) -> set[str]:
    return {name for each in control.conditions if isinstance(each, ChoiceMade) for name in each.controls}


def _holds(
    condition: Condition, chosen: Mapping[str, set[str]], result: Sequence[Region], hidden: Collection[str]
) -> bool:
    if isinstance(condition, RegionMarked):
        return any(_is_marked(region, condition) for region in result)
    choices = [chosen[name] for name in condition.controls if name in chosen and name not in hidden]
    is_made = any(condition.values is None or not values.isdisjoint(condition.values) for values in choices)
    return is_made is not condition.is_reversed


def _chosen(result: Sequence[Region]) -> dict[str, set[str]]:
    """Return the values chosen for each question of choices; of choices inside choices, the innermost one."""
    chosen: dict[str, set[str]] = {}
    for region in result:
        kind, value = region.get("type"), region.get("value")
        choices = value.get(kind) if kind in ("choices", "taxonomy") and isinstance(value, Mapping) else None
        if isinstance(choices, list):
            leaves = (choice[-1] if isinstance(choice, list) and choice else choice for choice in choices)
            if names := {leaf for leaf in leaves if isinstance(leaf, str)}:
                chosen.setdefault(str(region.get("from_name")), set()).update(names)
    return chosen


def _is_marked(region: Region, condition: RegionMarked) -> bool:
    kind, value = region.get("type"), region.get("value")
    labels = value.get(kind) if isinstance(kind, str) and kind in MARKING_TYPES and isinstance(value, Mapping) else None
    if not isinstance(labels, list) or condition.control not in (None, region.get("from_name")):
        return False
    return condition.labels is None or any(label in condition.labels for label in labels)

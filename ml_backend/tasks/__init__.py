"""Labeling kinds, one file each, and what of a label config they serve."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..domain.annotation import Region, Task
from ..domain.example import Row, Span
from ..domain.field_texts import field_texts, join_fields
from ..domain.label_config import ChoiceMade, Control, LabelConfig
from ..domain.model import ScoredTarget
from ..domain.object_tag import ObjectTag
from ..errors import UnsupportedLabelConfig
from .base import GivenAnswer, TaskKind
from .entities import spans_of_region
from .matching import find_kinds, kind_examples, marking_controls, match_kinds
from .objects import data_of, find_objects, placed_regions, plain_regions
from .regions import on_marks
from .shown_texts import ranked_fields, readable_objects, unreadable

__all__ = ["ServedControl", "ServingPlan", "find_kinds", "marks_in", "serving_plan", "template_path"]


CHAT = "Chat"
OFFERING = ("Choices", "Ranker")
"""Tags whose options are read as a text, and that are no objects."""


@dataclass(frozen=True, slots=True)
class ServedControl:
    """A control and the kind that serves it.

    Attributes:
        marking: the controls whose marks it is asked about, where it is asked per region; empty for others.
    """

    control: Control
    kind: TaskKind
    marking: tuple[Control, ...] = ()

    @property
    def name(self) -> str:
        """The control's name."""
        return self.control.name

    def answer(self, result: Sequence[Region], text: str) -> GivenAnswer:
        """Return the answer that an annotation's result gives; see `TaskKind.read`.

        Args:
            text: the task's, of all fields that are read.
        """
        about = self.control.text_in(text)
        for control in (self.control, *self.marking):
            result = plain_regions(control, result, about)
        if self.marking:
            names = {self.name, *(control.name for control in self.marking)}
            result = [region for region in result if region.get("from_name") in names]
        return self.kind.read(self.control, result, about)

    def regions(self, answer: ScoredTarget, text: str, beside: Sequence[Region] = ()) -> list[Region]:
        """Return the regions that show an answer in Label Studio; see `TaskKind.write`.

        Args:
            text: the task's, of all fields that are read.
            beside: the regions of other controls, to whose marks answers about these belong.
        """
        about = self.control.text_in(text)
        written = self.kind.write(self.control, answer, about)
        if self.marking:
            marks = [mark for control in self.marking for mark in marks_in(control, beside, text)]
            return on_marks(written, marks, self.control)
        return placed_regions(self.control, written, about)


def marks_in(control: Control, result: Sequence[Region], text: str) -> list[tuple[str, Span, Region]]:
    """Return the control, the place and the region of each of its marks in a result that can be read and has an id.

    A region with two labels stands with the first.

    Args:
        text: the task's, of all fields that are read.
    """
    about, marks = control.text_in(text), []
    for region in result:
        if region.get("from_name") == control.name and isinstance(region.get("id"), str):
            (plain,) = plain_regions(control, [region], about)
            marks += [(control.name, span, region) for span in spans_of_region(plain, about)[:1]]
    return marks


@dataclass(frozen=True, slots=True)
class ServingPlan:
    """Which controls of a label config are served, and which texts they are decided on.

    Attributes:
        controls: at least one, in the order of the config.
        texts: what is read of a task, at least one.
        unread: the other texts that annotators see.
        fixed_fields: the `fields` that make `serving_plan` return this plan again, also once the config shows more.
        notices: sentences about controls that are not served.
        explaining: controls in which people give reasons for their answers to others; read, and never learned.
    """

    config: LabelConfig
    controls: tuple[ServedControl, ...]
    texts: tuple[ObjectTag, ...]
    unread: tuple[ObjectTag, ...] = ()
    fixed_fields: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    explaining: tuple[ServedControl, ...] = ()

    @property
    def labeled(self) -> tuple[ServedControl, ...]:
        """The controls that are answered with labels once per task, by themselves."""
        return tuple(each for each in self.controls if each.kind.has_labels and not each.marking)

    @property
    def has_texts(self) -> bool:
        """True where some control is answered with a text, which takes a model seconds to write."""
        return any(not each.kind.has_labels for each in self.controls)

    @property
    def fields(self) -> tuple[str, ...]:
        """The keys under which rows hold the texts; in most configs also their keys in the task's data."""
        return tuple(shown.field or "" for shown in self.texts)

    def text(self, data: Mapping[str, Any]) -> str:
        """Return the text of a task as annotators see it; empty where there is none."""
        return join_fields(self.input(data))

    def input(self, data: Mapping[str, Any]) -> dict[str, str]:
        """Return the texts of a task by field, as rows hold them."""
        return {shown.field or "": find_objects()[shown.tag].text(shown, data) for shown in self.texts}

    def input_of(self, text: str) -> dict[str, str]:
        """Return the texts by field that `text` made one of."""
        return {self.fields[0]: text} if len(self.fields) == 1 else field_texts(text)

    def row(self, row: Row) -> Row:
        """Return a row with exactly the fields that are read, in their order; a field that it lacks is empty."""
        if tuple(row.input) == self.fields:
            return row
        return replace(row, input={name: row.input.get(name, "") for name in self.fields})

    def task(self, row: Row) -> Task:
        """Return the task that a row is of, as far as it is read."""
        return Task(row.task_id, data_of((shown, row.input.get(shown.field or "", "")) for shown in self.texts))

    def regions(self, answers: Mapping[str, ScoredTarget], text: str) -> list[Region]:
        """Return the regions that show answers by control, those about marked pieces after the marks."""
        written: list[Region] = []
        for served in sorted(self.controls, key=lambda each: bool(each.marking)):
            if served.name in answers:
                written += served.regions(answers[served.name], text, written)
        return written

    def about(self, control: str, text: str) -> str:
        """Return what a control is decided on out of a task's text, see `Control.text_in`; all for an unknown name."""
        served = next((each for each in self.controls if each.name == control), None)
        return text if served is None else served.control.text_in(text)


def serving_plan(config: LabelConfig, fields: Sequence[str] | None = None) -> ServingPlan:
    """Return the controls that some kind serves, the texts that they are decided on, and a notice on each other one.

    Args:
        fields: what is read, in this order, as far as the config still shows it; none: the first served control's text
            alone, and only controls about that are served; None: all that can be read.

    Raises:
        UnsupportedLabelConfig: no kind serves any control; the message says why, control by control.
    """
    explaining = tuple(_explaining(config))
    unlearned = {each.name for each in explaining}
    kinds = match_kinds([control for control in config.controls if control.name not in unlearned])
    candidates = [control for control, kind in kinds if not isinstance(kind, str)]
    readable, ranked = readable_objects(config, candidates), ranked_fields(candidates)
    objects = {field: shown for field, shown in readable.items() if field not in ranked or field in (fields or ())}
    is_about_one = not fields if fields is not None else len(readable) == 1
    if is_about_one:
        # A field may be shown in several encodings, of which the first control's counts here. Projects that were
        # connected when nothing but <Text> was read go on reading that.
        objects_asked = [control.object for control in candidates]
        texts = tuple([shown for shown in objects_asked if shown.tag == "Text"] or objects_asked)[:1]
    else:
        chosen = (objects[name] for name in fields or () if name in objects)
        texts = tuple(chosen) or tuple(objects.values())
    served: list[ServedControl] = []
    notices = [*config.faults, *_not_in_community(config)]
    for control, kind in kinds:
        called = f"<{control.tag} name={control.name!r}>"
        if isinstance(kind, str):
            notices.append(f"{called} {kind}")
        elif (unread := _unread(control, texts, is_about_one=is_about_one)) is not None:
            notices.append(
                f"{called} is about {_written(unread, texts[0])}, and the controls that are served are about "
                f"{' and '.join(_written(shown, unread) for shown in texts)}"
            )
        else:
            served.append(ServedControl(control, kind, tuple(marking_controls(control, kinds))))
    if not served:
        reasons = "; ".join(notices) or "there is no control at all"
        raise UnsupportedLabelConfig(
            f"labelloop cannot serve this label config: {reasons}. Wanted: at least one "
            f'{kind_examples(per_region=False, between=" or ")} on a <Text value="$field"> '
            f"or {', '.join(f'<{tag}>' for tag in find_objects() if tag not in ('Text', *OFFERING))}; "
            "label_config/ holds working templates."
        )
    read = {shown.field for shown in texts}
    return ServingPlan(
        config,
        tuple(served),
        texts,
        unread=tuple(shown for field, shown in objects.items() if field not in read),
        fixed_fields=() if is_about_one else tuple(shown.field or "" for shown in texts),
        notices=(*notices, *_not_texts(config), *_without_pre_labels(served)),
        explaining=explaining,
    )


def _explaining(config: LabelConfig) -> Iterator[ServedControl]:
    """Yield the controls in which people give reasons, each with the kind that reads its regions."""
    for control in config.controls:
        if config.explains(control):
            kinds = (kind for kind in find_kinds().values() if kind.may_serve(control.tag))
            yield ServedControl(control, next(kinds))


def _not_in_community(config: LabelConfig) -> Iterator[str]:
    """Yield a sentence about each tag that the Community edition's editor does not know."""
    for shown in config.objects:
        if shown.tag == CHAT:
            yield (
                f"<{CHAT} name={shown.name!r}> is a tag of Label Studio Enterprise: the Community edition shows "
                "annotators an error instead, and what they submit is empty; show the messages with "
                f'<Paragraphs name={shown.name!r} value="{shown.written}" nameKey="role" textKey="content"/>'
            )


def _not_texts(config: LabelConfig) -> Iterator[str]:
    """Yield sentences about what annotators see beside the texts, and labelloop does not."""
    about = [control.object for control in config.controls]
    for shown in config.objects:
        if unreadable(shown) is not None and shown not in about and shown.tag != CHAT:
            yield f"<{shown.tag}> with {shown.written} is shown and not read, since it does not hold its text"


def _unread(control: Control, texts: Sequence[ObjectTag], *, is_about_one: bool) -> ObjectTag | None:
    """Return what a control is about and is not among the texts that are read, where it cannot do without."""
    if not (control.is_about_pieces or control.reads_apart or is_about_one):
        return None
    read = {(each.field, each.encoding) for each in texts}
    return next((shown for shown in control.objects if (shown.field, shown.encoding) not in read), None)


def _written(shown: ObjectTag, other: ObjectTag) -> str:
    """Return what the tag shows, with its encoding where this alone distinguishes it from the other tag."""
    if shown.field != other.field or shown.encoding == "none":
        return shown.written
    return f"{shown.written} (encoding {shown.encoding})"


def _without_pre_labels(served: Sequence[ServedControl]) -> Iterator[str]:
    """Yield sentences about controls that are trained but get no pre-label in Label Studio."""
    names = {each.name for each in served}
    for each in served:
        control = each.control
        called = f"<{control.tag} name={control.name!r}>"
        if each.kind.is_refused_in_bulk(control):
            yield f"{called} gets its pre-labels one by one, since Label Studio refuses them in bulk"
        elif "toname" not in control.attributes:
            yield (
                f"{called} has no toName: the editor takes {control.object.name!r} for it, and Label Studio refuses "
                f'its pre-labels; write toName="{control.object.name}"'
            )
        for condition in control.conditions:
            if isinstance(condition, ChoiceMade) and not condition.is_reversed and names.isdisjoint(condition.controls):
                awaited = " or ".join(map(repr, condition.controls))
                yield f"{called} is asked after an answer to {awaited}, which is not served, so it gets no pre-label"


def template_path(kind: str) -> Path:
    """Return the path of a kind's Label Studio template: in the repository, or inside the installed package."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "label_config" / f"{kind}.xml"
    return inside if inside.exists() else package.parent / "label_config" / f"{kind}.xml"

"""Labeling kinds, one file each, and which of them serves which control of a label config."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ..domain.annotation import Region
from ..domain.field_texts import join_fields
from ..domain.label_config import ChoiceMade, Control, LabelConfig
from ..domain.model import ScoredTarget
from ..domain.object_tag import ObjectTag
from ..errors import UnsupportedLabelConfig
from ..plugins import classes_in
from .base import GivenAnswer, TaskKind

__all__ = ["ServedControl", "ServingPlan", "find_kinds", "serving_plan", "template_path"]


@dataclass(frozen=True, slots=True)
class ServedControl:
    """A control and the kind that serves it."""

    control: Control
    kind: TaskKind

    @property
    def name(self) -> str:
        """The control's name."""
        return self.control.name

    def answer(self, result: Sequence[Region], text: str) -> GivenAnswer:
        """Return the answer that an annotation's result gives; see `TaskKind.read`.

        Args:
            text: the task's, of all fields that are read.
        """
        return self.kind.read(self.control, result, self.control.text_in(text))

    def regions(self, answer: ScoredTarget, text: str) -> list[Region]:
        """Return the regions that show an answer in Label Studio; see `TaskKind.write`.

        Args:
            text: the task's, of all fields that are read.
        """
        return self.kind.write(self.control, answer, self.control.text_in(text))


@dataclass(frozen=True, slots=True)
class ServingPlan:
    """Which controls of a label config are served. They are all about one text.

    Attributes:
        controls: at least one, in the order of the config.
        notices: sentences about controls that are not served.
    """

    config: LabelConfig
    controls: tuple[ServedControl, ...]
    notices: tuple[str, ...] = ()

    @property
    def labeled(self) -> tuple[ServedControl, ...]:
        """The controls that are answered with labels."""
        return tuple(each for each in self.controls if each.kind.has_labels)

    @property
    def has_texts(self) -> bool:
        """True where some control is answered with a text, which takes a model seconds to write."""
        return len(self.labeled) < len(self.controls)

    @property
    def object(self) -> ObjectTag:
        """The object tag that shows the text."""
        return self.controls[0].control.object

    @property
    def field(self) -> str:
        """The key under which rows hold the text; in most configs also its key in the task's data."""
        return self.object.field or ""

    def text(self, data: Mapping[str, Any]) -> str:
        """Return the text of a task as annotators see it; empty where there is none."""
        return join_fields(self.input(data))

    def input(self, data: Mapping[str, Any]) -> dict[str, str]:
        """Return the texts of a task by field, as rows hold them."""
        return {self.field: self.object.text(data)}


@cache
def find_kinds() -> Mapping[str, TaskKind]:
    """Return the kinds of this folder by name."""
    return {name: kind() for name, kind in classes_in(__package__, TaskKind, "name").items()}


def serving_plan(config: LabelConfig) -> ServingPlan:
    """Return the controls that some kind serves and that are about the first one's text, and a notice on each other.

    Raises:
        UnsupportedLabelConfig: no kind serves any control; the message says why, control by control.
    """
    served: list[ServedControl] = []
    notices = list(config.faults)
    for control in config.controls:
        kind = _kind_of(control)
        about = served[0].control.object if served else control.object
        if isinstance(kind, str):
            notices.append(f"<{control.tag} name={control.name!r}> {kind}")
        elif (control.object.field, control.object.encoding) != (about.field, about.encoding):
            notices.append(
                f"<{control.tag} name={control.name!r}> is about {_written(control.object, about)}, and the "
                f"controls that are served are about {_written(about, control.object)}"
            )
        else:
            served.append(ServedControl(control, kind))
    if not served:
        reasons = "; ".join(notices) or "there is no control at all"
        raise UnsupportedLabelConfig(
            f"labelloop cannot serve this label config: {reasons}. Wanted: at least one "
            f'{" or ".join(kind.example for kind in find_kinds().values())} on a <Text value="$field">; '
            "label_config/ holds working templates."
        )
    return ServingPlan(config, tuple(served), (*notices, *_without_pre_labels(served)))


def _written(shown: ObjectTag, other: ObjectTag) -> str:
    """Return what the tag shows, with its encoding where this alone distinguishes it from the other tag."""
    if shown.field != other.field or shown.encoding == "none":
        return shown.written
    return f"{shown.written} (encoding {shown.encoding})"


def _without_pre_labels(served: Sequence[ServedControl]) -> Iterator[str]:
    """Yield sentences about controls that are trained but get no pre-label in Label Studio."""
    names = {each.name for each in served}
    for control in (each.control for each in served):
        called = f"<{control.tag} name={control.name!r}>"
        if "toname" not in control.attributes:
            yield (
                f"{called} has no toName: the editor takes {control.object.name!r} for it, and Label Studio refuses "
                f'its pre-labels; write toName="{control.object.name}"'
            )
        for condition in control.conditions:
            if isinstance(condition, ChoiceMade) and not condition.is_reversed and names.isdisjoint(condition.controls):
                awaited = " or ".join(map(repr, condition.controls))
                yield f"{called} is asked after an answer to {awaited}, which is not served, so it gets no pre-label"


def _kind_of(control: Control) -> TaskKind | str:
    """Return the kind that serves the control, or why none does, as a clause that follows the control's name."""
    if (reason := _unread_text(control.object) or _unserved_use(control)) is not None:
        return reason
    refusals: dict[str, str] = {}
    for name, kind in find_kinds().items():
        refusal = kind.refusal(control)
        if refusal is None:
            return kind
        refusals[name] = refusal
    # What kinds of quite different controls have to say about it helps nobody.
    near = [refusals[name] for name, kind in find_kinds().items() if _is_alike(kind.example, control)]
    return " and ".join(dict.fromkeys(near or refusals.values()))


def _unread_text(shown: ObjectTag) -> str | None:
    """Return why the shown text cannot be read, as a clause that follows a control's name; None where it can."""
    if shown.tag != "Text" or not shown.field:
        return f'is about <{shown.tag}>, not about a <Text> with value="$field"'
    if shown.attributes.get("valuetype", "text") == "url" or shown.attributes.get("resolver"):
        attribute = "resolver" if shown.attributes.get("resolver") else "valueType"
        return (
            f'is about <Text name={shown.name!r} {attribute}="{shown.attributes[attribute.lower()]}">: tasks hold an '
            "address there, which annotators' browsers follow and labelloop does not; import tasks that hold the texts "
            f"themselves, and take {attribute} away"
        )
    if shown.encoding not in ObjectTag.ENCODINGS:
        encodings = " or ".join(ObjectTag.ENCODINGS)
        return f'is about <Text name={shown.name!r} encoding="{shown.encoding}">, and wanted is {encodings}'
    return None


def _unserved_use(control: Control) -> str | None:
    """Return why no kind can serve a control used in this way, as a clause after its name; None where one may."""
    if control.has("perregion"):
        return "is asked per region, not per task"
    if control.has("peritem"):
        return "is asked per item (perItem), not per task"
    if control.is_dynamic:
        return "takes labels from each task (a $ in a value), and a model only learns labels of the label config"
    if not any(kind.example.startswith(f"<{control.tag}") for kind in find_kinds().values()):
        return "is of a kind that stays in Label Studio and its exports, and nothing is trained on it"
    return None


def _is_alike(example: str, control: Control) -> bool:
    choice = control.attributes.get("choice", "single")
    return example.startswith(f"<{control.tag}") and ("choice=" not in example or f'choice="{choice}"' in example)


def template_path(kind: str) -> Path:
    """Return the path of a kind's Label Studio template: in the repository, or inside the installed package."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "label_config" / f"{kind}.xml"
    return inside if inside.exists() else package.parent / "label_config" / f"{kind}.xml"

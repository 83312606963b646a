"""What a labeling kind provides, and how the kinds of this folder are found."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from ..domain.annotation import Region
from ..domain.conditions import ChoiceMade
from ..domain.example import Target
from ..domain.label_config import Control, LabelConfig, ObjectTag
from ..domain.model import ScoredTarget
from ..domain.reasons import Reason
from ..domain.shown_text import ENCODINGS
from ..errors import UnsupportedLabelConfig
from ..plugins import classes_in

__all__ = [
    "GivenAnswer",
    "ServedControl",
    "ServingPlan",
    "TaskKind",
    "find_kinds",
    "may_be_left_empty",
    "serving_plan",
    "template_path",
]


@dataclass(frozen=True, slots=True)
class GivenAnswer:
    """The answer that an annotation gives to a control.

    Attributes:
        target: None where there is no answer, or none that counts; `reasons` then say why.
        reasons: why the answer or a part of it is left out or was repaired.
    """

    target: Target | None = None
    reasons: tuple[Reason, ...] = ()


class TaskKind(ABC):
    """A kind of labeling. A new kind is a new file in this folder and a template in `label_config/`.

    Attributes:
        name: as in `label_config/<name>.xml`.
        head: the kind of head that answers it, a file of `models/decoders`.
        has_labels: True where an answer consists of labels, which can be right or wrong; a response in words cannot.
        example: the control that it serves, as it is written in a label config.
    """

    name: ClassVar[str]
    head: ClassVar[str]
    has_labels: ClassVar[bool] = True
    example: ClassVar[str]

    @abstractmethod
    def refusal(self, control: Control) -> str | None:
        """None where this kind serves the control, else why not, as a clause that follows the control's name.

        Only asked about controls of a text of the task's data that are asked once per task.
        """

    @abstractmethod
    def read(self, control: Control, result: Sequence[Region], text: str) -> GivenAnswer:
        """Return the answer that an annotation's result gives to the control.

        It may hold labels that the config no longer knows: see `labels_in`.

        Args:
            text: the task's text.
        """

    @abstractmethod
    def write(self, control: Control, answer: ScoredTarget, text: str) -> list[Region]:
        """The regions that show the answer in Label Studio, without labels that the config lacks."""

    @abstractmethod
    def resolve(self, votes: Sequence[Target]) -> Target | None:
        """The answer that several annotators agree on, None where they do not. `votes` is not empty."""

    @abstractmethod
    def labels_in(self, target: Target) -> tuple[str, ...]:
        """The labels that an answer uses."""


@dataclass(frozen=True, slots=True)
class ServedControl:
    """A control and the kind that serves it."""

    control: Control
    kind: TaskKind

    @property
    def name(self) -> str:
        """The control's name."""
        return self.control.name


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
        return self.object.text(data)


@cache
def find_kinds() -> Mapping[str, TaskKind]:
    """Return the kinds of this folder by name."""
    return {name: kind() for name, kind in classes_in(__package__, TaskKind, "name").items()}


def serving_plan(config: LabelConfig) -> ServingPlan:
    """The controls that a kind can serve and that are about the first such one's text; a notice for every other one.

    Raises:
        UnsupportedLabelConfig: no kind serves any control; the message says why, control by control.
    """
    served: list[ServedControl] = []
    notices = list(config.faults)
    for control in config.controls:
        found = _kind_of(control)
        about = served[0].control.object if served else control.object
        if isinstance(found, str):
            notices.append(f"<{control.tag} name={control.name!r}> {found}")
        elif (control.object.field, control.object.encoding) != (about.field, about.encoding):
            notices.append(
                f"<{control.tag} name={control.name!r}> is about {control.object.written}, and the controls that are "
                f"served are about {about.written}"
            )
        else:
            served.append(ServedControl(control, found))
    if not served:
        reasons = "; ".join(notices) or "there is no control at all"
        raise UnsupportedLabelConfig(
            f"labelloop cannot serve this label config: {reasons}. Wanted: at least one "
            f'{" or ".join(kind.example for kind in find_kinds().values())} on a <Text value="$field">; '
            "label_config/ holds working templates."
        )
    return ServingPlan(config, tuple(served), (*notices, *_without_pre_labels(served)))


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
    """The kind that serves the control, or why none does, as a clause that follows the control's name."""
    if (reason := _unread_text(control.object) or _unserved_use(control)) is not None:
        return reason
    refusals: dict[str, str] = {}
    for name, kind in find_kinds().items():
        refusal = kind.refusal(control)
        if refusal is None:
            return kind
        refusals[name] = refusal
    # What kinds of quite other controls have to say about it helps nobody.
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
    if shown.encoding not in ENCODINGS:
        known = " or ".join(ENCODINGS)
        return f'is about <Text name={shown.name!r} encoding="{shown.encoding}">, and wanted is {known}'
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


def may_be_left_empty(control: Control) -> bool:
    """True where an annotation that leaves the question empty answers it: nothing applies.

    It does not where an answer is required, because then the control did not exist when the annotation was made, nor
    where the question appears only while a region is selected, because then it may never have been seen.
    """
    return not control.has("required") and not control.waits_for_selection


def template_path(kind: str) -> Path:
    """The Label Studio template of a kind: in the repository, or inside the installed package."""
    package = Path(__file__).resolve().parent.parent
    inside = package / "label_config" / f"{kind}.xml"
    return inside if inside.exists() else package.parent / "label_config" / f"{kind}.xml"

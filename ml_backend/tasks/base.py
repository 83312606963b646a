"""What a labeling kind provides, and how the kinds of this folder are found."""

import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from inspect import isabstract
from pathlib import Path
from typing import Any, ClassVar

from ..domain.annotation import Region
from ..domain.example import Target
from ..domain.label_config import Control, LabelConfig
from ..domain.model import ScoredTarget
from ..errors import UnsupportedLabelConfig

__all__ = ["ServedControl", "ServingPlan", "TaskKind", "find_kinds", "serving_plan", "template_path"]


class TaskKind(ABC):
    """A kind of labeling. A new kind is a new file in this folder and a template in `label_config/`.

    Attributes:
        name: as in `label_config/<name>.xml`.
    """

    name: ClassVar[str]

    @abstractmethod
    def refusal(self, control: Control) -> str | None:
        """None where this kind serves the control, else why not, as a clause that follows the control's name."""

    @abstractmethod
    def read(self, control: Control, result: Sequence[Region]) -> Target | None:
        """The answer an annotation's result gives to the control; None where it gives none, or a malformed one.

        The answer may hold labels that the config no longer knows: see `labels_in`.
        """

    @abstractmethod
    def write(self, control: Control, answer: ScoredTarget) -> list[Region]:
        """The regions that show the answer in Label Studio; empty where it holds a label that the config lacks."""

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
    def field(self) -> str:
        """Key of the task's data that the control is about."""
        return self.control.object.field or ""

    def text(self, data: Mapping[str, Any]) -> str:
        """The text of a task; empty where the field is missing or null. Label Studio also lets numbers through."""
        value = data.get(self.field)
        return "" if value is None else str(value)


@dataclass(frozen=True, slots=True)
class ServingPlan:
    """Which controls of a label config are served.

    Attributes:
        notices: sentences about controls that are not.
    """

    config: LabelConfig
    served: ServedControl
    notices: tuple[str, ...] = ()


@cache
def find_kinds() -> Mapping[str, TaskKind]:
    """The kinds of this folder by name."""
    kinds: dict[str, TaskKind] = {}
    for module_info in pkgutil.iter_modules([str(Path(__file__).parent)]):
        module = importlib.import_module(f"{__package__}.{module_info.name}")
        for value in vars(module).values():
            is_kind = isinstance(value, type) and issubclass(value, TaskKind) and not isabstract(value)
            if is_kind and value.__module__ == module.__name__:
                kinds[value.name] = value()
    return kinds


def serving_plan(config: LabelConfig) -> ServingPlan:
    """The first control that a kind can serve, with a notice for every other one.

    Raises:
        UnsupportedLabelConfig: no kind serves any control; the message says why, control by control.
    """
    served: list[ServedControl] = []
    notices: list[str] = []
    for control in config.controls:
        refusals = []
        for kind in find_kinds().values():
            refusal = kind.refusal(control)
            if refusal is None:
                served.append(ServedControl(control, kind))
                break
            refusals.append(refusal)
        else:
            notices.append(f"<{control.tag} name={control.name!r}> {' and '.join(refusals)}")
    if not served:
        found = "; ".join(notices) or "there is no control at all"
        raise UnsupportedLabelConfig(
            f"labelloop cannot serve this label config: {found}. Wanted: at least one "
            '<Choices choice="single"> on a <Text value="$field">; label_config/ holds working templates.'
        )
    notices += [
        f"<{other.control.tag} name={other.control.name!r}> is not served: one control per project is, "
        f"here {served[0].control.name!r}"
        for other in served[1:]
    ]
    return ServingPlan(config, served[0], tuple(notices))


def template_path(kind: str) -> Path:
    """The Label Studio template of a kind: in the repository, or inside the installed package."""
    package = Path(__file__).resolve().parent.parent
    inside = package / "label_config" / f"{kind}.xml"
    return inside if inside.exists() else package.parent / "label_config" / f"{kind}.xml"

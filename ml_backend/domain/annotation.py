"""Tasks, annotations and predictions, as labelloop reads them from Label Studio."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from .example import PrelabelOutcome

__all__ = ["Annotation", "Prediction", "ProjectInfo", "Region", "Task"]

Region: TypeAlias = Mapping[str, Any]
"""One entry of an annotation's or prediction's `result`, as Label Studio's JSON has it."""


@dataclass(frozen=True, slots=True)
class Annotation:
    """One submitted (or skipped) answer to a task.

    Attributes:
        annotator: Label Studio's user id, as text; "unknown" where the payload has none.
        prelabel: what the annotator did with the pre-label, as far as the payload itself tells.
        lead_time_s: seconds in the editor, None where not measured.
        updated_at: ISO 8601 time of the last change.
        was_imported: it came with an import, which sends no event for it, and nobody has changed it since.
    """

    id: int
    annotator: str
    result: tuple[Region, ...]
    was_cancelled: bool = False
    ground_truth: bool = False
    lead_time_s: float | None = None
    parent_prediction: int | None = None
    prelabel: PrelabelOutcome = PrelabelOutcome.NONE
    created_at: str | None = None
    updated_at: str | None = None
    was_imported: bool = False


@dataclass(frozen=True, slots=True)
class Task:
    """One task.

    Attributes:
        data: the task's data, as imported (values may be numbers or None).
    """

    id: int
    data: Mapping[str, Any]
    annotations: tuple[Annotation, ...] = ()


@dataclass(frozen=True, slots=True)
class Prediction:
    """One pre-label, ready for Label Studio.

    Attributes:
        result: the regions; empty where the task is blind or cannot be predicted.
        score: calibrated confidence from 0 to 1 (a random draw for blind tasks), None where there is none.
    """

    result: tuple[Region, ...]
    score: float | None
    model_version: str


@dataclass(frozen=True, slots=True)
class ProjectInfo:
    """A project's settings in Label Studio that matter here.

    Attributes:
        model_version: what pre-labels come from: a stored version, a live backend's title, or "".
        sampling: `Sequential sampling`, `Uniform sampling` or `Uncertainty sampling`.
    """

    id: int
    title: str
    label_config: str
    model_version: str
    sampling: str
    show_collab_predictions: bool
    task_count: int

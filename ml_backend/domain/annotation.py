"""Tasks, annotations and predictions, as labelloop reads them from Label Studio, and the meaning of their regions."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar, TypeAlias

from .example import PrelabelOutcome, Span

__all__ = [
    "Annotation",
    "Prediction",
    "ProjectInfo",
    "Region",
    "Task",
    "flat_choices",
]

XPATH = frozenset({"start", "startOffset", "end", "endOffset"})
EARLIEST = datetime.min.replace(tzinfo=UTC)

Region: TypeAlias = Mapping[str, Any]
"""One entry of an annotation's or prediction's `result`, as Label Studio's JSON has it."""


@dataclass(frozen=True, slots=True)
class Annotation:
    """One submitted (or skipped) answer to a task.

    Attributes:
        annotator: Label Studio's user id, as text, or `UNKNOWN_ANNOTATOR`.
        prelabel: what the annotator did with the pre-label, as far as the payload itself tells.
        lead_time_s: seconds in the editor, None where not measured.
        updated_at: ISO 8601 time of the last change.
        was_imported: it came with an import, which sends no event for it, and nobody has changed it since.
        was_accepted: labelloop made it of an answer that it accepted, and nobody has changed it since.
        rejected: the pre-label's regions where the annotator changed it, as far as they are at hand.
    """

    UNKNOWN_ANNOTATOR: ClassVar = "unknown"
    """Stands for the annotator where a payload names none; two such annotations may come from different people."""

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
    was_accepted: bool = False
    rejected: tuple[Region, ...] = ()

    @property
    def last_change(self) -> datetime:
        """Time of the last change, or else of the creation; before all other times where nobody wrote that down."""
        return self.time_of(self.updated_at or self.created_at)

    @staticmethod
    def prelabel_outcome(
        result: Sequence[Region], prelabel: Sequence[Region] | None, *, was_copied: bool
    ) -> PrelabelOutcome:
        """Return the outcome of a pre-label, given the result of the annotation that started from it.

        Args:
            prelabel: the pre-label's regions; None where they are not at hand.
            was_copied: Label Studio made the annotation from the prediction by itself, without the editor.
        """
        if prelabel is not None:
            return _outcome_by_comparison(result, prelabel)
        return _outcome_by_origin(result, was_copied=was_copied)

    @staticmethod
    def time_of(text: str | None) -> datetime:
        """Parse a time that Label Studio wrote; a missing one comes before all others."""
        try:
            time = datetime.fromisoformat(text or "")
        except ValueError:
            return EARLIEST
        return time if time.tzinfo else time.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Task:
    """One task.

    Attributes:
        data: the task's data, as imported (values may be numbers or None).
        batch: what it was imported with: the file's name in Label Studio, or else the day; "" where unknown.
    """

    id: int
    data: Mapping[str, Any]
    annotations: tuple[Annotation, ...] = ()
    batch: str = ""

    @staticmethod
    def batch_of(file: object, created_at: object) -> str:
        """Return the batch of a task, given the name of its file and its time, as far as Label Studio sends them."""
        if file and isinstance(file, str):
            return file
        time = Annotation.time_of(created_at if isinstance(created_at, str) else None)
        return "" if time == EARLIEST else str(time.date())


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


def flat_choices(choices: object) -> object:
    """Return the choices of a region, with `["a"]` for `[["a"]]`.

    Where a config has `allowNested`, the editor stores each tick as a path, although no choice lies inside another. A
    path of several steps stays unchanged.
    """
    if not isinstance(choices, list):
        return choices
    return [each[0] if isinstance(each, list) and len(each) == 1 else each for each in choices]


def _region_meaning(region: Region) -> str:
    """Return a text that is equal for regions of equal control, object, type and value, whatever their id or score.

    It is the same whether the editor, an export or an API call wrote the region.
    """
    value = region.get("value")
    if isinstance(value, Mapping):
        value = _value_meaning(value)
    return json.dumps(
        [region.get("from_name"), region.get("to_name"), region.get("type"), value], sort_keys=True, default=str
    )


def _outcome_by_comparison(result: Sequence[Region], prelabel: Sequence[Region]) -> PrelabelOutcome:
    """Return the outcome of a pre-label, by comparing it with the annotation's result.

    Only the meaning of regions counts (see `_region_meaning`), and neither their order nor controls that the pre-label
    does not answer, such as a comment box beside the labels.
    """
    if not prelabel:
        return PrelabelOutcome.NONE
    controls = {_control_name(region) for region in prelabel}
    answered = [region for region in result if _control_name(region) in controls]
    is_same = Counter(map(_region_meaning, answered)) == Counter(map(_region_meaning, prelabel))
    return PrelabelOutcome.ACCEPTED if is_same else PrelabelOutcome.CHANGED


def _outcome_by_origin(result: Sequence[Region], *, was_copied: bool) -> PrelabelOutcome:
    """Return the outcome where an annotation started from a pre-label that is not at hand.

    The editor marks each region: `prediction` (untouched), `prediction-changed` or `manual`. A region that was deleted
    leaves no mark. Regions of controls that the pre-label left no mark on do not count.
    """
    origins = [(_control_name(region), str(region.get("origin") or "")) for region in result]
    if was_copied and not any(origin for _, origin in origins):
        return PrelabelOutcome.ACCEPTED
    controls = {name for name, origin in origins if origin in ("prediction", "prediction-changed")}
    marks = {origin for name, origin in origins if name in controls}
    return PrelabelOutcome.ACCEPTED if marks == {"prediction"} else PrelabelOutcome.CHANGED


def _control_name(region: Region) -> str:
    """Return the name of the control, which is text unless somebody made the payload up."""
    return str(region.get("from_name"))


def _value_meaning(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return the value without what the editor adds or reorders, and without white space at a span's ends.

    The editor repeats a span's text beside its offsets, stores choices in any order, and writes one text as a list. In
    hypertext it fills in an XPath beside the `globalOffsets`, which tell the place alone.
    """
    if isinstance(value.get("globalOffsets"), Mapping):
        value = {key: item for key, item in value.items() if key not in XPATH} | {"start": "", "end": ""}
    is_span = "start" in value and "end" in value
    meaning: dict[str, Any] = {}
    for key, item in value.items():
        if key == "text":
            if not is_span:
                meaning[key] = item if isinstance(item, list) else [item]
        elif isinstance(flat := flat_choices(item), list) and all(isinstance(each, str) for each in flat):
            meaning[key] = sorted(flat)
        else:
            meaning[key] = item
    return meaning | (_trimmed_ends(value) if is_span else {})


def _trimmed_ends(value: Mapping[str, Any]) -> dict[str, int]:
    """Return a span's start and end without the white space in the text that the region repeats, if it does."""
    start, end, piece = value["start"], value["end"], value.get("text")
    if type(start) is not int or type(end) is not int or not isinstance(piece, str) or len(piece) != end - start:
        return {}
    span = Span(start, end, "").trimmed(piece)
    return {"start": span.start, "end": span.end} if span else {}

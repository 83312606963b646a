"""Findings of an audit of reviewed labels. Everything here is a proposal: labels are changed by people alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from .example import Target
from .snapshot import Split

__all__ = [
    "AnnotatorQuality",
    "Audit",
    "ClassNoise",
    "ClassPair",
    "ControlQuality",
    "Disagreement",
    "Issue",
    "IssueKind",
]


class IssueKind(StrEnum):
    """A fault that a reviewed text or its label may have."""

    LABEL_ERROR = "label_error"
    CONFLICTING_LABELS = "conflicting_labels"
    NEAR_DUPLICATE = "near_duplicate"
    OUTLIER = "outlier"
    EMPTY = "empty"
    AMBIGUOUS = "ambiguous"


@dataclass(frozen=True, slots=True)
class Issue:
    """One thing that may be wrong with one row.

    Attributes:
        quality: from 0 to 1; low is suspect. Comparable within a kind only.
        given: what people answered.
        suggested: what the model would answer instead; None for held-out rows, whose annotators must stay free of
            the model's opinion, and for kinds that suggest nothing.
        other_task_id: the task that it repeats or contradicts.
        control: name of the control whose answer it is about; empty where it is about the text alone.
    """

    task_id: int
    row_id: str
    split: Split
    kind: IssueKind
    quality: float
    given: Target | None = None
    suggested: Target | None = None
    other_task_id: int | None = None
    control: str = ""


@dataclass(frozen=True, slots=True)
class ClassNoise:
    """The noise in the labels of a class; where pieces of texts are labeled, each of them counts.

    Attributes:
        rows: labeled so.
        suspects: of them, flagged as label errors.
        missed: rows without this label whose suggestion has it.
    """

    label: str
    rows: int
    suspects: int
    missed: int
    control: str = ""


@dataclass(frozen=True, slots=True)
class ClassPair:
    """Two classes that people or model take for each other: their guidelines may overlap.

    Attributes:
        rows: labeled `given` and suspected to be `suggested`.
        disagreements: texts that some annotators answered with one and some with the other.
    """

    given: str
    suggested: str
    rows: int
    disagreements: int = 0
    control: str = ""


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A task about whose text annotators gave different answers, in this task or in another one of the same text.

    Attributes:
        answers: every annotator's answer, with the number of annotators who gave it, the most frequent first.
        is_settled: the rows have an answer all the same, such as that of the majority.
        consensus: the answer that is most likely right by the annotators' records and the model; None for held-out
            rows, whose annotators must stay free of the model's opinion.
        quality: how sure that is, 0 to 1; where pieces of the text are labeled, how far the annotators agree.
    """

    task_id: int
    row_id: str
    split: Split
    answers: Sequence[tuple[Target, int]]
    is_settled: bool
    consensus: Target | None
    quality: float
    control: str = ""


@dataclass(frozen=True, slots=True)
class AnnotatorQuality:
    """An annotator's agreement with the others and with the model.

    Attributes:
        rows: answered by them.
        quality: from 0 to 1, estimated by CROWDLAB; None where they shared no text with another annotator, and where
            pieces of texts are labeled.
        agreement: F1 of their answer against that of each other annotator of a text, on average: 1 or 0 for a single
            choice, and by exact spans where pieces of texts are labeled; None where they shared no text.
    """

    annotator: str
    rows: int
    quality: float | None
    agreement: float | None
    control: str = ""


@dataclass(frozen=True, slots=True)
class ControlQuality:
    """The quality of the answers to one control.

    Attributes:
        quality: per task id, 0 to 1, low is suspect; tasks without an answer, or with one that could not be judged,
            are not in it.
        health: estimated share of the answers that are right, 0 to 1; None where it cannot be estimated.
    """

    control: str
    quality: Mapping[int, float]
    health: float | None


@dataclass(frozen=True, slots=True)
class Audit:
    """The findings in a snapshot.

    Attributes:
        rows: looked at, those without an agreed answer included.
        probabilities_from: what the model's opinion comes from, in words.
        controls: that were looked at, in the order of the label config.
        issues: the most suspicious first, kind by kind in the order of `IssueKind`.
        disagreements: the unsettled ones first, then by quality, the lowest first.
        warnings: sentences on what could not be looked at, and why.
    """

    snapshot_id: str
    rows: int
    seconds: float
    probabilities_from: str
    controls: Sequence[ControlQuality]
    issues: Sequence[Issue]
    classes: Sequence[ClassNoise] = ()
    pairs: Sequence[ClassPair] = ()
    annotators: Sequence[AnnotatorQuality] = ()
    disagreements: Sequence[Disagreement] = ()
    warnings: Sequence[str] = field(default_factory=tuple)

    @property
    def quality(self) -> dict[int, float]:
        """Per task id the lowest quality of its answers."""
        lowest: dict[int, float] = {}
        for each in self.controls:
            for task_id, quality in each.quality.items():
                lowest[task_id] = min(quality, lowest.get(task_id, 1.0))
        return lowest

    @property
    def health(self) -> float | None:
        """The health of the control whose answers look worst; None where none can be estimated."""
        return min((each.health for each in self.controls if each.health is not None), default=None)

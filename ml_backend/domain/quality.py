"""What an audit finds about reviewed labels. Everything here is a proposal: labels are changed by people alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from .example import Target
from .snapshot import Split

__all__ = ["AnnotatorQuality", "Audit", "ClassNoise", "ClassPair", "Disagreement", "Issue", "IssueKind"]


class IssueKind(StrEnum):
    """What may be wrong with a reviewed text or its label."""

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
    """

    task_id: int
    row_id: str
    split: Split
    kind: IssueKind
    quality: float
    given: Target | None = None
    suggested: Target | None = None
    other_task_id: int | None = None


@dataclass(frozen=True, slots=True)
class ClassNoise:
    """How noisy the labels of a class look.

    Attributes:
        rows: labeled so.
        suspects: of them, flagged as label errors.
        missed: rows of other classes whose suggestion is this one.
    """

    label: str
    rows: int
    suspects: int
    missed: int


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


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A task about whose text annotators gave different answers, in this task or in another one of the same text.

    Attributes:
        answers: every annotator's answer, with the number of annotators who gave it, the most frequent first.
        is_settled: the rows have an answer all the same, such as that of the majority.
        consensus: the answer that is most likely right by the annotators' records and the model; None for held-out
            rows, whose annotators must stay free of the model's opinion.
        quality: how sure that is, 0 to 1.
    """

    task_id: int
    row_id: str
    split: Split
    answers: Sequence[tuple[Target, int]]
    is_settled: bool
    consensus: Target | None
    quality: float


@dataclass(frozen=True, slots=True)
class AnnotatorQuality:
    """How one annotator agrees with the others and with the model.

    Attributes:
        rows: answered by them.
        quality: from 0 to 1, estimated by CROWDLAB; None where they shared no text with another annotator.
        agreement: share of the other annotators of a text who gave the same answer, on average; None as above.
    """

    annotator: str
    rows: int
    quality: float | None
    agreement: float | None


@dataclass(frozen=True, slots=True)
class Audit:
    """What was found in a snapshot.

    Attributes:
        control: name of the control whose answers were looked at.
        rows: looked at, those without an agreed answer included.
        probabilities_from: what the model's opinion comes from, in words.
        quality: label quality per task id, 0 to 1, low is suspect; tasks without a label, or with one that could not be
            judged, are not in it.
        issues: the most suspicious first, kind by kind in the order of `IssueKind`.
        health: estimated share of rows that are labeled right, 0 to 1; None where it cannot be estimated.
        disagreements: the unsettled ones first, then by quality, the lowest first.
        warnings: sentences on what could not be looked at, and why.
    """

    snapshot_id: str
    control: str
    rows: int
    seconds: float
    probabilities_from: str
    quality: Mapping[int, float]
    issues: Sequence[Issue]
    health: float | None
    classes: Sequence[ClassNoise] = ()
    pairs: Sequence[ClassPair] = ()
    annotators: Sequence[AnnotatorQuality] = ()
    disagreements: Sequence[Disagreement] = ()
    warnings: Sequence[str] = field(default_factory=tuple)

"""Judge the answers of one head: their errors, how far to trust them, and what several annotators agree on."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np

from ...arrays import Codes, Floats, Floats2d
from ...domain.example import Target
from ...domain.quality import ClassNoise, ClassPair, Issue
from ...domain.readable import listed
from ...models.text.confidence import confidences
from ...plugins import classes_in
from ..annotations import AnnotatedRow, AnswerMatrix
from ..consensus import Consensus
from ..predictions import OutOfSamplePredictions

__all__ = ["LabelFindings", "LabelJudge"]


@dataclass(frozen=True, slots=True)
class LabelFindings:
    """Judged answers to one control.

    Attributes:
        quality: per task id; tasks whose answer could not be judged are not in it.
        issues: label errors; without a suggestion for held-out rows.
        warnings: sentences on what could not be judged, and why.
    """

    quality: Mapping[int, float] = field(default_factory=dict)
    issues: Sequence[Issue] = ()
    health: float | None = None
    classes: Sequence[ClassNoise] = ()
    pairs: Sequence[ClassPair] = ()
    warnings: Sequence[str] = ()


class LabelJudge(ABC):
    """Does all that an audit does differently for one head. A new head is a new file in this folder.

    Attributes:
        head: the kind of head.
        has_spans: answers are places in one very text, so that they say nothing about a text that is spelled otherwise.
        weighs_labels: models learn less from answers that a first round of models finds doubtful; see `label_trust`.
    """

    head: ClassVar[str]
    has_spans: ClassVar[bool] = False
    weighs_labels: ClassVar[bool] = False

    def probabilities(self, logits: Floats2d) -> Floats2d:
        """Return what logits mean, in their shape: here the chance of each column, which exclude each other."""
        return np.asarray(confidences(logits, 1.0), dtype=np.float32)

    def answer_shares(self, codes: Codes, columns: int) -> Floats2d:
        """Return the share of each column in the answers, none of them 0 (Laplace's rule of succession), shape (K,)."""
        counts = np.bincount(codes.astype(np.int64), minlength=columns) + 1
        return np.asarray(counts / counts.sum(), dtype=np.float32)

    def label_trust(self, predictions: OutOfSamplePredictions) -> Floats:
        """Return how far to believe the answer of each row, above 0 to 1, shape (N,)."""
        raise NotImplementedError(f"the answers of {self.head} are all believed alike ({predictions.control.name!r})")

    def answer_matrix(self, rows: Sequence[AnnotatedRow], _names: Sequence[str], /) -> AnswerMatrix:
        """Return who gave which answer to each text, with all answers that occur."""
        occurring = {target for row in rows for target in row.answers.values()}
        return AnswerMatrix.of(rows, sorted(occurring, key=repr), is_exact=self.has_spans)

    @abstractmethod
    def consensus(self, answers: AnswerMatrix, predictions: OutOfSamplePredictions) -> Consensus:
        """Return what the annotators of texts say together."""

    def preference(
        self, _predictions: OutOfSamplePredictions, _position: int, _own: Target, _other: Target, /
    ) -> float | None:
        """Return how likely the first answer to a row is where it must be one of the two; None: it cannot be told."""
        return None

    @abstractmethod
    def label_errors(
        self, rows: Sequence[AnnotatedRow], predictions: OutOfSamplePredictions, answers: AnswerMatrix, /
    ) -> LabelFindings:
        """Return what the rows' agreed answers look like.

        Args:
            rows: at least one; all have an agreed answer, of labels that the config knows.
            answers: of the annotators, to these and other rows.
        """

    def disputed_pairs(self, _predictions: OutOfSamplePredictions, _answers: AnswerMatrix, /) -> tuple[ClassPair, ...]:
        """Return the pairs of classes that annotators mix up, where no label can be judged."""
        return ()

    def judge(
        self, rows: Sequence[AnnotatedRow], predictions: OutOfSamplePredictions, answers: AnswerMatrix
    ) -> LabelFindings:
        """Return what the rows' agreed answers look like, as far as they can be judged."""
        names = set(predictions.names)
        agreed = [row for row in rows if row.agreed is not None]
        # Numbers have no labels, so each of them may be given.
        cases = [row for row in agreed if not names or names.issuperset(row.labels)]
        warnings = []
        if not agreed:
            warnings.append("no row has an agreed answer: label errors could not be looked for")
        if len(cases) < len(agreed):
            warnings.append(
                f"{len(agreed) - len(cases)} rows have an answer that the label config lacks: they were not judged"
            )
        if not cases:
            return LabelFindings(pairs=self.disputed_pairs(predictions, answers), warnings=warnings)
        findings = self.label_errors(cases, predictions, answers)
        return replace(findings, warnings=[*warnings, *findings.warnings])

    @staticmethod
    def noise(
        control: str, names: Iterable[str], rows: Iterable[int], suspects: Iterable[int], missed: Iterable[int]
    ) -> tuple[ClassNoise, ...]:
        """Return the noise of each class, in order; classes that no row has and nothing suggests are left out."""
        counts = zip(names, rows, suspects, missed, strict=True)
        return tuple(ClassNoise(*values, control) for values in counts if any(values[1:]))

    def absent_warnings(self, names: Sequence[str], present: Collection[str]) -> list[str]:
        """Return a sentence on the labels that no row has, if there are any."""
        absent = [name for name in names if name not in present]
        return [f"no row is labeled {listed(absent)}: nothing can be suspected to belong there"] if absent else []

    @staticmethod
    def of(head: str) -> "LabelJudge":
        """Return what judges the answers of a head.

        Raises:
            KeyError: the head's answers cannot be right or wrong, as texts cannot.
        """
        return classes_in(__package__, LabelJudge, "head")[head]()

"""Put together all that an audit looks at: rows and out-of-sample predictions of their answers in, an audit out."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..arrays import AnyFloats
from ..domain.example import Row
from ..domain.quality import (
    AnnotatorQuality,
    Audit,
    ClassNoise,
    ClassPair,
    ControlQuality,
    Disagreement,
    Issue,
    IssueKind,
)
from ..domain.snapshot import Split
from ..errors import ConfigurationError
from .annotations import AnnotatedRow
from .consensus import ambiguous_issues
from .judges.base import LabelJudge
from .predictions import OutOfSamplePredictions
from .text_issues import SimilarTexts, is_empty

__all__ = ["examine"]


def examine(
    rows: Sequence[Row],
    splits: Sequence[Split],
    predictions_by_control: Sequence[OutOfSamplePredictions],
    features: AnyFloats,
    *,
    snapshot_id: str,
    probabilities_from: str,
) -> Audit:
    """Return what may be wrong with these rows, as an audit that took no time.

    Suggestions are given for train rows alone: whoever labels a held-out text stays free of the model's opinion.

    Args:
        rows: reviewed ones of all splits, in any order; those whose annotators disagree have no target for the control.
        splits: of each row; for one without a target, the split that its text belongs to.
        predictions_by_control: at least one.
        features: shape (N, D), a line per row.

    Raises:
        ConfigurationError: a number is not finite.
    """
    arrays = [("features", features), *(("probabilities", each.probabilities) for each in predictions_by_control)]
    for name, values in arrays:
        if not np.isfinite(values).all():
            raise ConfigurationError(f"{name} that are not finite found; wanted finite numbers")
    is_alone = len(predictions_by_control) == 1
    controls = [each.control for each in predictions_by_control]
    widest = next((control for control in controls if not control.marks_regions), controls[0])
    texts = AnnotatedRow.of(rows, splits, widest)
    if not is_alone:
        texts = [replace(row, agreed=None, answers={}) for row in texts]  # which control's answer would it be?
    similar = SimilarTexts([row for row in texts if not is_empty(row.text)], features)
    examination = _Examination(rows, splits, similar)
    for predictions in predictions_by_control:
        examination.add(predictions, prefix="" if is_alone else f"{predictions.control.name}: ")
    in_conflict = {each.task_id for each in examination.issues if each.kind is IssueKind.CONFLICTING_LABELS}
    order = list(IssueKind)
    issues = [
        *examination.issues,
        *similar.issues(in_conflict),
        *(row.issue(IssueKind.EMPTY, 0.0) for row in texts if is_empty(row.text)),
    ]
    return Audit(
        snapshot_id=snapshot_id,
        rows=len(rows),
        seconds=0.0,
        probabilities_from=probabilities_from,
        controls=tuple(examination.controls),
        issues=tuple(sorted(issues, key=lambda one: (order.index(one.kind), one.quality, one.task_id))),
        classes=tuple(examination.classes),
        pairs=tuple(examination.pairs),
        annotators=tuple(examination.annotators),
        disagreements=tuple(
            sorted(examination.disagreements, key=lambda one: (one.is_settled, one.quality, one.task_id))
        ),
        warnings=(*examination.warnings, *similar.warnings),
    )


class _Examination:
    """Gathers what is found in the answers to one control after the other."""

    def __init__(self, rows: Sequence[Row], splits: Sequence[Split], similar: SimilarTexts) -> None:
        self._rows, self._splits, self._similar = rows, splits, similar
        self.controls: list[ControlQuality] = []
        self.issues: list[Issue] = []
        self.classes: list[ClassNoise] = []
        self.pairs: list[ClassPair] = []
        self.annotators: list[AnnotatorQuality] = []
        self.disagreements: list[Disagreement] = []
        self.warnings: list[str] = []

    def add(self, predictions: OutOfSamplePredictions, prefix: str) -> None:
        """Look at one control's answers; its warnings begin with the prefix."""
        judge, name = LabelJudge.of(predictions.head), predictions.control.name
        rows = [row for row in AnnotatedRow.of(self._rows, self._splits, predictions.control) if not is_empty(row.text)]
        answers = judge.answer_matrix(rows, predictions.names)
        consensus = judge.consensus(answers, predictions)
        disagreements = consensus.disagreements(name)
        findings = judge.judge(rows, predictions, answers)
        self.controls.append(ControlQuality(name, findings.quality, findings.health))
        self.issues += [
            *findings.issues,
            *ambiguous_issues(disagreements),
            *self._similar.conflicts(rows, predictions),
        ]
        self.classes += findings.classes
        self.pairs += findings.pairs
        self.annotators += consensus.annotators(name)
        self.disagreements += disagreements
        self.warnings += [f"{prefix}{sentence}" for sentence in (*findings.warnings, *consensus.warnings())]

"""Ratings: one level per row."""

from collections.abc import Sequence
from dataclasses import replace

from ...domain.example import Target, label_of, parts_of
from ..annotations import AnnotatedRow, AnswerMatrix
from ..predictions import OutOfSamplePredictions
from .base import LabelFindings
from .softmax import SoftmaxJudge

__all__: list[str] = []

SHORT_SCALE = 3
"""On scales of up to so many levels the next level is an error as well."""


class OrdinalJudge(SoftmaxJudge):
    """Judges each level against all others; the next level is a matter of taste, and no error."""

    head = "ordinal"

    def answer_matrix(self, rows: Sequence[AnnotatedRow], names: Sequence[str], /) -> AnswerMatrix:
        return AnswerMatrix.of(rows, [int(name) for name in names], is_exact=False)

    def preference(
        self, predictions: OutOfSamplePredictions, position: int, own: Target, other: Target, /
    ) -> float | None:
        levels = [label_of(part) for target in (own, other) for part in parts_of(target)]
        return super().preference(predictions, position, *levels) if len(levels) == 2 else None

    def label_errors(
        self, rows: Sequence[AnnotatedRow], predictions: OutOfSamplePredictions, answers: AnswerMatrix, /
    ) -> LabelFindings:
        findings = super().label_errors(rows, predictions, answers)
        places = {name: place for place, name in enumerate(predictions.names)}
        nearest = 1 if len(places) <= SHORT_SCALE else 2
        agreed = {row.row.id: places[row.labels[0]] for row in rows}
        suggested = [(issue, str(issue.suggested)) for issue in findings.issues]
        issues = [
            issue if issue.suggested is None else replace(issue, suggested=int(level))
            for issue, level in suggested
            if issue.suggested is None or abs(places[level] - agreed[issue.row_id]) >= nearest
        ]
        return replace(findings, issues=issues)

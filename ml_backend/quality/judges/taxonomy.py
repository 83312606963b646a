"""Labels inside labels: any number per row."""

from collections.abc import Sequence
from dataclasses import replace

from ...domain.example import label_of, parts_of
from ...models.decoders.taxonomy import with_parents
from ..annotations import AnnotatedRow, AnswerMatrix
from ..predictions import OutOfSamplePredictions
from .base import LabelFindings
from .sigmoid import SigmoidJudge

__all__: list[str] = []


class TaxonomyJudge(SigmoidJudge):
    """Judges each label by itself, and suggests none without its parents."""

    head = "taxonomy"

    def label_errors(
        self, rows: Sequence[AnnotatedRow], predictions: OutOfSamplePredictions, answers: AnswerMatrix, /
    ) -> LabelFindings:
        findings = super().label_errors(rows, predictions, answers)
        whole = [
            issue
            if issue.suggested is None
            else replace(issue, suggested=with_parents([label_of(part) for part in parts_of(issue.suggested)]))
            for issue in findings.issues
        ]
        return replace(findings, issues=[issue for issue in whole if issue.suggested != issue.given])

"""All that an audit looks at, put together: rows and what models say of their answers in, findings out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..arrays import Floats
from ..domain.example import Row
from ..domain.model import HeadKind
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
from .answers import Answered, answered
from .data_issues import is_empty
from .disagreement import ambiguous_issues, compare_annotators
from .judge import judge
from .predictions import OutOfSamplePredictions
from .text_issues import Likeness, conflict_issues, empty_issues

__all__ = ["Findings", "examine"]


@dataclass(frozen=True, slots=True)
class Findings:
    """What was found in rows: an `Audit` but for where the rows come from. See there."""

    rows: int
    controls: tuple[ControlQuality, ...]
    issues: tuple[Issue, ...]
    classes: tuple[ClassNoise, ...]
    pairs: tuple[ClassPair, ...]
    annotators: tuple[AnnotatorQuality, ...]
    disagreements: tuple[Disagreement, ...]
    warnings: tuple[str, ...]

    def audit(
        self, *, snapshot_id: str, seconds: float, probabilities_from: str, warnings: Sequence[str] = ()
    ) -> Audit:
        """The audit of a snapshot.

        Args:
            warnings: further ones, told first.
        """
        return Audit(
            snapshot_id=snapshot_id,
            rows=self.rows,
            seconds=seconds,
            probabilities_from=probabilities_from,
            controls=self.controls,
            issues=self.issues,
            classes=self.classes,
            pairs=self.pairs,
            annotators=self.annotators,
            disagreements=self.disagreements,
            warnings=(*warnings, *self.warnings),
        )


@dataclass(frozen=True, slots=True)
class _OfControl:
    """What was found in the answers to one control."""

    quality: ControlQuality
    issues: list[Issue]
    conflicts: list[Issue]
    classes: Sequence[ClassNoise]
    pairs: Sequence[ClassPair]
    annotators: Sequence[AnnotatorQuality]
    disagreements: Sequence[Disagreement]
    warnings: Sequence[str]


def examine(
    rows: Sequence[Row],
    splits: Sequence[Split],
    predictions_by_control: Sequence[OutOfSamplePredictions],
    features: Floats | None,
) -> Findings:
    """What may be wrong with these rows.

    Suggestions are given for train rows alone: whoever labels a held-out text stays free of the model's opinion.

    Args:
        rows: reviewed ones of all splits, in any order; those whose annotators disagree have no target for the control.
        splits: of each row; for one without a target, the split that its text belongs to.
        predictions_by_control: out-of-sample, one per control, at least one; all are about one text.
        features: shape (N, D), a line per row; None: there are none, and only equal texts are found alike.

    Raises:
        ConfigurationError: the shapes do not fit together, or a number is not finite.
    """
    _check(len(rows), splits, predictions_by_control, features)
    is_alone = len(predictions_by_control) == 1
    texts = answered(rows, splits, predictions_by_control[0].control)
    if not is_alone:
        texts = [replace(row, agreed=None, answers={}) for row in texts]  # which control's answer would it be?
    likeness = Likeness([row for row in texts if not is_empty(row.text)], features)
    found = [_of_control(rows, splits, predictions, likeness) for predictions in predictions_by_control]
    in_conflict = {issue.task_id for each in found for issue in each.conflicts}
    issues = [
        *(issue for each in found for issue in (*each.issues, *each.conflicts)),
        *likeness.issues(in_conflict),
        *empty_issues([row for row in texts if is_empty(row.text)]),
    ]
    disagreements = [one for each in found for one in each.disagreements]
    disagreements.sort(key=lambda one: (one.is_settled, one.quality, one.task_id))
    warnings = [
        sentence if is_alone else f"{each.quality.control}: {sentence}" for each in found for sentence in each.warnings
    ]
    return Findings(
        rows=len(rows),
        controls=tuple(each.quality for each in found),
        issues=tuple(sorted(issues, key=_rank)),
        classes=tuple(one for each in found for one in each.classes),
        pairs=tuple(one for each in found for one in each.pairs),
        annotators=tuple(one for each in found for one in each.annotators),
        disagreements=tuple(disagreements),
        warnings=(*warnings, *likeness.warnings),
    )


def _of_control(
    rows: Sequence[Row], splits: Sequence[Split], predictions: OutOfSamplePredictions, likeness: Likeness
) -> _OfControl:
    full: list[Answered] = [row for row in answered(rows, splits, predictions.control) if not is_empty(row.text)]
    together = compare_annotators(full, predictions)
    judged = judge(full, predictions, together.mixed)
    return _OfControl(
        quality=ControlQuality(predictions.control.name, judged.quality, judged.health),
        issues=[*judged.issues, *ambiguous_issues(together.disagreements)],
        conflicts=conflict_issues(full, likeness.pairs, predictions),
        classes=judged.classes,
        pairs=judged.pairs,
        annotators=together.annotators,
        disagreements=together.disagreements,
        warnings=[*judged.warnings, *together.warnings],
    )


def _rank(issue: Issue) -> tuple[int, float, int]:
    return list(IssueKind).index(issue.kind), issue.quality, issue.task_id


def _check(
    rows: int,
    splits: Sequence[Split],
    predictions_by_control: Sequence[OutOfSamplePredictions],
    features: Floats | None,
) -> None:
    if len(splits) != rows:
        raise ConfigurationError(f"{rows} rows and {len(splits)} splits found; wanted a split per row")
    for predictions in predictions_by_control:
        _check_opinion(rows, predictions)
    if features is not None and (features.ndim != 2 or len(features) != rows):
        raise ConfigurationError(f"features of shape {features.shape} found; wanted {rows} lines, one per row")
    named = [
        ("features", features),
        *(("probabilities", predictions.probabilities) for predictions in predictions_by_control),
    ]
    for name, values in named:
        if values is not None and not np.isfinite(values).all():
            raise ConfigurationError(f"{name} that are not finite found; wanted finite numbers")


def _check_opinion(rows: int, predictions: OutOfSamplePredictions) -> None:
    if predictions.probabilities is None:
        return
    labels, tagging = len(predictions.control.labels), predictions.tagging
    wanted, what = (rows, labels), "a line per row and a column per label"
    if predictions.head is HeadKind.TAGS:
        units = 0 if tagging is None else tagging.reading.units
        wanted, what = (units, 2 * labels + 1), "a line per word of the tagging and a column per tag"
    if predictions.probabilities.shape != wanted:
        raise ConfigurationError(
            f"probabilities of shape {predictions.probabilities.shape} found; wanted {wanted}, {what} "
            f"of {predictions.control.name!r}"
        )

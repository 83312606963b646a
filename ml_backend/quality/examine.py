"""All that an audit looks at, put together: rows and what models say of them in, findings out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ..domain.example import Row
from ..domain.label_config import Control
from ..domain.quality import AnnotatorQuality, Audit, ClassNoise, ClassPair, Disagreement, Issue, IssueKind
from ..domain.snapshot import Split
from ..errors import ConfigurationError
from .answers import answered
from .data_issues import is_empty
from .disagreement import ambiguous_issues, compare_annotators
from .judged import judge
from .text_issues import empty_issues, text_issues

__all__ = ["Findings", "examine"]

Floats: TypeAlias = npt.NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class Findings:
    """What was found in rows: an `Audit` but for where the rows come from. See there."""

    control: str
    rows: int
    quality: Mapping[int, float]
    issues: tuple[Issue, ...]
    health: float | None
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
            control=self.control,
            rows=self.rows,
            seconds=seconds,
            probabilities_from=probabilities_from,
            quality=self.quality,
            issues=self.issues,
            health=self.health,
            classes=self.classes,
            pairs=self.pairs,
            annotators=self.annotators,
            disagreements=self.disagreements,
            warnings=(*warnings, *self.warnings),
        )


def examine(
    rows: Sequence[Row],
    splits: Sequence[Split],
    control: Control,
    probabilities: Floats | None,
    features: Floats | None,
) -> Findings:
    """What may be wrong with these rows.

    Suggestions are given for train rows alone: whoever labels a held-out text stays free of the model's opinion.

    Args:
        rows: reviewed ones of all splits, in any order; those whose annotators disagree have no target for the control.
        splits: of each row; for one without a target, the split that its text belongs to.
        probabilities: shape (N, K), a line per row and a column per label of the control, of a model that was not
            trained on the row; None: there is none, and label errors are not looked for.
        features: shape (N, D), a line per row; None: there are none, and only equal texts are found alike.

    Raises:
        ConfigurationError: the shapes do not fit together, or a number is not finite.
    """
    _check(len(rows), splits, control, probabilities, features)
    names = control.label_values
    every = answered(rows, splits, control)
    full = [row for row in every if not is_empty(row.text)]
    together = compare_annotators(full, names, probabilities)
    judged = judge(full, names, probabilities, together.mixed)
    of_texts, text_warnings = text_issues(full, names, probabilities, features)
    empty = empty_issues([row for row in every if is_empty(row.text)])
    issues = [*judged.issues, *of_texts, *empty, *ambiguous_issues(together.disagreements)]
    return Findings(
        control=control.name,
        rows=len(rows),
        quality=judged.quality,
        issues=tuple(sorted(issues, key=_rank)),
        health=judged.health,
        classes=tuple(judged.classes),
        pairs=tuple(judged.pairs),
        annotators=together.annotators,
        disagreements=together.disagreements,
        warnings=(*judged.warnings, *text_warnings, *together.warnings),
    )


def _rank(issue: Issue) -> tuple[int, float, int]:
    return list(IssueKind).index(issue.kind), issue.quality, issue.task_id


def _check(
    rows: int, splits: Sequence[Split], control: Control, probabilities: Floats | None, features: Floats | None
) -> None:
    classes = len(control.labels)
    if len(splits) != rows:
        raise ConfigurationError(f"{rows} rows and {len(splits)} splits found; wanted a split per row")
    if probabilities is not None and probabilities.shape != (rows, classes):
        raise ConfigurationError(
            f"probabilities of shape {probabilities.shape} found; wanted {(rows, classes)}, a line per row and a "
            f"column per label of {control.name!r}"
        )
    if features is not None and (features.ndim != 2 or len(features) != rows):
        raise ConfigurationError(f"features of shape {features.shape} found; wanted {rows} lines, one per row")
    for name, values in (("probabilities", probabilities), ("features", features)):
        if values is not None and not np.isfinite(values).all():
            raise ConfigurationError(f"{name} that are not finite found; wanted finite numbers")

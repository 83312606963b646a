"""Agreed answers of rows, judged by what the model says of them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ..domain.example import Target, label_of, parts_of
from ..domain.quality import ClassNoise, ClassPair, Issue, IssueKind
from .ambiguity import choice_noise, class_noise, class_pairs, health
from .answers import Answered
from .label_errors import FEWEST_CLASS_ROWS, label_errors, multilabel_errors

__all__ = ["Judged", "judge"]

Floats: TypeAlias = npt.NDArray[np.floating]
SHOWN = 5


@dataclass(frozen=True, slots=True)
class Judged:
    """What agreed answers look like.

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


def judge(
    rows: Sequence[Answered],
    names: Sequence[str],
    probabilities: Floats | None,
    mixed: Sequence[Sequence[int]] = (),
) -> Judged:
    """The agreed answers of these rows, judged.

    Args:
        names: the classes, in the order of the probabilities' columns.
        probabilities: shape (N, K), a line per position of a row; None: there is no model.
        mixed: per text that annotators disagree about, the classes that they gave.
    """
    agreed = [row for row in rows if row.agreed is not None]
    known = [row for row in agreed if set(_choices(row.agreed)) <= set(names)]
    warnings = []
    if not agreed:
        warnings.append("no row has an agreed answer: label errors could not be looked for")
    if len(known) < len(agreed):
        warnings.append(
            f"{len(agreed) - len(known)} rows have an answer that the label config lacks: they were not judged"
        )
    if probabilities is None and known:
        warnings.append("there are no out-of-fold probabilities: label errors could not be looked for")
    if probabilities is None or not known:
        return Judged(pairs=_mixed_pairs(names, mixed), warnings=warnings)
    if all(isinstance(row.agreed, str) for row in known):
        found = _judge_classes(known, names, probabilities, mixed)
    else:
        found = _judge_choices(known, names, probabilities)
    return Judged(found.quality, found.issues, found.health, found.classes, found.pairs, [*warnings, *found.warnings])


def _judge_classes(
    rows: Sequence[Answered], names: Sequence[str], probabilities: Floats, mixed: Sequence[Sequence[int]]
) -> Judged:
    code = {name: index for index, name in enumerate(names)}
    labels = np.array([code[str(row.agreed)] for row in rows], dtype=np.int64)
    found = label_errors(labels, probabilities[[row.position for row in rows]])
    return Judged(
        quality={row.row.task_id: float(found.quality[i]) for i, row in enumerate(rows) if found.is_judged[i]},
        issues=[
            _issue(rows[i], float(found.quality[i]), names[int(found.suggested[i])])
            for i in np.flatnonzero(found.is_error).tolist()
        ],
        health=health(found),
        classes=class_noise(names, labels, found),
        pairs=class_pairs(names, labels, found, mixed),
        warnings=_class_warnings(names, labels),
    )


def _judge_choices(rows: Sequence[Answered], names: Sequence[str], probabilities: Floats) -> Judged:
    chosen = [set(_choices(row.agreed)) for row in rows]
    labels = np.array([[name in choices for name in names] for choices in chosen], dtype=np.bool_)
    found = multilabel_errors(labels, probabilities[[row.position for row in rows]])
    suggested = [tuple(sorted(np.array(names)[line].tolist())) for line in found.suggested]
    return Judged(
        quality={row.row.task_id: float(found.quality[i]) for i, row in enumerate(rows)},
        issues=[
            _issue(rows[i], float(found.quality[i]), suggested[i]) for i in np.flatnonzero(found.is_error).tolist()
        ],
        health=1.0 - float(found.is_error.mean()),
        classes=choice_noise(names, labels, found),
    )


def _issue(row: Answered, quality: float, suggested: Target) -> Issue:
    return Issue(
        task_id=row.row.task_id,
        row_id=row.row.id,
        split=row.split,
        kind=IssueKind.LABEL_ERROR,
        quality=quality,
        given=row.agreed,
        suggested=None if row.split.is_held_out else suggested,
    )


def _mixed_pairs(names: Sequence[str], mixed: Sequence[Sequence[int]]) -> tuple[ClassPair, ...]:
    nobody = np.zeros(0, dtype=np.int64)
    return class_pairs(names, nobody, label_errors(nobody, np.zeros((0, len(names)))), mixed)


def _class_warnings(names: Sequence[str], labels: npt.NDArray[np.int64]) -> list[str]:
    counts = Counter(labels.tolist())
    if len(counts) == 1:
        found = f"all {len(labels)} labeled rows are {names[int(labels[0])]!r}: label errors could not be looked for"
        return [f"{found}, which takes at least 2 classes of {FEWEST_CLASS_ROWS} rows"]
    warnings = []
    judged = [index for index, count in counts.items() if count >= FEWEST_CLASS_ROWS]
    thin = [f"{names[index]} ({counts[index]})" for index in sorted(counts) if counts[index] < FEWEST_CLASS_ROWS]
    if len(judged) < 2:
        warnings.append(
            f"{len(judged)} of {len(counts)} classes with rows have {FEWEST_CLASS_ROWS} or more: label errors could "
            "not be looked for, which takes at least 2 such classes"
        )
    elif thin:
        warnings.append(f"under {FEWEST_CLASS_ROWS} rows each for {_listed(thin)}: their labels were not judged")
    absent = [name for index, name in enumerate(names) if not counts[index]]
    if absent:
        warnings.append(f"no row is labeled {_listed(absent)}: nothing can be suspected to belong there")
    return warnings


def _choices(target: Target | None) -> tuple[str, ...]:
    return () if target is None else tuple(label_of(part) for part in parts_of(target))


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")

"""Rows whose text is empty, repeats or contradicts another row, or is unlike all others."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ..domain.example import Target
from ..domain.quality import Issue, IssueKind
from .answers import Answered
from .data_issues import (
    FEWEST_ROWS_FOR_OUTLIERS,
    NEAR_DUPLICATE_SIMILARITY,
    Neighbours,
    Repeat,
    nearest_neighbours,
    outliers,
    repeats,
)

__all__ = ["empty_issues", "text_issues"]

Floats: TypeAlias = npt.NDArray[np.floating]
UNDECIDED = 0.5


def empty_issues(rows: Sequence[Answered]) -> list[Issue]:
    """An issue for each of these rows, which have no text to speak of."""
    return [_issue(row, IssueKind.EMPTY, 0.0) for row in rows]


def text_issues(
    rows: Sequence[Answered], names: Sequence[str], probabilities: Floats | None, features: Floats | None
) -> tuple[list[Issue], list[str]]:
    """Issues of texts, and sentences on what could not be looked at.

    Args:
        rows: with a text.
        names: classes in the order of the probabilities' columns.
        probabilities: shape (N, K), a line per position of a row; None: there is no model.
        features: shape (N, D), a line per position; None: equal texts alone are found.
    """
    neighbours = None if features is None else nearest_neighbours(features[[row.position for row in rows]])
    pairs = repeats([row.key for row in rows], neighbours)
    against = _contradictions(rows, pairs)
    issues = [
        *_conflicts(rows, against, names, probabilities),
        *_near_duplicates(rows, [pair for pair in pairs if not {pair.first, pair.second} <= against.keys()]),
    ]
    warnings = []
    if neighbours is None:
        warnings.append("there are no features: outliers and texts that are alike but not equal were not looked for")
    else:
        issues += _outliers(rows, neighbours)
        if len(rows) < FEWEST_ROWS_FOR_OUTLIERS:
            warnings.append(
                f"{len(rows)} texts are too few to tell which are unlike the others; "
                f"wanted {FEWEST_ROWS_FOR_OUTLIERS} or more"
            )
    return issues, warnings


def _contradictions(rows: Sequence[Answered], pairs: Sequence[Repeat]) -> dict[int, int]:
    """By index of a row, the index of a row with the same text and another answer: an equal text before a like one."""
    against: dict[int, int] = {}
    groups: dict[str, list[int]] = defaultdict(list)
    for index, row in enumerate(rows):
        if row.own is not None:
            groups[row.key].append(index)
    for group in groups.values():
        first = group[0]
        other = next((index for index in group if rows[index].own != rows[first].own), None)
        if other is not None:
            against |= {index: other if rows[index].own == rows[first].own else first for index in group}
    for pair in pairs:
        one, two = rows[pair.first].own, rows[pair.second].own
        if one is not None and two is not None and one != two:
            against.setdefault(pair.first, pair.second)
            against.setdefault(pair.second, pair.first)
    return against


def _conflicts(
    rows: Sequence[Answered], against: dict[int, int], names: Sequence[str], probabilities: Floats | None
) -> Iterator[Issue]:
    code = {name: index for index, name in enumerate(names)}
    for index, other_index in sorted(against.items()):
        row, other = rows[index], rows[other_index]
        quality = UNDECIDED
        if probabilities is not None and row.own in code and other.own in code:
            own, contrary = (float(probabilities[row.position, code[str(target)]]) for target in (row.own, other.own))
            quality = own / (own + contrary) if own + contrary > 0 else UNDECIDED
        suggested = other.own if quality < UNDECIDED and not row.split.is_held_out else None
        yield _issue(row, IssueKind.CONFLICTING_LABELS, quality, suggested, other)


def _near_duplicates(rows: Sequence[Answered], pairs: Sequence[Repeat]) -> Iterator[Issue]:
    """The later row of each pair; the one to train on where the other is held out."""
    best: dict[int, tuple[float, int]] = {}
    for pair in pairs:
        flagged, kept = pair.second, pair.first
        if rows[flagged].split.is_held_out and not rows[kept].split.is_held_out:
            flagged, kept = kept, flagged
        best[flagged] = max(best.get(flagged, (0.0, -1)), (pair.similarity, kept))
    for flagged, (similarity, kept) in sorted(best.items()):
        quality = (1.0 - similarity) / (1.0 - NEAR_DUPLICATE_SIMILARITY)
        yield _issue(rows[flagged], IssueKind.NEAR_DUPLICATE, min(max(quality, 0.0), 1.0), None, rows[kept])


def _outliers(rows: Sequence[Answered], neighbours: Neighbours) -> Iterator[Issue]:
    found = outliers(neighbours)
    for index in np.flatnonzero(found.is_outlier).tolist():
        yield _issue(rows[index], IssueKind.OUTLIER, float(found.quality[index]))


def _issue(
    row: Answered, kind: IssueKind, quality: float, suggested: Target | None = None, other: Answered | None = None
) -> Issue:
    return Issue(
        task_id=row.row.task_id,
        row_id=row.row.id,
        split=row.split,
        kind=kind,
        quality=quality,
        given=row.own,
        suggested=suggested,
        other_task_id=None if other is None else other.row.task_id,
    )

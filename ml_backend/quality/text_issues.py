"""Rows whose text is empty, repeats or contradicts another row, or is unlike all others."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence

import numpy as np

from ..arrays import AnyFloats
from ..domain.example import Target
from ..domain.model import HeadKind
from ..domain.quality import Issue, IssueKind
from .answers import Answered
from .data_issues import (
    FEWEST_ROWS_FOR_OUTLIERS,
    NEAR_DUPLICATE_SIMILARITY,
    Repeat,
    nearest_neighbours,
    outliers,
    repeats,
)
from .predictions import OutOfSamplePredictions

__all__ = ["Likeness", "conflict_issues", "empty_issues"]

UNDECIDED = 0.5
EQUAL = 1.0


class Likeness:
    """Which texts say the same, and which are unlike all others; worked out once for all controls.

    Args:
        rows: with a text; their answers are shown, not looked at.
        features: shape (N, D), a line per position of a row; None: equal texts alone are found.

    Attributes:
        pairs: of texts that say the same, by their indices.
        warnings: sentences on what could not be looked at.
    """

    def __init__(self, rows: Sequence[Answered], features: AnyFloats | None) -> None:
        self._rows = rows
        self._neighbours = None if features is None else nearest_neighbours(features[[row.position for row in rows]])
        self.pairs = repeats([row.key for row in rows], self._neighbours)
        self.warnings: list[str] = []
        if self._neighbours is None:
            self.warnings.append(
                "there are no features: outliers and texts that are alike but not equal were not looked for"
            )
        elif len(rows) < FEWEST_ROWS_FOR_OUTLIERS:
            self.warnings.append(
                f"{len(rows)} texts are too few to tell which are unlike the others; "
                f"wanted {FEWEST_ROWS_FOR_OUTLIERS} or more"
            )

    def issues(self, in_conflict: Collection[int]) -> Iterator[Issue]:
        """Near duplicates and outliers.

        Args:
            in_conflict: tasks whose text has another answer elsewhere, which says more than that it is said twice.
        """
        rows = self._rows
        yield from _near_duplicates(
            rows,
            [
                pair
                for pair in self.pairs
                if not {rows[pair.first].row.task_id, rows[pair.second].row.task_id} <= set(in_conflict)
            ],
        )
        if self._neighbours is not None:
            found = outliers(self._neighbours)
            for index in np.flatnonzero(found.is_outlier).tolist():
                yield _issue(rows[index], IssueKind.OUTLIER, float(found.quality[index]))


def empty_issues(rows: Sequence[Answered]) -> list[Issue]:
    """An issue for each of these rows, which have no text to speak of."""
    return [_issue(row, IssueKind.EMPTY, 0.0) for row in rows]


def conflict_issues(
    rows: Sequence[Answered], pairs: Sequence[Repeat], predictions: OutOfSamplePredictions
) -> list[Issue]:
    """An issue for each row whose text has another answer to the control elsewhere.

    Of texts that are alike but not equal, other pieces may be marked with good reason: there equal texts count alone.

    Args:
        pairs: of the rows, by their indices; see `Likeness`.
    """
    is_tags = predictions.head is HeadKind.TAGS
    against = _contradictions(rows, [pair for pair in pairs if not is_tags or pair.similarity == EQUAL])
    issues = []
    for index, other_index in sorted(against.items()):
        row, other = rows[index], rows[other_index]
        found = None
        if row.own is not None and other.own is not None:
            found = predictions.preference(row.position, row.own, other.own)
        quality = UNDECIDED if found is None else found
        suggested = other.own if quality < UNDECIDED and not row.split.is_held_out else None
        issues.append(
            _issue(row, IssueKind.CONFLICTING_LABELS, quality, suggested, other, control=predictions.control.name)
        )
    return issues


def _contradictions(rows: Sequence[Answered], pairs: Sequence[Repeat]) -> dict[int, int]:
    """By index of a row, the index of a row with the same text and another answer: an equal text before a like one."""
    against: dict[int, int] = {}
    groups: dict[str, list[int]] = defaultdict(list)
    meanings = [row.meaning for row in rows]
    for index, row in enumerate(rows):
        if meanings[index] is not None:
            groups[row.key].append(index)
    for group in groups.values():
        first = group[0]
        other = next((index for index in group if meanings[index] != meanings[first]), None)
        if other is not None:
            against |= {index: other if meanings[index] == meanings[first] else first for index in group}
    for pair in pairs:
        one, two = meanings[pair.first], meanings[pair.second]
        if one is not None and two is not None and one != two:
            against.setdefault(pair.first, pair.second)
            against.setdefault(pair.second, pair.first)
    return against


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


def _issue(
    row: Answered,
    kind: IssueKind,
    quality: float,
    suggested: Target | None = None,
    other: Answered | None = None,
    *,
    control: str = "",
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
        control=control,
    )

"""Rows whose text is empty, repeats or contradicts another row, or is unlike all others."""

import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ..arrays import AnyFloats, Ints
from ..domain.quality import Issue, IssueKind
from .annotations import AnnotatedRow
from .judges.base import LabelJudge
from .predictions import OutOfSamplePredictions

__all__ = ["SimilarTexts", "is_empty"]


NEIGHBOURS = 10
NEAR_DUPLICATE_SIMILARITY = 0.98
"""Cosine of two texts' features from which one restates the other. On Banking77's 10,003 training texts 809 have such
a neighbour, 3 of them with another label; from .95 on, texts that say the opposite of each other are among them."""
OUTLIER_QUALITY = 1 / 2.7
"""As far beyond the median as the outliers of cleanlab's Datalab; 96 of Banking77's 10,003 training texts are."""
FEWEST_ROWS_FOR_OUTLIERS = 20
SAME = 1e-5
"""Distance that equal features may have from rounding."""
UNDECIDED = 0.5
EQUAL = 1.0


class DuplicatePair(NamedTuple):
    """Two texts that say the same.

    Attributes:
        first: index of one text.
        second: index of the other, above `first`.
        similarity: 1 where they are equal but for case and white space.
    """

    first: int
    second: int
    similarity: float


class SimilarTexts:
    """Finds texts that say the same, and texts that are unlike all others, once for all controls.

    Args:
        rows: with a text; their answers are shown, not looked at.
        features: shape (N, D), a line per position of a row.

    Attributes:
        pairs: texts that say the same; equal ones are paired with the first of them.
        warnings: sentences on what could not be looked at.
    """

    def __init__(self, rows: Sequence[AnnotatedRow], features: AnyFloats) -> None:
        self._rows = rows
        self.pairs = _equal_texts([row.key for row in rows])
        self.warnings: list[str] = []
        indices, self._similarities = _nearest_neighbours(features[[row.position for row in rows]])
        self.pairs += _near_duplicates([row.key for row in rows], indices, self._similarities)
        if len(rows) < FEWEST_ROWS_FOR_OUTLIERS:
            self.warnings.append(
                f"{len(rows)} texts are too few to tell which are unlike the others; "
                f"wanted {FEWEST_ROWS_FOR_OUTLIERS} or more"
            )

    def conflicts(self, rows: Sequence[AnnotatedRow], predictions: OutOfSamplePredictions) -> list[Issue]:
        """Return an issue for each row whose text has another answer to the control elsewhere.

        Args:
            rows: the same ones as one control sees them.
        """
        judge = LabelJudge.of(predictions.head)
        # Of texts that are alike but not equal, other pieces may be marked with good reason.
        pairs = [pair for pair in self.pairs if not judge.has_spans or pair.similarity == EQUAL]
        issues = []
        for index, other_index in sorted(_contradictions(rows, pairs).items()):
            row, other = rows[index], rows[other_index]
            preference = None
            if row.answer is not None and other.answer is not None:
                preference = judge.preference(predictions, row.position, row.answer, other.answer)
            quality = UNDECIDED if preference is None else preference
            suggested = other.answer if quality < UNDECIDED else None
            name = predictions.control.name
            issues.append(
                row.issue(IssueKind.CONFLICTING_LABELS, quality, control=name, suggested=suggested, other=other)
            )
        return issues

    def issues(self, in_conflict: Collection[int]) -> Iterator[Issue]:
        """Yield near duplicates and outliers.

        Args:
            in_conflict: tasks whose text has another answer elsewhere, which says more than that it is said twice.
        """
        rows, conflicting = self._rows, set(in_conflict)
        best: dict[int, tuple[float, int]] = {}
        for pair in self.pairs:
            if {rows[pair.first].row.task_id, rows[pair.second].row.task_id} <= conflicting:
                continue
            # The later row is flagged; the one to train on where the other is held out.
            flagged, other = pair.second, pair.first
            if rows[flagged].split.is_held_out and not rows[other].split.is_held_out:
                flagged, other = other, flagged
            best[flagged] = max(best.get(flagged, (0.0, -1)), (pair.similarity, other))
        for flagged, (similarity, other) in sorted(best.items()):
            quality = min(max((1.0 - similarity) / (1.0 - NEAR_DUPLICATE_SIMILARITY), 0.0), 1.0)
            yield rows[flagged].issue(IssueKind.NEAR_DUPLICATE, quality, other=rows[other])
        for index, quality in _outliers(self._similarities):
            yield rows[index].issue(IssueKind.OUTLIER, quality)


def is_empty(text: str) -> bool:
    """Return whether there is nothing to see: white space, control and format characters alone."""
    return all(unicodedata.category(character)[0] in "ZC" for character in text)


def _equal_texts(keys: Sequence[str]) -> list[DuplicatePair]:
    first_of: dict[str, int] = {}
    firsts = [first_of.setdefault(key, index) for index, key in enumerate(keys)]
    return [DuplicatePair(first, index, EQUAL) for index, first in enumerate(firsts) if first != index]


def _near_duplicates(keys: Sequence[str], indices: Ints, similarities: AnyFloats) -> list[DuplicatePair]:
    """Return the pairs of texts that are alike and not equal, of those that are neighbours."""
    alike: dict[tuple[int, int], float] = {}
    for row, column in np.argwhere(similarities >= NEAR_DUPLICATE_SIMILARITY).tolist():
        other = int(indices[row, column])
        if keys[row] != keys[other]:
            alike[min(row, other), max(row, other)] = float(similarities[row, column])
    return [DuplicatePair(*pair, similarity) for pair, similarity in sorted(alike.items())]


def _nearest_neighbours(features: AnyFloats) -> tuple[Ints, AnyFloats]:
    """Return each text's nearest texts without itself, and their cosines, nearest first; shapes (N, k), k at most 10.

    Compared in chunks: memory grows with N, not with its square.
    """
    count = len(features)
    k = min(NEIGHBOURS, count - 1)
    if k < 1:
        return np.zeros((count, 0), np.int64), np.zeros((count, 0))
    from sklearn.neighbors import NearestNeighbors

    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    unit = (features / np.maximum(lengths, np.finfo(np.float32).tiny)).astype(np.float32)
    distances, indices = NearestNeighbors(n_neighbors=k + 1, algorithm="brute").fit(unit).kneighbors(unit)
    # A text is not always its own first neighbour: equal ones are as near. Where it is not found at all, the last goes.
    is_self = indices == np.arange(count)[:, None]
    is_self[~is_self.any(axis=1), -1] = True
    similarities = np.clip(1.0 - distances.astype(np.float64) ** 2 / 2.0, -1.0, 1.0)
    return indices[~is_self].reshape(count, k).astype(np.int64), similarities[~is_self].reshape(count, k)


def _outliers(similarities: AnyFloats) -> Iterator[tuple[int, float]]:
    """Yield the texts that are far from their neighbours, and how many times nearer the median text is, as a share.

    The mean distance to the nearest neighbours (Kuan and Mueller 2022, "Back to the Basics"), and the cut of
    cleanlab's Datalab. Under 20 texts have no outliers.

    Args:
        similarities: of each text to its neighbours, shape (N, k).
    """
    if len(similarities) < FEWEST_ROWS_FOR_OUTLIERS:
        return
    distances = np.maximum(1.0 - similarities.mean(axis=1), 0.0)
    # Texts that were said ten times over say nothing about how far apart the other ones ordinarily are.
    apart = distances[distances > SAME]
    if len(apart):
        quality = np.minimum(np.median(apart) / np.maximum(distances, SAME), 1.0)
        yield from ((int(i), float(quality[i])) for i in np.flatnonzero(quality < OUTLIER_QUALITY))


def _contradictions(rows: Sequence[AnnotatedRow], pairs: Sequence[DuplicatePair]) -> dict[int, int]:
    """Return per row, by index, a row with the same text and another answer: an equal text before a like one."""
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

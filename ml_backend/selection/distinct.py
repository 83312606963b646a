"""Pass over near duplicates: a batch holds no two, and none of a text that is labeled."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from ..arrays import Floats2d
from ..snapshots.leakage import shingles

__all__ = ["DistinctTexts"]

JACCARD = 0.75
"""The least share of common words and pairs of words of near duplicates, see `leakage`. It is a bit below the leak
guard's threshold, so that a word more at the end of a short text does not make another text of it."""
LIKENESS = 0.95
"""The least cosine of the vectors of near duplicates, which finds typing errors and other forms of the same words. Its
scale has 0 at the mean over all pairs of texts, since some base models give all texts nearly the same vector."""


class DistinctTexts:
    """The texts that a batch holds so far.

    Args:
        text_of: returns the text at a position of the pool.
        features: of the pool's texts, of length 1, shape (N, D).
        labeled: of the labeled texts, of length 1, shape (M, D).
        labeled_texts: may be empty where the vectors are enough.
    """

    def __init__(
        self,
        text_of: Callable[[int], str],
        features: Floats2d,
        labeled: Floats2d,
        labeled_texts: Iterable[str] = (),
    ) -> None:
        self._text_of, self._features = text_of, features
        mean = float((features.mean(axis=0) ** 2).sum()) if len(features) else 0.0
        self._nearest_cosine = mean + LIKENESS * (1 - mean)
        self._vectors = [labeled]
        self._sizes: list[int] = []
        self._holders: defaultdict[str, list[int]] = defaultdict(list)
        for text in labeled_texts:
            self._remember(shingles(text))

    def take(self, positions: Sequence[int], count: int) -> Iterator[int]:
        """Yield up to so many of the positions, in order, without near duplicates of what is held."""
        for position in positions:
            if count <= 0:
                return
            if self._add(position):
                count -= 1
                yield position

    def _add(self, position: int) -> bool:
        vector = self._features[position]
        if any(len(each) and float((each @ vector).max()) >= self._nearest_cosine for each in self._vectors):
            return False
        pieces = shingles(self._text_of(position))
        if self._is_repeated(pieces):
            return False
        self._remember(pieces)
        self._vectors[1:] = [np.vstack([*self._vectors[1:], vector[None]])]
        return True

    def _is_repeated(self, pieces: frozenset[str]) -> bool:
        shared: defaultdict[int, int] = defaultdict(int)
        for piece in pieces:
            for holder in self._holders.get(piece, ()):
                shared[holder] += 1
        return any(
            common >= JACCARD * (len(pieces) + self._sizes[holder] - common) for holder, common in shared.items()
        )

    def _remember(self, pieces: frozenset[str]) -> None:
        number = len(self._sizes)
        self._sizes.append(len(pieces))
        for piece in pieces:
            self._holders[piece].append(number)

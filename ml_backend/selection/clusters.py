"""Groups of texts that resemble each other, in bounded memory however many texts there are."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..arrays import Floats, Floats2d, Ints
from ..words import words

__all__ = ["Clusters", "nearest"]

FITTED_ROWS = 20_000
"""Texts that the centres are found on, drawn at random; all others join the nearest centre."""
ROWS_AT_ONCE = 4096
ROUNDS = 20
MOST_WORDS = 3


@dataclass(frozen=True, slots=True, eq=False)
class Clusters:
    """Texts by their nearest centre.

    Attributes:
        centres: shape (C, D).
        members: the cluster of each text, shape (N,).
        closeness: its likeness to the centre, the more the nearer, shape (N,).
    """

    centres: Floats2d
    members: Ints
    closeness: Floats

    @classmethod
    def of(cls, features: Floats2d, count: int, rng: np.random.Generator, weights: Floats | None = None) -> "Clusters":
        """Find clusters by k-means in small batches (Sculley 2010; scikit-learn's `MiniBatchKMeans`).

        Args:
            features: shape (N, D), N at least 1.
            count: of clusters, at most N.
            weights: of the texts, shape (N,).
        """
        from sklearn.cluster import MiniBatchKMeans
        from threadpoolctl import threadpool_limits

        rows = np.arange(len(features))
        if len(rows) > max(FITTED_ROWS, 2 * count):
            rows = np.sort(rng.choice(rows, max(FITTED_ROWS, 2 * count), replace=False))
        count = min(count, len(rows))
        model = MiniBatchKMeans(
            count, random_state=int(rng.integers(2**31)), n_init=1, batch_size=2048, max_iter=ROUNDS
        )
        with threadpool_limits(1):
            model.fit(features[rows], sample_weight=None if weights is None else weights[rows])
        centres = np.asarray(model.cluster_centers_, dtype=np.float32)
        members, closeness = nearest(features, centres)
        return cls(centres, members, closeness)

    def middles(self) -> Ints:
        """The text nearest to each centre, by cluster; -1 for a cluster without texts; shape (C,)."""
        middles = np.full(len(self.centres), -1, dtype=np.int64)
        order = np.argsort(self.closeness, kind="stable")
        middles[self.members[order]] = order  # of several, the last one stays
        return middles

    def telling_words(self, texts: Sequence[str], others: Sequence[str] = ()) -> dict[int, tuple[str, ...]]:
        """Return the words by which each cluster differs most from all other texts, by cluster.

        Words are ranked by the log-odds of occurring in a text, divided by its standard error (Monroe et al. 2008, with
        half an occurrence added everywhere). Words of one or two ASCII letters do not count.

        Args:
            texts: the clustered ones, N of them.
            others: further texts that the clusters are to differ from; a single cluster differs from nothing else.
        """
        members = self.members.tolist()
        inside: dict[int, Counter[str]] = {number: Counter() for number in sorted(set(members))}
        for text, number in zip(texts, members, strict=True):
            inside[number].update(_telling(text))
        every = Counter(word for text in others for word in _telling(text))
        for counter in inside.values():
            every.update(counter)
        sizes = Counter(members)
        names: dict[int, tuple[str, ...]] = {}
        for number, counter in inside.items():
            own = np.array(list(counter.values()), dtype=np.float64)
            other = np.array([every[word] for word in counter]) - own
            counts = np.stack([own, sizes[number] - own, other, len(texts) + len(others) - sizes[number] - other]) + 0.5
            evidence = (np.log(counts[0] / counts[1]) - np.log(counts[2] / counts[3])) / np.sqrt(
                (1 / counts).sum(axis=0)
            )
            order = sorted(zip(-evidence, counter, strict=True))
            names[number] = tuple(word for _, word in order[:MOST_WORDS])
        return names


def _telling(text: str) -> set[str]:
    return {word for word in words(text) if len(word) > 2 or not word.isascii()}


def nearest(features: Floats2d, centres: Floats2d) -> tuple[Ints, Floats]:
    """Return per row of features the nearest centre, shape (N,), and its likeness: the more the nearer."""
    members = np.zeros(len(features), dtype=np.int64)
    closeness = np.zeros(len(features))
    lengths = (centres**2).sum(axis=1)
    for start in range(0, len(features), ROWS_AT_ONCE):
        part = slice(start, start + ROWS_AT_ONCE)
        likeness = 2 * (features[part] @ centres.T) - lengths
        members[part] = likeness.argmax(axis=1)
        closeness[part] = likeness.max(axis=1)
    return members, closeness

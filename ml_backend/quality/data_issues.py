"""What may be wrong with texts, whatever their label: nothing in them, said already, unlike all others."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..arrays import AnyFloats, Bools, Floats, Ints

__all__ = [
    "FEWEST_ROWS_FOR_OUTLIERS",
    "NEAR_DUPLICATE_SIMILARITY",
    "Neighbours",
    "Outliers",
    "Repeat",
    "is_empty",
    "nearest_neighbours",
    "outliers",
    "repeats",
]


NEIGHBOURS = 10
NEAR_DUPLICATE_SIMILARITY = 0.98
"""Cosine of two texts' features from which one restates the other. On Banking77's 10,003 training texts 809 have such
a neighbour, 3 of them with another label; from .95 on, texts that say the opposite of each other are among them."""
OUTLIER_QUALITY = 1 / 2.7
"""As far beyond the median as the outliers of cleanlab's Datalab; 96 of Banking77's 10,003 training texts are."""
FEWEST_ROWS_FOR_OUTLIERS = 20
SAME = 1e-5
"""Distance that equal features may have from rounding."""


@dataclass(frozen=True, slots=True, eq=False)
class Neighbours:
    """The texts that are most alike to each text, the most similar first, itself left out.

    Attributes:
        indices: shape (N, k), k at most 10.
        similarities: cosines, shape (N, k).
    """

    indices: Ints
    similarities: Floats


@dataclass(frozen=True, slots=True)
class Repeat:
    """Two texts that say the same.

    Attributes:
        first: index of one text.
        second: index of the other, above `first`.
        similarity: 1 where they are equal but for case and white space.
    """

    first: int
    second: int
    similarity: float


@dataclass(frozen=True, slots=True, eq=False)
class Outliers:
    """How ordinary texts are.

    Attributes:
        quality: shape (N,), 0 to 1: how many times nearer to its neighbours the median text is, as a share.
        is_outlier: shape (N,).
    """

    quality: Floats
    is_outlier: Bools


def is_empty(text: str) -> bool:
    """True where there is nothing to see: white space, control and format characters alone."""
    return all(unicodedata.category(character)[0] in "ZC" for character in text)


def nearest_neighbours(features: AnyFloats) -> Neighbours:
    """Each text's neighbours by the cosine of their features, shape (N, D).

    Compared in chunks: memory grows with N, not with its square.
    """
    count = len(features)
    k = min(NEIGHBOURS, count - 1)
    if k < 1:
        return Neighbours(np.zeros((count, 0), np.int64), np.zeros((count, 0)))
    from sklearn.neighbors import NearestNeighbors

    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    unit = (features / np.maximum(lengths, np.finfo(np.float32).tiny)).astype(np.float32)
    distances, indices = NearestNeighbors(n_neighbors=k + 1, algorithm="brute").fit(unit).kneighbors(unit)
    # A text is not always its own first neighbour: equal ones are as near. Where it is not found at all, the last goes.
    is_self = indices == np.arange(count)[:, None]
    is_self[~is_self.any(axis=1), -1] = True
    similarities = np.clip(1.0 - distances.astype(np.float64) ** 2 / 2.0, -1.0, 1.0)
    return Neighbours(indices[~is_self].reshape(count, k).astype(np.int64), similarities[~is_self].reshape(count, k))


def repeats(keys: Sequence[str], neighbours: Neighbours | None) -> list[Repeat]:
    """Pairs of texts that say the same, by their indices.

    Equal texts are paired with the first of them. Of texts that are alike by their features, the ten nearest are
    looked at.

    Args:
        keys: the same for equal texts, such as `text_digest`.
        neighbours: of the same texts; None: equal texts alone are found.
    """
    first_of: dict[str, int] = {}
    found = []
    for index, key in enumerate(keys):
        first = first_of.setdefault(key, index)
        if first != index:
            found.append(Repeat(first, index, 1.0))
    if neighbours is None:
        return found
    alike: dict[tuple[int, int], float] = {}
    for row, column in np.argwhere(neighbours.similarities >= NEAR_DUPLICATE_SIMILARITY).tolist():
        other = int(neighbours.indices[row, column])
        if keys[row] != keys[other]:
            alike[min(row, other), max(row, other)] = float(neighbours.similarities[row, column])
    return found + [Repeat(first, second, similarity) for (first, second), similarity in sorted(alike.items())]


def outliers(neighbours: Neighbours) -> Outliers:
    """Texts that are far from their neighbours, against how far the median text is from its own.

    The mean distance to the nearest neighbours (Kuan and Mueller 2022, "Back to the Basics"), and the cut of
    cleanlab's Datalab. Under 20 texts have no outliers.
    """
    count = len(neighbours.indices)
    if count < FEWEST_ROWS_FOR_OUTLIERS:
        return Outliers(np.ones(count), np.zeros(count, np.bool_))
    distances = np.maximum(1.0 - neighbours.similarities.mean(axis=1), 0.0)
    # Texts that were said ten times over say nothing about how far apart the other ones ordinarily are.
    apart = distances[distances > SAME]
    if not len(apart):
        return Outliers(np.ones(count), np.zeros(count, np.bool_))
    quality = np.minimum(np.median(apart) / np.maximum(distances, SAME), 1.0)
    return Outliers(quality, quality < OUTLIER_QUALITY)

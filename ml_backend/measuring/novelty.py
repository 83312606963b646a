"""A score for texts that fit none of the labels, from what a model's head reads and what it makes of it.

Four signs are added, each on the scale of held-out rows: how far the nearest train row is, the more so where a row of
another label is about as near; how far the ten nearest are, as a ratio to how far theirs are; how much better the text
is explained by all train rows together than by any label; and how low the greatest logit is. The first three tell most
where labels are many and narrow, the last where they are broad, or several may be chosen; then it is the only one. None
needs a text that fits nothing.

Source: Sun et al. 2022, "Out-of-Distribution Detection with Deep Nearest Neighbors" (the nearest train row); Breunig et
al. 2000, "LOF: Identifying Density-Based Local Outliers" (the ratio of distances, here without reachability); Ren et
al. 2021, "A Simple Fix to Mahalanobis Distance for Improving Near-OOD Detection" (the relative Mahalanobis distance);
Ledoit and Wolf 2004, "A well-conditioned estimator for large-dimensional covariance matrices" (for few rows); Hendrycks
et al. 2022, "Scaling Out-of-Distribution Detection for Real-World Settings" (the greatest logit); Vovk, Gammerman and
Shafer 2005, "Algorithmic Learning in a Random World", and Bates et al. 2023, "Testing for outliers with conformal
p-values" (the p-values).
"""

import numpy as np

from ..arrays import AnyFloats, Floats, Floats2d, Ints

__all__ = ["Novelty", "gaps_between"]

RIVAL = 0.4
"""The weight of the nearest row of another label. Anything from .2 to .7 is about as good."""
NEAREST = 10
LEAST_GAP = 1e-3
"""Repeated rows have no gap at all, and nothing would be near to them."""
TEXTS_AT_ONCE = 512


def gaps_between(vectors: Floats2d) -> Floats:
    """How far the ten nearest other rows are from each row, 1 less the mean cosine, shape (N, D) to (N,).

    It takes N^2 products of vectors, so a version computes it once, when it is trained.

    Args:
        vectors: of length 1, at least two.
    """
    count = min(NEAREST, len(vectors) - 1)
    gaps = [np.zeros(0)]
    for start in range(0, len(vectors), TEXTS_AT_ONCE):
        nearness = vectors[start : start + TEXTS_AT_ONCE] @ vectors.T
        nearness[
            np.arange(len(nearness)), np.arange(start, start + len(nearness))
        ] = -np.inf  # a row is not its own neighbour
        gaps.append(1 - np.partition(nearness, -count, axis=1)[:, -count:].mean(axis=1))
    return np.concatenate(gaps)


class Novelty:
    """Scores how little a text is like the train rows: 0 on average for texts that fit a label, higher for others.

    A text is given by its vector, as the head reads it, of length 1, and then its greatest logit, D + 1 numbers.

    Args:
        vectors: of the train rows, shape (N, D), which a version has to keep; D is 0 where the logit alone tells.
        codes: a number for the label of each train row, shape (N,); at least two different ones.
        gaps: of the train rows, see `gaps_between`, shape (N,).
        held_out: rows that the model was not trained on, at least two, shape (V, D + 1); they give the scale.
    """

    def __init__(self, vectors: Floats2d, codes: Ints, gaps: Floats, held_out: Floats2d) -> None:
        self._nearness = _Nearness(vectors, codes, gaps) if vectors.shape[1] else None
        signs = self._signs(held_out)
        self._means, self._spreads = signs.mean(axis=0), np.maximum(signs.std(axis=0), 1e-12)
        self._held_out = self._summed(signs)

    def scores(self, texts: Floats2d) -> Floats:
        """Scores of texts, shape (M, D + 1) to (M,)."""
        return self._summed(self._signs(texts))

    def p_values(self, texts: Floats2d) -> Floats:
        """Per text the share of held-out rows, itself among them, that score as high or higher, (M, D + 1) to (M,).

        They are from 1 / (V + 1) to 1. Of texts like the held-out rows, a share of at most p has one of p or less.
        """
        lower = np.searchsorted(np.sort(self._held_out), self.scores(texts))
        return np.asarray((1 + len(self._held_out) - lower) / (1 + len(self._held_out)), dtype=np.float64)

    def _summed(self, signs: Floats) -> Floats:
        return np.asarray(((signs - self._means) / self._spreads).sum(axis=1), dtype=np.float64)

    def _signs(self, texts: Floats2d) -> Floats:
        """The signs per text, shape (M, 4), or (M, 1) where the logit alone tells."""
        doubts = -texts[:, -1:].astype(np.float64)
        if self._nearness is None:
            return doubts
        return np.concatenate([self._nearness.signs(texts[:, :-1]), doubts], axis=1)


class _Nearness:
    """The three signs that train rows give, by their vectors and labels."""

    def __init__(self, vectors: Floats2d, codes: Ints, gaps: Floats) -> None:
        order = np.argsort(codes, kind="stable")
        self._rows = vectors[order]
        self._gaps = np.maximum(gaps[order], LEAST_GAP)
        _, self._firsts, counts = np.unique(codes[order], return_index=True, return_counts=True)
        means = np.add.reduceat(self._rows, self._firsts, dtype=np.float64) / counts[:, None]
        self._of_label = _Gaussian(means, self._rows - np.repeat(means, counts, axis=0))
        centre = vectors.mean(axis=0, keepdims=True, dtype=np.float64)
        self._of_all = _Gaussian(centre, vectors - centre)

    def signs(self, vectors: Floats2d) -> Floats:
        """The signs per text, shape (M, D) to (M, 3)."""
        signs = [np.zeros((0, 3))]
        count = min(NEAREST, len(self._rows) - 1)
        for start in range(0, len(vectors), TEXTS_AT_ONCE):
            some = vectors[start : start + TEXTS_AT_ONCE]
            nearness = some @ self._rows.T
            nearest = np.maximum.reduceat(nearness, self._firsts, axis=1)
            rival, best = np.partition(nearest, -2, axis=1)[:, -2:].T
            several = np.argpartition(nearness, -count, axis=1)[:, -count:]
            distance = 1 - np.take_along_axis(nearness, several, axis=1).mean(axis=1)
            remoteness = np.log(np.maximum(distance, LEAST_GAP) / self._gaps[several].mean(axis=1))
            relative = self._of_label.distances(some) - self._of_all.distances(some)
            signs.append(np.stack([RIVAL * rival - best, remoteness, relative], axis=1))
        return np.concatenate(signs)


class _Gaussian:
    """Normal distributions around several means with one covariance.

    Args:
        means: shape (K, D).
        deviations: of rows from their mean, shape (N, D).
    """

    def __init__(self, means: Floats, deviations: AnyFloats) -> None:
        from sklearn.covariance import ledoit_wolf

        covariance, _ = ledoit_wolf(deviations, assume_centered=True)
        self._whiten = np.linalg.cholesky(np.linalg.inv(covariance))
        self._means = means @ self._whiten

    def distances(self, vectors: AnyFloats) -> Floats:
        """Squared Mahalanobis distances to the nearest mean, shape (M,)."""
        white = vectors @ self._whiten
        squares = (white**2).sum(axis=1)[:, None] - 2 * white @ self._means.T + (self._means**2).sum(axis=1)
        return np.asarray(squares.min(axis=1), dtype=np.float64)

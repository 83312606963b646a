"""Rows dealt out over folds, each of which is scored by models that were trained without it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...arrays import Ints
from ..loop.meter import ProgressMeter

__all__ = ["Fold", "deal_out", "stratified_folds", "with_rows_beside"]


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """Positions of train rows: the ones to train on, and the ones to score."""

    train: Ints
    scored: Ints

    def work(self, epochs: int, read_share: float = 1.0) -> float:
        """Training passes, in rows, that comparing the methods on it takes with this many epochs of tuning.

        Args:
            read_share: work of reading a row once, as a multiple of the work of reading what is tuned on of it.
        """
        return len(self.train) * epochs + len(self.scored) * read_share * ProgressMeter.FORWARD_SHARE


def stratified_folds(
    indices: Ints, *, folds: int, scored_rows: int, most_rows: int, rng: np.random.Generator
) -> list[Fold]:
    """Folds enough to score about `scored_rows` rows, at most `folds`; no row is scored twice.

    Every class is dealt out over the folds evenly. A class's only row is always trained on, so every fold knows
    every class. Of many rows a fold trains on `most_rows` and scores as many, each class in proportion.
    """
    assigned = deal_out(indices, folds, rng, least=2)
    fold_size = -(-int((assigned >= 0).sum()) // folds)
    dealt = []
    for number in range(min(folds, max(1, scored_rows // max(fold_size, 1)))):
        scored, train = np.flatnonzero(assigned == number), np.flatnonzero(assigned != number)
        if len(scored):
            dealt.append(
                Fold(
                    train=_proportional(train, indices, most_rows, rng),
                    scored=_proportional(scored, indices, most_rows, rng),
                )
            )
    return dealt


def with_rows_beside(folds: Sequence[Fold], first: int, origins: Ints) -> list[Fold]:
    """Return the folds with rows to train on that are never scored, and that follow the scored ones.

    A copy is trained on only where all of what it has parts of is.

    Args:
        first: position of the first of them.
        origins: per row beside, the positions of both rows that it has parts of, or -1, -1 for no copy; shape (B, 2).
    """
    return [
        Fold(
            np.concatenate(
                [fold.train, first + np.flatnonzero(((origins == -1) | np.isin(origins, fold.train)).all(axis=1))]
            ),
            fold.scored,
        )
        for fold in folds
    ]


def deal_out(indices: Ints, folds: int, rng: np.random.Generator, *, least: int = 1) -> Ints:
    """A fold's number from 0 per member, every class dealt out over the folds evenly; -1 for classes under `least`."""
    assigned = np.full(len(indices), -1, dtype=np.int64)
    offset = 0
    for k in np.unique(indices):
        members = rng.permutation(np.flatnonzero(indices == k))
        if len(members) >= least:
            assigned[members] = (offset + np.arange(len(members))) % folds
            offset += len(members)
    return assigned


def _proportional(positions: Ints, indices: Ints, count: int, rng: np.random.Generator) -> Ints:
    """About `count` of the positions, each class in proportion and none left without a row."""
    if count >= len(positions):
        return positions
    shuffled = rng.permutation(positions)
    classes = indices[shuffled]
    # The share of its class that comes before a row, in shuffled order: the lowest shares are kept.
    rank = np.zeros(len(shuffled))
    for k in np.unique(classes):
        members = np.flatnonzero(classes == k)
        rank[members] = np.arange(len(members)) / len(members)
    return np.sort(shuffled[np.argsort(rank, kind="stable")[:count]])

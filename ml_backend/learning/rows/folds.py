"""Logits of rows from models that were trained without them, fold by fold."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from ...arrays import Floats2d, Ints
from ...domain.model import Method
from ..classification.fit import Observer, Workshop
from ..loop.checkpoints import Checkpoints, EpochCheckpoints
from ..loop.deadline import Deadline
from .encoded import EncodedRows

__all__ = ["Fold", "HeldOut", "dealt_out", "out_of_fold", "stratified_folds"]


@dataclass(frozen=True, slots=True, eq=False)
class HeldOut:
    """Rows with the logits of models that were not trained on them.

    Attributes:
        logits: per method, of the encoded rows' units, shape (U, K).
    """

    encoded: EncodedRows
    logits: Mapping[Method, Floats2d]


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """Positions of train rows: those to train on, and those to score."""

    train: Ints
    scored: Ints


def stratified_folds(
    indices: Ints, *, folds: int, scored_rows: int, most_rows: int, rng: np.random.Generator
) -> list[Fold]:
    """Folds enough to score about `scored_rows` rows, at most `folds`; no row is scored twice.

    Every class is dealt out over the folds evenly. A class's only row is always trained on, so every fold knows
    every class. Of many rows a fold trains on `most_rows` and scores as many, each class in proportion.
    """
    assigned = dealt_out(indices, folds, rng, least=2)
    fold_size = -(-int((assigned >= 0).sum()) // folds)
    made = []
    for number in range(min(folds, max(1, scored_rows // max(fold_size, 1)))):
        scored, train = np.flatnonzero(assigned == number), np.flatnonzero(assigned != number)
        if len(scored):
            made.append(
                Fold(
                    train=_proportional(train, indices, most_rows, rng),
                    scored=_proportional(scored, indices, most_rows, rng),
                )
            )
    return made


def dealt_out(indices: Ints, folds: int, rng: np.random.Generator, *, least: int = 1) -> Ints:
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


def out_of_fold(
    workshop: Workshop,
    encoded: EncodedRows,
    features: Floats2d,
    folds: Sequence[Fold],
    *,
    tuned: Method | None,
    observer: Callable[[int], Observer],
    checkpoints: Checkpoints,
    on_fold: Callable[[Fold, bool], None],
    deadline: Deadline | None = None,
) -> HeldOut:
    """Logits of train rows from models that were trained without them, fold after fold.

    Args:
        features: of the encoded rows' units, from the frozen encoder.
        tuned: the method that is tried beside the regression; None: the regression alone.
        observer: of tuning in the fold with this number, from 1.
        checkpoints: where every fold's logits are kept.
        on_fold: told of every fold that is finished, with True where an earlier attempt did that.
        deadline: of tuning in all of them together.
    """
    methods = [Method.REGRESSION, *([tuned] if tuned else [])]
    empty = np.zeros((0, workshop.objective.decoder.columns), dtype=np.float32)
    logits: dict[Method, list[Floats2d]] = {method: [empty] for method in methods}
    for number, fold in enumerate(folds, start=1):
        name = f"fold-{number}"
        scored, is_known = checkpoints.arrays(
            name,
            partial(
                _scored,
                workshop,
                encoded,
                features,
                fold,
                tuned=tuned,
                observer=observer(number),
                epochs=checkpoints.epochs(name),
                deadline=deadline and deadline.part(1 / (len(folds) - number + 1)),
            ),
        )
        on_fold(fold, is_known)
        checkpoints.epochs(name).clear()
        for method in methods:
            logits[method].append(scored[method])
    positions = np.concatenate([np.zeros(0, dtype=np.int64), *(fold.scored for fold in folds)])
    return HeldOut(encoded.take(positions), {method: np.concatenate(parts) for method, parts in logits.items()})


def _scored(
    workshop: Workshop,
    encoded: EncodedRows,
    features: Floats2d,
    fold: Fold,
    *,
    tuned: Method | None,
    observer: Observer,
    epochs: EpochCheckpoints,
    deadline: Deadline | None,
) -> dict[str, Floats2d]:
    """Logits of a fold's scored rows, by method."""
    part, part_features = encoded.take(fold.train), features[encoded.reading.units_of(fold.train)]
    head = workshop.regression(part, part_features)
    scored = encoded.reading.units_of(fold.scored)
    logits: dict[str, Floats2d] = {Method.REGRESSION: head.logits(features[scored])}
    if tuned:
        first = workshop.first_head(part, part_features, head)
        with workshop.tuned(tuned, part, first, observer=observer, checkpoints=epochs, deadline=deadline) as (model, _):
            logits[tuned] = model.logits(encoded.reading.take(fold.scored))
    return logits

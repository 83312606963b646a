"""Answers of regressions that learned from ever fewer of the same rows: what a learning curve is drawn through."""

from collections.abc import Sequence

import numpy as np

from ...arrays import Floats2d
from ...domain.example import Target
from ..rows.encoded import EncodedRows
from ..rows.folds import Fold
from .trainer import Trainer

__all__ = ["nested_answers"]


def nested_answers(
    trainer: Trainer,
    encoded: EncodedRows,
    features: Floats2d,
    folds: Sequence[Fold],
    sizes: Sequence[int],
    *,
    rows: int,
    seed: int | None,
) -> list[list[Target | None]]:
    """Return the answers to the rows, per size, by regressions that learned from that many others.

    In each fold the train rows are put in a random order, and a model of size m learns from the first m of them, so
    that the subsets are nested: the curve's noise is that of one labeling project and not of as many as it has points.

    Args:
        encoded: the rows, then the descriptions of labels, which every model learns from as well.
        features: of the encoded rows' pieces, from the frozen encoder.
        sizes: numbers of train rows, each at most those of the smallest fold.
        rows: how many rows there are before the descriptions.
        seed: of the order; None: the one that the folds have their train rows in.

    Returns:
        A list per size with an answer per row; None where no fold scores the row, or nothing can be learned yet.
    """
    objective, tokenised = trainer.objective, encoded.tokenised
    answers: list[list[Target | None]] = [[None] * rows for _ in sizes]
    for number, fold in enumerate(folds):
        order = fold.train[fold.train < rows]
        if seed is not None:
            order = np.random.default_rng([seed, number]).permutation(order)
        described = fold.train[fold.train >= rows]
        scored, scored_features = tokenised.take(fold.scored), features[tokenised.pieces_of(fold.scored)]
        for place, size in enumerate(sizes):
            chosen = np.concatenate([np.sort(order[:size]), described])
            part = encoded.take(chosen)
            if objective.why_unusable(part.rows.targets) is not None:
                continue
            head = trainer.regression(part, features[tokenised.pieces_of(chosen)])
            logits = objective.decoder.logits(head, scored_features, scored)
            for row, answer in zip(fold.scored.tolist(), objective.decoder.answers(logits, scored), strict=True):
                answers[place][row] = answer.target
    return answers

"""Whether rows that label sources propose make a model better, by a cheap comparison on rows that people labeled."""

from dataclasses import dataclass, replace

import numpy as np

from ...arrays import Floats2d, Ints
from ...models.graphs.store import GraphStore
from ...models.text.torch_encoder import TextEncoder
from ..objectives.base import MOST_PIECES, Objective
from ..rows.data import TrainingData
from ..rows.folds import Fold, stratified_folds, with_rows_beside
from .choice import difference_interval
from .frozen import frozen_encoder
from .head_rows import HeadRows
from .settings import TrainingSettings
from .trainer import Trainer

__all__ = ["compare_weak_rows", "limited_weak_rows"]

MOST_WEAK_ROWS = 10_000
WEAK_PIECES = MOST_PIECES // 4
"""The most pieces of texts of weak rows: what people labeled needs the memory more."""


@dataclass(frozen=True, slots=True)
class WeakComparison:
    """A regression on frozen features with and without the weak rows.

    Attributes:
        metric: what the scores are.
        with_weak: F1 with them, on rows that neither was trained on; `without_weak` is the one without them.
        is_worse: the middle half of the bootstrapped differences says that the regression is worse with them;
            `is_better` that it is better.
        scored: how many rows these are.
        where: which ones, in words.
    """

    metric: str
    with_weak: float
    without_weak: float
    is_worse: bool
    is_better: bool
    scored: int
    where: str

    @property
    def sentence(self) -> str:
        """Both figures, as a phrase."""
        found = (
            f"{self.metric} of a regression with them {self.with_weak:.4f}, without them {self.without_weak:.4f}, "
            f"on {self.scored} {self.where}"
        )
        is_open = self.with_weak < self.without_weak and not self.is_worse
        return f"{found}, too few to say that it is worse with them" if is_open else found


def limited_weak_rows(encoder: TextEncoder, data: TrainingData, *, seed: int) -> TrainingData:
    """Return the data with as many of the weak rows, drawn at random, as fit beside the rows that people labeled."""
    if not len(data.weak):
        return data
    objective, rng = Objective.of(data.head, data.labels), np.random.default_rng(seed)
    objective.prepare(encoder, data.leading)
    chosen = np.sort(rng.permutation(len(data.weak))[:MOST_WEAK_ROWS])
    chosen = chosen[objective.encode(encoder, data.weak.take(chosen)).sample(WEAK_PIECES, rng)]
    texts = tuple(data.weak_row_texts[i] for i in chosen.tolist())
    return replace(data, weak=data.weak.take(chosen), weak_row_texts=texts, weak_origins=data.origins[chosen])


def compare_weak_rows(
    encoder: TextEncoder, data: TrainingData, settings: TrainingSettings, graphs: GraphStore | None = None
) -> WeakComparison | None:
    """Compare a regression that learns from the weak rows with one that does not; None where that cannot be told.

    No row can be scored then, or people's rows alone cannot be learned from.

    Few rows hardly tell the two apart. The weak rows then help more often than they harm: see docs/sources.md.

    They are compared on the validation rows where there are enough (`least_validation_rows`), else on folds of the
    train rows. The weak rows are in the train part of every fold, and none is scored.

    Args:
        encoder: of the frozen base model.
        data: with weak rows, none of which nearly repeats a row that people labeled.
        graphs: with it, features are computed by the base model's graph where that is faster.
    """
    objective = Objective.of(data.head, data.labels)
    if not len(data.train) or objective.why_unusable(data.train.targets):
        return None
    objective.prepare(encoder, data.train)
    trainer = Trainer.for_rows(encoder, objective, settings, len(data.learned(settings.description_weight)))
    rows = HeadRows(data, trainer)
    sampled, is_validated = rows.sampled, len(rows.validation) >= settings.least_validation_rows
    everything = np.arange(len(sampled))
    if is_validated:
        scored, where = rows.validation, "validation rows"
        folds = [Fold(everything, np.arange(len(scored)))]
    else:
        scored, where = sampled, "train rows held out in turn"
        folds = _folds(objective.strata(rows.targets), rows.origins, settings)
    if not folds:
        return None
    with frozen_encoder(encoder, graphs, sampled.tokenised) as fast:
        features = fast.vectors(sampled.tokenised)
        scored_features = fast.vectors(scored.tokenised) if is_validated else features
    positions = np.concatenate([fold.scored for fold in folds])

    def logits_of(most: int) -> Floats2d:
        """Logits of the scored rows, from regressions that learn from the rows before this position alone."""
        logits = []
        for fold in folds:
            learned = fold.train[fold.train < most]
            head = trainer.regression(sampled.take(learned), features[sampled.tokenised.pieces_of(learned)])
            own_features, own = (
                scored_features[scored.tokenised.pieces_of(fold.scored)],
                scored.tokenised.take(fold.scored),
            )
            logits.append(objective.decoder.logits(head, own_features, own))
        return np.concatenate(logits)

    held_out = scored.take(positions)
    without_weak, with_weak = logits_of(len(rows.certain)), logits_of(len(sampled))
    low, high = difference_interval(objective, held_out, without_weak, with_weak, seed=settings.seed)
    scores = {
        name: objective.measure.score(objective.evaluation(logits, held_out))
        for name, logits in (("with_weak", with_weak), ("without_weak", without_weak))
    }
    return WeakComparison(
        objective.measure.metric, **scores, is_worse=high < 0, is_better=low > 0, scored=len(positions), where=where
    )


def _folds(strata: Ints, origins: Ints, settings: TrainingSettings) -> list[Fold]:
    """Return folds that score every row but a class's only one; they train on what lies beside the rows too."""
    folds = stratified_folds(
        strata,
        folds=settings.folds,
        scored_rows=len(strata) + settings.folds,
        most_rows=settings.fold_most_rows,
        rng=np.random.default_rng(settings.seed),
    )
    return with_rows_beside(folds, len(strata), origins)

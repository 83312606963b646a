"""Reviewed rows of one control as regressions on frozen features learn them, and how well these do."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ...arrays import Bools, Floats, Ints
from ...domain.example import Row, Target
from ...domain.model import Method
from ...domain.progress import Progress, ProgressCallback
from ...domain.snapshot import Split
from ...learning.classification.frozen import frozen_encoder
from ...learning.classification.nested import nested_answers
from ...learning.classification.settings import TrainingSettings
from ...learning.classification.trainer import Trainer
from ...learning.objectives.base import Objective
from ...learning.rows.folds import Fold
from ...measuring.learning_curve import resampled_scores
from ...models.graphs.store import GraphStore
from ...models.text.torch_encoder import TextEncoder
from ...quality.reviewed_texts import ReviewedTexts
from ...tasks import ServedControl
from ..services import Services

__all__ = ["FrozenRows", "SplitRow"]

MOST_UNITS = 40_000
"""Texts, or words where words are labeled: with more, regressions take minutes, and rows are drawn at random."""
ITERATIONS = 100
"""Short of the solver's end, and close enough for a curve."""

SplitRow = tuple[Row, Split]


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """Scores of some models, and on resamples of the scored rows.

    Attributes:
        values: shape (S,).
        resampled: shape (B, S).
    """

    values: Floats
    resampled: Floats

    def intervals(self) -> list[list[float]]:
        """Return the lower end of the 95% interval, the score and the upper end, per model."""
        low, high = np.quantile(self.resampled, [0.025, 0.975], axis=0)
        return [[round(float(each), 4) for each in triple] for triple in zip(low, self.values, high, strict=True)]


class FrozenRows:
    """The rows that answer a control, embedded once.

    Attributes:
        served: the control.
        rows: as many as can be learned from at once, in the order given.
        left_out: how many were not drawn.
    """

    def __init__(
        self,
        served: ServedControl,
        rows: Sequence[SplitRow],
        encoder: TextEncoder,
        *,
        graphs: GraphStore | None,
        seed: int,
        report: ProgressCallback,
    ) -> None:
        self.served, self._seed = served, seed
        whole = ReviewedTexts.of([row for row, _ in rows], served)
        usable = np.flatnonzero(whole.is_usable)
        objective = Objective.of(whole.head, whole.labels)
        reviewed = whole.take(usable)
        objective.prepare(encoder, reviewed.learned(objective))
        units = objective.encode(encoder, reviewed.learned(objective)).tokenised.units
        most = len(usable) if units <= MOST_UNITS else max(int(len(usable) * MOST_UNITS / units), 1)
        kept = np.sort(np.random.default_rng(seed).permutation(len(usable))[:most])
        self.left_out = len(usable) - most
        self._reviewed, self.rows = reviewed.take(kept), [rows[i] for i in usable[kept].tolist()]
        self._encoded = objective.encode(encoder, self._reviewed.learned(objective))
        report(Progress(0.0, "embedding", f"{len(self.rows)} texts"))
        with frozen_encoder(encoder, graphs, self._encoded.tokenised) as frozen:
            self._features = frozen.vectors(self._encoded.tokenised)
        settings = TrainingSettings(method=Method.REGRESSION, seed=seed, regression_max_iterations=ITERATIONS)
        self._trainer = Trainer.for_rows(encoder, objective, settings, len(self._encoded))
        objective.settle_pooling(self._features, self._encoded, c=self._trainer.hyperparameters.regression_c, seed=seed)

    @classmethod
    def of(
        cls,
        services: Services,
        served: ServedControl,
        rows: Sequence[SplitRow],
        encoder: TextEncoder,
        report: ProgressCallback,
    ) -> "FrozenRows":
        """Return those of these rows that answer the control, embedded by the settings.

        Raises:
            ValueError: nothing can be learned from them.
        """
        options = services.options
        graphs = GraphStore(options.graphs_folder) if options.serving.exports_graphs else None
        answered = [(row, split) for row, split in rows if served.name in row.targets]
        return cls(served, answered, encoder, graphs=graphs, seed=options.seed, report=report)

    @cached_property
    def is_held_out(self) -> Bools:
        """Return which rows are in validation or test, shape (N,)."""
        return np.array([split.is_held_out for _, split in self.rows], dtype=np.bool_)

    @property
    def metric(self) -> str:
        """The name of what is scored."""
        return self._trainer.objective.measure.metric

    @property
    def label_count(self) -> int:
        """The number of labels that rows have."""
        return len({label for target in self.targets for label in self.served.kind.labels_in(target or ())})

    @property
    def targets(self) -> Sequence[Target | None]:
        """The answers that people gave, per row."""
        return self._reviewed.targets

    def folds(self, count: int) -> list[Fold]:
        """Return folds over all rows, by which each is answered once; texts that normalise alike are in the same one.

        Rows are dealt out by chance alone: with each label's rows spread evenly, every model would know all labels in
        their right shares, which the first labels of a project do not offer.
        """
        groups = self._reviewed.groups()
        numbers = np.random.default_rng(self._seed).permutation(int(groups.max(initial=-1)) + 1)[groups] % count
        return [self.fold(np.flatnonzero(numbers != k), np.flatnonzero(numbers == k)) for k in np.unique(numbers)]

    def fold(self, train: Ints, scored: Ints) -> Fold:
        """Return a fold that learns from these rows, in this order, and answers those."""
        return Fold(train=np.concatenate([train, np.arange(len(self.rows), len(self._encoded))]), scored=scored)

    def answers(
        self, folds: Sequence[Fold], sizes: Sequence[int], *, in_order: bool = False
    ) -> list[list[Target | None]]:
        """Return the answers to all rows by regressions on so many train rows each; see `nested_answers`.

        Args:
            in_order: train rows are learned in the order that the folds have them in; else in a random one.
        """
        return nested_answers(
            self._trainer,
            self._encoded,
            self._features,
            folds,
            sizes,
            rows=len(self.rows),
            seed=None if in_order else self._seed,
        )

    def scores(self, answers: Sequence[Sequence[Target | None]], scored: Ints) -> Scores:
        """Return how good answers are on some of the rows, an entry per model.

        Args:
            answers: a list per model with an answer per row.
        """
        true = [self.targets[i] for i in scored]
        measure = self._trainer.objective.measure
        chosen = [[each[i] for i in scored] for each in answers]
        return Scores(*resampled_scores([measure.compare(true, each, each) for each in chosen], seed=self._seed))

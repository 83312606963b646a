"""Scores of training settings on rows that the models were not trained on, for a search through settings."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...arrays import Floats2d
from ...domain.example import Target
from ...domain.model import Method
from ...domain.ports import Run
from ...domain.progress import ProgressCallback
from ...errors import TrainingError
from ...measuring.measures.base import PairedStatistics
from ...models.graphs.store import GraphStore
from ...models.text.torch_encoder import TextEncoder
from ..loop.checkpoints import Checkpoints
from ..loop.meter import ProgressMeter
from ..loop.observer import EpochResult, Step, TrainingObserver
from ..objectives.base import Objective
from ..rows.data import TrainingData
from .cross_validation import HeldOut
from .frozen import frozen_encoder
from .head_rows import HeadRows
from .plan import Plan
from .settings import TrainingSettings
from .trainer import Trainer

__all__ = ["SettingsScorer"]

OnScore = Callable[[float, float], None]
"""Called with the share of a training that is done, and the score so far; what it raises ends the training."""


class SettingsScorer:
    """Trains a control's model with various settings and scores each on the same rows, never on test.

    They are the validation rows where there are enough (`least_validation_rows`), else train rows that are held out in
    turn: the same rule by which a training chooses its method. Settings that change which rows are read must not vary.

    Args:
        encoder: of the frozen base model, which it is again after every training.
        settings: what is not varied.
        graphs: with it, features are computed by the base model's graph where that is faster.

    Attributes:
        defaults: what the training would take where the settings leave a value open, by name.
        held_out: the rows that are scored; `where` says in words which ones they are.

    Raises:
        TrainingError: no row can be held out.
    """

    def __init__(
        self, encoder: TextEncoder, data: TrainingData, settings: TrainingSettings, graphs: GraphStore | None = None
    ) -> None:
        self.control, self._encoder, self._labels = data.control, encoder, data.labels
        self._objective = objective = Objective.of(data.head, data.labels)
        objective.prepare(encoder, data.train)
        self._count = len(data.learned(settings.description_weight))
        trainer = self._trainer(settings)
        self._rows = rows = HeadRows(data, trainer)
        self.defaults: Mapping[str, Any] = settings.to_json() | asdict(trainer.hyperparameters)
        self._plan = Plan.of(
            objective.strata(rows.targets),
            # The rule by which a training compares methods.
            replace(settings, method=Method.AUTO),
            trainer.hyperparameters,
            beside=rows.origins,
            learned=len(rows.learned),
            validation=len(rows.validation),
            read_share=rows.read_share,
        )
        if self._plan.stops_early:
            self.held_out, self.where = rows.validation, "validation rows"
        elif self._plan.folds:
            scored = np.concatenate([fold.scored for fold in self._plan.folds])
            self.held_out, self.where = rows.sampled.take(scored), "train rows held out in turn"
        else:
            raise TrainingError(
                f"{data.control!r} has {len(rows.validation)} validation rows, and no class two train rows, so nothing "
                "can be held out to score settings on: review more tasks"
            )
        with frozen_encoder(encoder, graphs, rows.sampled.tokenised) as fast:
            self._features = fast.vectors(rows.sampled.tokenised)
            # A tuned model computes other features.
            frozen = rows.validation if self._plan.stops_early and settings.tuned is None else rows.validation.take([])
            self._validation_features = fast.vectors(frozen.tokenised)
        objective.settle_pooling(
            self._features[rows.sampled.tokenised.pieces_of(rows.certain)],
            rows.sampled.take(rows.certain),
            c=trainer.hyperparameters.regression_c,
            seed=settings.seed,
        )

    @property
    def metric(self) -> str:
        """The name of the score."""
        return self._objective.measure.metric

    def answers(
        self, settings: TrainingSettings, *, run: Run, report: ProgressCallback, on_score: OnScore
    ) -> Sequence[Target]:
        """Return the answers to the held-out rows of models that were trained with these settings.

        Args:
            run: records the curves of a training that validation rows judge.
            report: called at every step; what it raises ends the training.
            on_score: called after every epoch that validation rows judge, or after every fold.

        Raises:
            TrainingError: a loss is not finite, or the base model cannot be tuned.
        """
        trainer = self._trainer(settings)
        fit = self._validation_logits if self._plan.stops_early else self._fold_logits
        logits = fit(trainer, run, report, on_score)
        decoder = self._objective.calibrated(logits, self.held_out)
        return [answer.target for answer in decoder.answers(logits, self.held_out.tokenised)]

    def score(self, answers: Sequence[Target]) -> float:
        """Return the score of answers to the held-out rows."""
        measure = self._objective.measure
        return measure.score(measure.evaluate(self.held_out.rows.targets, answers, self._labels))

    def compared(self, first: Sequence[Target], second: Sequence[Target]) -> PairedStatistics:
        """Return two lists of answers to the held-out rows as statistics to resample."""
        return self._objective.measure.compare(self.held_out.rows.targets, first, second)

    def _trainer(self, settings: TrainingSettings) -> Trainer:
        return Trainer.for_rows(self._encoder, self._objective, settings, self._count)

    def _validation_logits(self, trainer: Trainer, run: Run, report: ProgressCallback, on_score: OnScore) -> Floats2d:
        """Logits of the validation rows after the best epoch."""
        rows, method = self._rows, trainer.settings.tuned
        head = trainer.regression(rows.sampled, self._features)
        if method is None:
            return self._objective.decoder.logits(head, self._validation_features, rows.validation.tokenised)
        plan = self._planned(trainer)
        observer = _ScoreObserver(
            ProgressMeter(report, plan.work - plan.embedding_work),
            "trial",
            rows_per_epoch=len(rows.learned),
            passes=trainer.hyperparameters.passes,
            run=run,
            on_score=on_score,
            epochs=trainer.hyperparameters.epochs,
        )
        with trainer.tuned(
            method,
            trainer.trimmed(rows.learned, self._features, head),
            trainer.first_head(rows.sampled, self._features, head),
            validation=rows.validation,
            observer=observer,
        ) as (model, _):
            return model.logits_of(rows.validation)

    def _fold_logits(self, trainer: Trainer, _run: Run, report: ProgressCallback, on_score: OnScore) -> Floats2d:
        """Logits of the rows of the folds, each from a model that was trained without them."""
        plan, tuned = self._planned(trainer), trainer.settings.tuned
        method = tuned or Method.REGRESSION
        meter = ProgressMeter(report, plan.folds_work)

        def observer(number: int) -> TrainingObserver:
            def describe(step: Step) -> str:
                return f"fold {number} of {len(plan.folds)}, {step}"

            rows = len(plan.folds[number - 1].train)
            passes = trainer.hyperparameters.passes
            return TrainingObserver(meter, "trial", rows_per_epoch=rows, passes=passes, describe=describe)

        def score_so_far(held_out: HeldOut) -> bool:
            evaluation = self._objective.evaluation(held_out.logits[method], held_out.encoded)
            score = self._objective.measure.score(evaluation)
            on_score(len(held_out.encoded) / len(self.held_out), score)
            return False

        # Every trial differs from the others, so nothing is resumed.
        with tempfile.TemporaryDirectory(prefix="labelloop-trial-") as folder:
            held_out = HeldOut.out_of_fold(
                trainer,
                self._rows.sampled,
                self._features,
                plan.folds,
                tuned=tuned,
                observer=observer,
                checkpoints=Checkpoints(Path(folder), {}),
                on_fold=lambda *_: None,
                is_enough=score_so_far,
            )
        return held_out.logits[method]

    def _planned(self, trainer: Trainer) -> Plan:
        hyperparameters = trainer.hyperparameters
        return replace(
            self._plan,
            hyperparameters=hyperparameters,
            fold_epochs=hyperparameters.epochs,
            tuned=trainer.settings.tuned,
        )


class _ScoreObserver(TrainingObserver):
    """Also tells the score after every epoch."""

    def __init__(self, *arguments: Any, on_score: OnScore, epochs: int, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._on_score, self._epochs = on_score, epochs

    def on_epoch(self, result: EpochResult) -> None:
        super().on_epoch(result)
        self._on_score(result.epoch / self._epochs, result.score)

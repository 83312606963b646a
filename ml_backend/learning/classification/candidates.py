"""The models that a training makes for one control's head, and which of them is kept."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np

from ...arrays import Floats2d
from ...domain.model import Method
from ...measuring.calibration import Reliability
from ...measuring.evaluation import Evaluation
from ...models.bundle.head import Head
from ...models.text.pooling import Pooling
from ...models.text.tokenised import TokenisedTexts
from ...models.text.torch_encoder import TextEncoder
from ..figures import curves_figure
from ..loop.checkpoints import EpochCheckpoints
from ..loop.fit import FitResult
from ..loop.meter import ProgressMeter
from ..loop.observer import Step, TrainingObserver
from ..loop.schedule import Deadline
from ..objectives.base import Objective
from ..part import PartContext
from ..rows.data import TrainingData
from ..rows.encoded import EncodedRows
from ..rows.folds import Fold
from .choice import Choice, is_settled
from .cross_validation import HeldOut
from .frozen import frozen_encoder
from .head_rows import HeadRows
from .plan import Plan
from .settings import TrainingSettings
from .trainer import Trainer

__all__ = ["HeadTraining", "TrainedHead"]

TIMED_TEXTS = 256
VALIDATION_CONFIDENCE, FOLDS_CONFIDENCE = 0.5, 0.9
"""With which a regression that is ahead counts as better. Validation rows are scored in any case, and what they leave
open costs folds; of these, each further one costs a training, so it must be as good as certain that it would change
nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class TrainedHead:
    """A trained model.

    Attributes:
        changes: folder with what training changed in the base model; None for the regression.
        validation_logits: of the validation rows' units, shape (U, K).
        checked_logits: of the texts that its bundle is checked with, in full precision.
        trainable_share: parameters that training changed, of all.
    """

    method: Method
    head: Head
    changes: Path | None
    validation_logits: Floats2d
    checked_logits: Floats2d
    trainable_share: float


class HeadTraining:
    """The course of the training of one control's head: features, folds, candidates, and the choice among them.

    Args:
        encoder: of the frozen base model, which it is again after every method.

    Attributes:
        TRAIN: names the train rows among `features`.
        VALIDATION: names the validation rows there, and the metrics on them among `evaluations`.
        CROSS_VALIDATION: names the metrics on the folds.
        settings: as given.
        rows: what is learned from and scored.
        features: of rows by the frozen encoder; there once the best model is.
    """

    TRAIN: ClassVar[str] = "train"
    VALIDATION: ClassVar[str] = "validation"
    CROSS_VALIDATION: ClassVar[str] = "cross_validation"

    def __init__(
        self, encoder: TextEncoder, data: TrainingData, settings: TrainingSettings, context: PartContext
    ) -> None:
        self.objective: Objective = Objective.of(data.head, data.labels)
        self.objective.prepare(encoder, data.leading)
        if not self.objective.is_tuned:
            settings = replace(settings, method=Method.REGRESSION)
        beside = len(data.learned(settings.description_weight)) - len(data.train)
        self.settings, self._context = settings, context
        self._trainer = Trainer.for_rows(encoder, self.objective, settings, len(data.train) + beside, context.replicas)
        self.rows = HeadRows(data, self._trainer)
        self._plan = Plan.of(
            self.objective.strata(self.rows.targets),
            settings,
            self._trainer.hyperparameters,
            beside=self.rows.origins,
            learned=len(self.rows.learned),
            validation=len(data.validation),
            read_share=self.rows.read_share,
        )
        self._meter = ProgressMeter(context.report, self._plan.work)
        self._held_out: HeldOut | None = None
        self.features: Mapping[str, Floats2d] = {}

    def best(self) -> tuple[TrainedHead, Choice]:
        """The model that is kept, and why.

        Raises:
            TrainingError: this base model cannot be tuned, or its loss is not finite.
        """
        method = self.settings.method
        self.features = self._features()
        features = self.features[HeadTraining.TRAIN]
        certain, sampled = self.rows.certain, self.rows.sampled
        self.objective.settle_pooling(
            features[sampled.tokenised.pieces_of(certain)],
            sampled.take(certain),
            c=self._trainer.hyperparameters.regression_c,
            seed=self.settings.seed,
        )
        foregone = self._why_regression() if method is Method.AUTO or not self.objective.is_tuned else ""
        if foregone:
            self._plan = replace(self._plan, tuned=None)
            self._meter.expect(self._plan.work)
        head = self._trainer.regression(self.rows.sampled, features)
        folds_end = self._fit_into_time()
        plan = self._plan
        if plan.first_folds:
            self._held_out = self._cross_validate(features, folds_end)
        candidates = _Candidates(self._trainer, self.rows, features, head)
        if method is not Method.AUTO and plan.tuned:
            return self._tuned(candidates, plan.tuned), Choice(method, {}, f"{method} was asked for")
        regression = candidates.regression(self.features[HeadTraining.VALIDATION])
        if not plan.tuned:
            reason = foregone or "regression was asked for"
            if not foregone and plan.cuts:
                reason = "the budget leaves no time to tune the base model"
            return regression, Choice(Method.REGRESSION, {}, reason)
        if plan.stops_early:
            tuned = self._tuned(candidates, plan.tuned)
            logits = {candidate.method: candidate.validation_logits for candidate in (regression, tuned)}
            choice = self._settled(HeldOut(self.rows.validation, logits), features)
            return (tuned if choice.method is tuned.method else regression), choice
        if self._held_out is None and not self.rows.targets:
            reason = f"{plan.tuned} is kept unseen: nobody has labeled a row to try methods on"
            return self._tuned(candidates, plan.tuned), Choice(plan.tuned, {}, reason)
        if self._held_out is None:
            few = "no class has two rows that people labeled"
            reason = f"regression is kept: {few}, so none can be held out to try {plan.tuned} on"
            return regression, Choice(Method.REGRESSION, {}, reason)
        choice = self._choice(self._held_out, "train rows held out in turn")
        return (self._tuned(candidates, plan.tuned) if choice.method is plan.tuned else regression), choice

    def calibration_rows(self, candidate: TrainedHead) -> tuple[Floats2d, EncodedRows]:
        """Rows to calibrate on, which the model was not trained on, with the logits of their units; may be empty.

        They are the validation rows; with under 30 of them, the rows of the folds, scored by models like it.
        """
        if len(self.rows.validation) >= Reliability.LEAST_ROWS or self._held_out is None:
            return candidate.validation_logits, self.rows.validation
        return self._held_out.logits[candidate.method], self._held_out.encoded

    def evaluations(self, candidate: TrainedHead) -> dict[str, Evaluation]:
        """Metrics of the model on the validation rows, and of models like it on the folds, where there are any."""
        evaluations = {}
        if len(self.rows.validation):
            evaluations[HeadTraining.VALIDATION] = self.objective.evaluation(
                candidate.validation_logits, self.rows.validation
            )
        if self._held_out is not None:
            logits = self._held_out.logits[candidate.method]
            evaluations[HeadTraining.CROSS_VALIDATION] = self.objective.evaluation(logits, self._held_out.encoded)
        return evaluations

    def record_cuts(self) -> list[str]:
        """Record what was left out for want of time, and return it as a warning, with what memory leaves out."""
        cuts, budget_min = ", ".join(self._plan.cuts), self.settings.budget_min
        if budget_min is not None:
            self._context.run.log_tags({"left_out_for_time": cuts or "nothing"})
        warnings = [f"to keep within {budget_min:g} min, the training made do with {cuts}"] if cuts else []
        return warnings + ([self.rows.left_out] if self.rows.left_out else [])

    def _why_regression(self) -> str:
        """Return why nothing is tuned, whatever held-out rows would say; "" where it may be."""
        if not self.objective.is_tuned:
            return "regression is kept: such answers are learned from the base model as it is"
        if self._is_told_by_one_sentence():
            return "regression is kept: one sentence of a long text tells its class, which tuning does not learn"
        if self.rows.targets or self._plan.stops_early or self.objective.tunes_unseen:
            return ""
        return f"regression is kept: nobody has labeled a row to try {self._plan.tuned} on"

    def _is_told_by_one_sentence(self) -> bool:
        """True where that holds for most rows: a model tuned on some sentences of each misreads the others.

        Of 240 rows of 61 sentences, frozen features reach a macro-F1 of .84, and such a model .48.
        """
        tokenised = self.rows.sampled.tokenised
        is_long = np.diff(tokenised.piece_starts) > tokenised.field_count
        return self.objective.pooling is Pooling.STRONGEST and bool(is_long.mean() > 1 / 2)

    def _features(self) -> dict[str, Floats2d]:
        """Features of the rows that the regression learns from and, where it may be kept, of the validation rows."""
        texts = {HeadTraining.TRAIN: self.rows.sampled.tokenised}
        if self.settings.method in (Method.AUTO, Method.REGRESSION):
            texts[HeadTraining.VALIDATION] = self.rows.validation.tokenised
        features, is_known = self._context.checkpoints.arrays("features", partial(self._compute_features, texts))
        if is_known:
            self._meter.skip(self._plan.embedding_work)
        return features

    def _compute_features(self, texts: Mapping[str, TokenisedTexts]) -> dict[str, Floats2d]:
        with frozen_encoder(self._trainer.encoder, self._context.graphs, texts[HeadTraining.TRAIN]) as encoder:
            return {
                name: encoder.vectors(tokenised, on_rows=self._embedding_counter(name, tokenised))
                for name, tokenised in texts.items()
            }

    def _embedding_counter(self, name: str, tokenised: TokenisedTexts) -> Callable[[int], None]:
        rows_per_sequence = tokenised.texts / max(len(tokenised.sequences), 1)
        pieces = "texts" if len(tokenised.sequences) == tokenised.texts else "pieces of texts"
        return self._meter.counter(
            "embedding",
            f"{{rows}} of {len(tokenised.sequences)} {name} {pieces}",
            work=self.rows.read_share * rows_per_sequence * ProgressMeter.FORWARD_SHARE,
        )

    def _fit_into_time(self) -> Deadline | None:
        """Leave out of the plan what the deadline leaves no time for; return the end of the folds."""
        deadline = self._context.deadline
        if deadline is None:
            return None
        row_s = _seconds_per_row(self._trainer.encoder, self.rows.trained, deadline.clock)
        is_asked = self.settings.method is not Method.AUTO
        self._plan = plan = self._plan.within(deadline.left_s, row_s=row_s, is_asked=is_asked)
        self._trainer = replace(self._trainer, hyperparameters=plan.hyperparameters)
        self._meter.expect(plan.work)
        whole_s = plan.tuning_s(row_s)
        return deadline.part(plan.tuning_s(row_s, folds_alone=True) / whole_s if whole_s else 0.0)

    def _settled(self, validation: HeldOut, features: Floats2d) -> Choice:
        """The choice by validation rows, or by folds where the former do not settle it."""
        if not self._plan.folds or self._is_settled(validation, VALIDATION_CONFIDENCE):
            return self._choice(validation, "validation rows")
        self._meter.expect(self._plan.work + self._plan.folds_work)
        self._held_out = self._cross_validate(features, self._context.deadline)
        where = f"train rows held out in turn, since {len(validation.encoded)} validation rows do not settle it"
        return self._choice(self._held_out, where)

    def _choice(self, held_out: HeldOut, where: str) -> Choice:
        return Choice.of(held_out, self.objective, where=where, seed=self.settings.seed)

    def _is_settled(self, held_out: HeldOut, confidence: float) -> bool:
        return is_settled(held_out, self.objective, confidence=confidence, seed=self.settings.seed)

    def _is_enough(self, held_out: HeldOut) -> bool:
        """True where rows of folds calibrate, if they have to, and settle which method is kept, if there are two."""
        scored = len(held_out.encoded)
        if scored < Reliability.LEAST_ROWS and len(self.rows.validation) < Reliability.LEAST_ROWS:
            return False
        return len(held_out.logits) == 1 or self._is_settled(held_out, FOLDS_CONFIDENCE)

    def _cross_validate(self, features: Floats2d, deadline: Deadline | None) -> HeldOut:
        plan = self._plan
        return HeldOut.out_of_fold(
            replace(self._trainer, hyperparameters=plan.fold_hyperparameters),
            self.rows.sampled,
            features,
            plan.folds,
            tuned=plan.tuned,
            observer=self._fold_observer,
            checkpoints=self._context.checkpoints,
            on_fold=self._on_fold,
            is_enough=self._is_enough,
            deadline=deadline,
        )

    def _fold_observer(self, number: int) -> TrainingObserver:
        def describe(step: Step) -> str:
            return f"fold {number} of {len(self._plan.folds)}, {step}"

        return TrainingObserver(
            self._meter,
            "comparing",
            rows_per_epoch=len(self._plan.folds[number - 1].train),
            passes=self._plan.hyperparameters.passes,
            describe=describe,
        )

    def _on_fold(self, fold: Fold, is_known: bool) -> None:
        if is_known:
            self._meter.skip(self._plan.fold_work(fold))

    def _tuned(self, candidates: "_Candidates", method: Method) -> TrainedHead:
        context = self._context
        observer = TrainingObserver(
            self._meter,
            "training",
            rows_per_epoch=len(self.rows.learned),
            passes=self._plan.hyperparameters.passes,
            run=context.run,
        )
        tuned, result = candidates.tuned(
            method,
            context.scratch,
            stops_early=self._plan.stops_early,
            observer=observer,
            checkpoints=context.checkpoints.epochs(method),
            deadline=context.deadline,
        )
        context.run.log_figure(curves_figure(result, score=self.objective.measure.curve), "training_curves.png")
        return tuned


class _Candidates:
    """Makes the regression and a tuned model for the rows of one control.

    Args:
        features: of the rows that the regression learns from, by the frozen encoder.
        head: of the regression on them.
    """

    def __init__(self, trainer: Trainer, rows: HeadRows, features: Floats2d, head: Head) -> None:
        self._trainer, self._rows, self._features, self._head = trainer, rows, features, head
        encoder = trainer.encoder
        self._exact = TextEncoder(encoder.backbone, max_length_tokens=encoder.max_length_tokens, use_bf16=False)

    def regression(self, validation_features: Floats2d) -> TrainedHead:
        """The regression on the features."""
        head, module = self._head, self._trainer.encoder.backbone.module
        share = (head.weight.size + head.bias.size) / sum(parameter.numel() for parameter in module.parameters())
        decoder, rows = self._trainer.objective.decoder, self._rows
        validation = decoder.logits(head, validation_features, rows.validation.tokenised)
        checked = decoder.logits(head, self._exact.vectors(rows.checked), rows.checked)
        return TrainedHead(Method.REGRESSION, head, None, validation, checked, share)

    def tuned(
        self,
        method: Method,
        folder: Path,
        *,
        stops_early: bool,
        observer: TrainingObserver,
        checkpoints: EpochCheckpoints,
        deadline: Deadline | None,
    ) -> tuple[TrainedHead, FitResult]:
        """A model tuned on all rows, its changes of the base model written below a folder.

        Args:
            stops_early: the validation rows pick the epoch.
        """
        rows = self._rows
        with self._trainer.tuned(
            method,
            self._trainer.trimmed(rows.learned, self._features, self._head),
            self._trainer.first_head(rows.sampled, self._features, self._head),
            validation=rows.validation if stops_early else None,
            observer=observer,
            checkpoints=checkpoints,
            deadline=deadline,
        ) as (model, result):
            model.save(folder / method)
            validation = model.logits_of(rows.validation)
            decoder = self._trainer.objective.decoder
            checked = decoder.logits(model.head, self._exact.vectors(rows.checked), rows.checked)
            tuned = TrainedHead(method, model.head, folder / method, validation, checked, model.trainable_share)
            return tuned, result


def _seconds_per_row(encoder: TextEncoder, tokenised: TokenisedTexts, clock: Callable[[], float]) -> float:
    """Time of a training pass over a row, estimated from how long features of a few rows take.

    They are computed twice: batches of a new shape make torch compile, which many rows hardly notice.
    """
    sample = tokenised.take(np.arange(0, tokenised.texts, -(-tokenised.texts // TIMED_TEXTS)))
    encoder.vectors(sample)
    began_s = clock()
    encoder.vectors(sample)
    return (clock() - began_s) / sample.texts / ProgressMeter.FORWARD_SHARE

"""The models that a training makes for one control, and which of them is kept."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...arrays import Floats2d
from ...domain.model import Method
from ...domain.progress import ProgressCallback
from ...measuring.calibration import LEAST_CALIBRATION_ROWS
from ...measuring.evaluation import Evaluation
from ...models.bundle.head import Head
from ...models.graphs.store import GraphStore
from ...models.text.torch_encoder import TextEncoder
from ..loop.checkpoints import Checkpoints
from ..loop.deadline import Deadline
from ..loop.meter import ProgressMeter
from ..objectives.base import Objective
from ..record import Curves
from ..rows.data import TrainingData
from ..rows.encoded import EncodedRows
from ..rows.folds import Fold, HeldOut, out_of_fold
from .budget import fitted, tuning_s
from .fit import Observer, Workshop
from .frozen import frozen_encoder
from .plan import FORWARD_SHARE, Plan, fold_work, make_plan
from .select import Choice, choose
from .settings import TrainingSettings
from .tuned import Step

__all__ = ["CROSS_VALIDATION", "VALIDATION", "Candidate", "Candidates"]

TRAIN, VALIDATION, CROSS_VALIDATION = "train", "validation", "cross_validation"
CHECKED_ROWS = 32
TIMED_ROWS = 256


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A fitted model.

    Attributes:
        changes: folder with what training changed in the base model; None for the regression.
        validation_logits: of the validation encoded rows' units, shape (U, K).
        checked_logits: of the texts that its bundle is checked with, in full precision.
        trainable_share: parameters that training changed, of all.
    """

    method: Method
    head: Head
    changes: Path | None
    validation_logits: Floats2d
    checked_logits: Floats2d
    trainable_share: float


class Candidates:
    """Fits the regression and a tuned model as the plan says, and keeps one.

    Args:
        encoder: of the base model, frozen; it is so again after every method.
        report: told of every step.
        share: fractions of the progress at which the work begins and ends.
        checkpoints: where finished pieces are kept, and those of an earlier attempt are found.
        scratch: folder for what is not in a bundle yet.
        graphs: with it, the base model's graph computes features where that is faster.
        deadline: by which a model is there; what does not fit before it is left out.

    Attributes:
        checked: train texts, spread over all of them, that a bundle is checked with.
        held_out: what the folds gave; None where the plan has none, or before `best`.
        cuts: what was left out for want of time, in phrases.
    """

    def __init__(
        self,
        encoder: TextEncoder,
        objective: Objective,
        data: TrainingData,
        settings: TrainingSettings,
        *,
        report: ProgressCallback,
        share: tuple[float, float],
        curves: Curves,
        checkpoints: Checkpoints,
        scratch: Path,
        graphs: GraphStore | None = None,
        deadline: Deadline | None = None,
    ) -> None:
        self.held_out: HeldOut | None = None
        self.cuts: tuple[str, ...] = ()
        self._graphs, self._deadline = graphs, deadline
        self._exact = TextEncoder(encoder.backbone, max_length_tokens=encoder.max_length_tokens, use_bf16=False)
        objective.prepare(encoder, data.train)
        learned = data.learned(settings.description_weight)
        described = len(learned) - len(data.train)
        self._workshop = Workshop.for_rows(encoder, objective, settings, len(learned))
        self._learned = objective.encode(encoder, learned)
        self._validation = objective.encode(encoder, data.validation)
        rows = objective.sample_for_regression(self._learned, np.random.default_rng(settings.seed))
        self._frozen = self._learned if len(rows) == len(self._learned) else self._learned.take(rows)
        self._plan = make_plan(
            objective.strata(self._frozen.rows.targets[: len(self._frozen) - described]),
            described,
            len(learned),
            len(data.validation),
            settings,
            epochs=self._workshop.hyperparameters.epochs,
        )
        self.checked = self._learned.reading.take(np.arange(0, len(data.train), -(-len(data.train) // CHECKED_ROWS)))
        self.checked_texts = data.train.texts[:: -(-len(data.train) // CHECKED_ROWS)]
        self._objective, self._settings = objective, settings
        self._meter = ProgressMeter(report, self._plan.work, start=share[0], end=share[1])
        self._curves, self._checkpoints, self._scratch = curves, checkpoints, scratch

    def best(self) -> tuple[Candidate, Choice]:
        """The model that is kept, and why.

        Raises:
            TrainingError: this base model cannot be tuned, or its loss is not finite.
        """
        method = self._settings.method
        embedded = self._features()
        features = embedded[TRAIN]
        head = self._workshop.regression(self._frozen, features)
        plan, folds_end = self._fit_into_time()
        if plan.folds:
            self.held_out = out_of_fold(
                replace(
                    self._workshop, hyperparameters=replace(self._workshop.hyperparameters, epochs=plan.fold_epochs)
                ),
                self._frozen,
                features,
                plan.folds,
                tuned=plan.tuned,
                observer=self._fold_observer,
                checkpoints=self._checkpoints,
                on_fold=self._count_fold,
                deadline=folds_end,
            )
        if method is not Method.AUTO and plan.tuned:
            return self._tuned(plan.tuned, features, head), Choice(method, {}, f"{method} was asked for")
        regression = self._regression(head, embedded[VALIDATION])
        if not plan.tuned:
            said = "the budget leaves no time to tune the base model" if self.cuts else "regression was asked for"
            return regression, Choice(Method.REGRESSION, {}, said)
        if plan.stops_early:
            tuned = self._tuned(plan.tuned, features, head)
            logits = {candidate.method: candidate.validation_logits for candidate in (regression, tuned)}
            choice = choose(HeldOut(self._validation, logits), self._objective, where="validation rows")
            return (tuned if choice.method is tuned.method else regression), choice
        if self.held_out is None:
            reason = f"regression is kept: no class has two rows, so none can be held out to try {plan.tuned} on"
            return regression, Choice(Method.REGRESSION, {}, reason)
        choice = choose(self.held_out, self._objective, where="train rows held out in turn")
        return (self._tuned(plan.tuned, features, head) if choice.method is plan.tuned else regression), choice

    def calibration_rows(self, candidate: Candidate) -> tuple[Floats2d, EncodedRows]:
        """Rows to calibrate on, which the model was not trained on, with the logits of their units; may be empty.

        They are the validation rows; with under 30 of them, those of the folds, scored by models like it.
        """
        if len(self._validation) >= LEAST_CALIBRATION_ROWS or self.held_out is None:
            return candidate.validation_logits, self._validation
        return self.held_out.logits[candidate.method], self.held_out.encoded

    def evaluations(self, candidate: Candidate) -> dict[str, Evaluation]:
        """Metrics of the model on the validation rows, and of models like it on the folds, where there are any."""
        found = {}
        if len(self._validation):
            found[VALIDATION] = self._objective.evaluation(candidate.validation_logits, self._validation)
        if self.held_out is not None:
            logits = self.held_out.logits[candidate.method]
            found[CROSS_VALIDATION] = self._objective.evaluation(logits, self.held_out.encoded)
        return found

    def _regression(self, head: Head, validation_features: Floats2d) -> Candidate:
        validation = head.logits(validation_features)
        checked = head.logits(self._exact.vectors(self.checked))
        share = (head.weight.size + head.bias.size) / self._parameters()
        return Candidate(Method.REGRESSION, head, None, validation, checked, share)

    def _tuned(self, method: Method, features: Floats2d, regression: Head) -> Candidate:
        with self._workshop.tuned(
            method,
            self._learned,
            self._workshop.first_head(self._frozen, features, regression),
            observer=self._observer(),
            validation=self._validation if self._plan.stops_early else None,
            checkpoints=self._checkpoints.epochs(method),
            deadline=self._deadline,
        ) as (model, logits):
            changes = self._scratch / method
            model.save(changes)
            validation = model.logits(self._validation.reading) if logits is None else logits
            checked = model.head.logits(self._exact.vectors(self.checked))
            return Candidate(method, model.head, changes, validation, checked, model.trainable_share)

    def _fit_into_time(self) -> tuple[Plan, Deadline | None]:
        """The plan, with what the deadline leaves no time for left out; and the end of its folds."""
        if self._deadline is None:
            return self._plan, None
        row_s = self._seconds_per_row()
        found = fitted(
            self._plan,
            self._workshop.hyperparameters,
            left_s=self._deadline.left_s,
            row_s=row_s,
            is_asked=self._settings.method is not Method.AUTO,
        )
        self._plan, self.cuts = found.plan, found.cuts
        self._workshop = replace(self._workshop, hyperparameters=found.hyperparameters)
        self._meter.expect(self._plan.work)
        whole_s = tuning_s(found.plan, found.hyperparameters, row_s)
        share = tuning_s(found.plan, found.hyperparameters, row_s, folds_alone=True) / whole_s if whole_s else 0.0
        return self._plan, self._deadline.part(share)

    def _seconds_per_row(self) -> float:
        """Of a training pass, told by how long features of a few rows take.

        They are computed twice: batches of a new shape make torch compile, which many rows hardly notice.
        """
        clock = self._deadline.clock if self._deadline else time.monotonic
        sample = self._learned.reading.take(np.arange(0, len(self._learned), -(-len(self._learned) // TIMED_ROWS)))
        self._workshop.encoder.vectors(sample)
        began_s = clock()
        self._workshop.encoder.vectors(sample)
        return (clock() - began_s) / sample.texts / FORWARD_SHARE

    def _features(self) -> dict[str, Floats2d]:
        """Of the rows that the regression learns from, and where it may be kept of those that it is scored on."""
        found, is_known = self._checkpoints.arrays("features", self._embedded)
        if is_known:
            self._meter.skip(self._plan.embedded * FORWARD_SHARE)
        return found

    def _embedded(self) -> dict[str, Floats2d]:
        readings = {TRAIN: self._frozen.reading}
        if self._settings.method in (Method.AUTO, Method.REGRESSION):
            readings[VALIDATION] = self._validation.reading
        with frozen_encoder(self._workshop.encoder, self._graphs, self._frozen.reading) as encoder:
            return {
                name: encoder.vectors(reading, on_rows=self._rows_counter(name, len(reading.sequences)))
                for name, reading in readings.items()
            }

    def _rows_counter(self, name: str, total: int) -> Callable[[int], None]:
        done = 0

        def count(rows: int) -> None:
            nonlocal done
            self._meter.advance((rows - done) * FORWARD_SHARE, "embedding", f"{rows} of {total} {name} texts")
            done = rows

        return count

    def _fold_observer(self, fold: int) -> Observer:
        where = f"fold {fold} of {len(self._plan.folds)}, "
        rows = len(self._plan.folds[fold - 1].train)
        return Observer(
            on_step=lambda step: self._count(step, "comparing", where),
            on_resume=lambda epoch, _: self._meter.skip(epoch * rows),
        )

    def _count_fold(self, fold: Fold, is_known: bool) -> None:
        if is_known:
            self._meter.skip(fold_work(fold, self._plan.fold_epochs if self._plan.tuned else 0))

    def _observer(self) -> Observer:
        return Observer(
            on_step=self._on_step, on_epoch=self._curves.epoch, on_resume=self._on_resume, memory=self._curves.memory
        )

    def _on_step(self, step: Step) -> None:
        self._curves.step(step)
        self._count(step, "training", "")

    def _on_resume(self, epoch: int, memory: Mapping[str, Any]) -> None:
        self._curves.recall(memory)
        self._meter.skip(epoch * len(self._learned))

    def _count(self, step: Step, stage: str, where: str) -> None:
        message = f"{where}step {step.number} of {step.of}, loss {step.loss:.3f}"
        self._meter.advance(step.rows, stage, message, {"loss": step.loss})

    def _parameters(self) -> int:
        module = self._workshop.encoder.backbone.module
        return sum(parameter.numel() for parameter in module.parameters())

"""Training one control's linear head: from its rows to the files that a bundle takes in."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from ...arrays import Floats2d
from ...domain.model import Method
from ...domain.progress import Progress
from ...errors import TrainingError
from ...measuring.calibration import LEAST_CALIBRATION_ROWS, Reliability
from ...measuring.evaluation import Evaluation
from ...models.base.base_model import weights_sha256
from ...models.bundle.bundle import Bundle, TrainedPart
from ...models.bundle.manifest import PartFacts
from ...models.decoders.base import decoder_of
from ...models.text.classifier import load_classifier
from ...models.text.torch_encoder import TextEncoder
from ..figures import curves_figure, reliability_figure
from ..loop.meter import FORWARD_SHARE, ProgressMeter
from ..loop.observer import Step, TrainingObserver
from ..loop.schedule import Deadline
from ..objectives.base import Objective, objective_for
from ..part import PartContext, PartOutcome, PartTrainer, VersionSpec
from ..record import log_choice, log_evaluation, log_start
from ..rows.data import TrainingData
from ..rows.encoded import EncodedRows
from ..rows.folds import Fold
from .candidates import Candidate, CandidateRows, Candidates, Choice, choose
from .cross_validation import HeldOut, out_of_fold
from .features import frozen_features, seconds_per_row
from .graphs import add_graph
from .plan import make_plan
from .settings import TrainingSettings
from .trainer import Trainer

__all__ = ["ClassifierTrainer", "verify_logits"]

TRAIN, VALIDATION, CROSS_VALIDATION = "train", "validation", "cross_validation"
TOLERANCE = 1e-3
"""Largest difference between logits before saving and after loading, as a share of the largest logit."""


class ClassifierTrainer(PartTrainer):
    """Trains linear heads, on frozen features or on a tuned base model."""

    def __init__(self, spec: VersionSpec) -> None:
        self._base_model, self._settings = spec.base_model, spec.settings
        # Frozen; it is so again after every part.
        self._encoder = TextEncoder.load(spec.base_model, max_length_tokens=spec.settings.max_length_tokens)

    @staticmethod
    def trains(head: str) -> bool:
        return not decoder_of(head).is_written

    @staticmethod
    def base_model_in(spec: VersionSpec) -> str:
        return spec.base_model

    @property
    def origin(self) -> dict[str, Any]:
        return {"settings": self._settings.to_json(), "base_model_sha256": weights_sha256(self._base_model)}

    def train(self, data: TrainingData, context: PartContext) -> PartOutcome:
        settings, run = self._settings, context.run
        log_start(run, settings, data, base_model=self._base_model)
        training = _PartTraining(self._encoder, data, settings, context)
        best, choice = training.best()
        objective = training.objective
        logits, held_out = training.calibration_rows(best)
        decoder = objective.calibrated(logits, held_out)
        reliability = objective.reliability(decoder, logits, held_out)
        folder = best.changes or context.scratch / best.method
        best.head.write(folder)
        facts = PartFacts(
            control=data.control,
            head=data.head,
            method=best.method,
            decoder=decoder,
            max_length_tokens=self._encoder.max_length_tokens,
            score_quantiles=reliability.score_quantiles(),
            settings=settings.to_json(),
        )
        evaluations = training.evaluations(best)
        numbers = decoder.numbers
        log_choice(run, choice)
        for name, evaluation in evaluations.items():
            log_evaluation(run, evaluation, name)
        if reliability.rows:
            run.log_figure(reliability_figure(reliability), "reliability.png")
        run.log_metrics({**numbers, "trainable_share": best.trainable_share})
        part = TrainedPart(facts, folder)
        warnings = [*data.warnings, *training.record_cuts(), *reliability.warnings()]
        if context.graphs is not None:
            context.report(Progress(1.0, "exporting", "writing the graph that serves"))
            refusal = add_graph(part, self._encoder, data.train.texts, context.graphs)
            warnings += [refusal] if refusal else []
        return PartOutcome(
            part,
            _metrics(evaluations, numbers, reliability),
            next((objective.score(evaluation) for evaluation in evaluations.values()), None),
            tuple(warnings),
            choice.reason,
            partial(verify_logits, texts=training.rows.checked_texts, logits=best.checked_logits),
        )


def verify_logits(bundle: Bundle, position: int, *, texts: tuple[str, ...], logits: Floats2d) -> None:
    """Check that a part of a bundle gives the logits of texts that the trained model gave.

    Raises:
        TrainingError: it does not.
        BundleError: its files do not fit the base model.
    """
    model = load_classifier(bundle, position, use_bf16=False)
    loaded = model.logits(model.read(texts))
    difference = float(np.abs(loaded - logits).max(initial=0.0)) if loaded.shape == logits.shape else np.inf
    allowed = TOLERANCE * max(1.0, float(np.abs(logits).max(initial=0.0)))
    if not difference <= allowed:
        raise TrainingError(
            f"the bundle in {bundle.path} answers {bundle.manifest.parts[position].control!r} otherwise than the "
            f"trained model: its logits differ by {difference:.3g}; wanted at most {allowed:.3g}. Files may have "
            "changed on disk: train again."
        )


class _PartTraining:
    """The course of the training of one control: features, folds, candidates, and the choice among them."""

    def __init__(
        self, encoder: TextEncoder, data: TrainingData, settings: TrainingSettings, context: PartContext
    ) -> None:
        self.objective: Objective = objective_for(data.head, data.labels)
        self.objective.prepare(encoder, data.train)
        learned = len(data.learned(settings.description_weight))
        self._settings, self._context = settings, context
        self._trainer = Trainer.for_rows(encoder, self.objective, settings, learned)
        self.rows = CandidateRows.of(data, self._trainer)
        described = learned - len(data.train)
        self._plan = make_plan(
            self.objective.strata(self.rows.sampled.rows.targets[: len(self.rows.sampled) - described]),
            settings,
            self._trainer.hyperparameters,
            described=described,
            learned=learned,
            validation=len(data.validation),
        )
        self._meter = ProgressMeter(context.report, self._plan.work)
        self._held_out: HeldOut | None = None

    def best(self) -> tuple[Candidate, Choice]:
        """The model that is kept, and why.

        Raises:
            TrainingError: this base model cannot be tuned, or its loss is not finite.
        """
        method = self._settings.method
        features = self._features()
        head = self._trainer.regression(self.rows.sampled, features[TRAIN])
        folds_end = self._fit_into_time()
        plan = self._plan
        if plan.folds:
            self._held_out = self._cross_validate(features[TRAIN], folds_end)
        candidates = Candidates(self._trainer, self.rows, features[TRAIN], head)
        if method is not Method.AUTO and plan.tuned:
            return self._tuned(candidates, plan.tuned), Choice(method, {}, f"{method} was asked for")
        regression = candidates.regression(features[VALIDATION])
        if not plan.tuned:
            cut = "the budget leaves no time to tune the base model"
            return regression, Choice(Method.REGRESSION, {}, cut if plan.cuts else "regression was asked for")
        if plan.stops_early:
            tuned = self._tuned(candidates, plan.tuned)
            logits = {candidate.method: candidate.validation_logits for candidate in (regression, tuned)}
            choice = choose(HeldOut(self.rows.validation, logits), self.objective, where="validation rows")
            return (tuned if choice.method is tuned.method else regression), choice
        if self._held_out is None:
            reason = f"regression is kept: no class has two rows, so none can be held out to try {plan.tuned} on"
            return regression, Choice(Method.REGRESSION, {}, reason)
        choice = choose(self._held_out, self.objective, where="train rows held out in turn")
        return (self._tuned(candidates, plan.tuned) if choice.method is plan.tuned else regression), choice

    def calibration_rows(self, candidate: Candidate) -> tuple[Floats2d, EncodedRows]:
        """Rows to calibrate on, which the model was not trained on, with the logits of their units; may be empty.

        They are the validation rows; with under 30 of them, those of the folds, scored by models like it.
        """
        if len(self.rows.validation) >= LEAST_CALIBRATION_ROWS or self._held_out is None:
            return candidate.validation_logits, self.rows.validation
        return self._held_out.logits[candidate.method], self._held_out.encoded

    def evaluations(self, candidate: Candidate) -> dict[str, Evaluation]:
        """Metrics of the model on the validation rows, and of models like it on the folds, where there are any."""
        evaluations = {}
        if len(self.rows.validation):
            evaluations[VALIDATION] = self.objective.evaluation(candidate.validation_logits, self.rows.validation)
        if self._held_out is not None:
            logits = self._held_out.logits[candidate.method]
            evaluations[CROSS_VALIDATION] = self.objective.evaluation(logits, self._held_out.encoded)
        return evaluations

    def record_cuts(self) -> list[str]:
        """Record what was left out for want of time, and return it as a warning."""
        cuts, budget_min = ", ".join(self._plan.cuts), self._settings.budget_min
        if budget_min is not None:
            self._context.run.log_tags({"left_out_for_time": cuts or "nothing"})
        return [f"to keep within {budget_min:g} min, the training made do with {cuts}"] if cuts else []

    def _features(self) -> dict[str, Floats2d]:
        """Of the rows that the regression learns from, and where it may be kept of those that it is scored on."""
        texts = {TRAIN: self.rows.sampled.tokenised}
        if self._settings.method in (Method.AUTO, Method.REGRESSION):
            texts[VALIDATION] = self.rows.validation.tokenised
        compute = partial(frozen_features, self._trainer.encoder, self._context.graphs, texts, self._meter)
        features, is_known = self._context.checkpoints.arrays("features", compute)
        if is_known:
            self._meter.skip(self._plan.embedded * FORWARD_SHARE)
        return features

    def _fit_into_time(self) -> Deadline | None:
        """Leave out of the plan what the deadline leaves no time for; return the end of the folds."""
        deadline = self._context.deadline
        if deadline is None:
            return None
        row_s = seconds_per_row(self._trainer.encoder, self.rows.learned.tokenised, deadline.clock)
        is_asked = self._settings.method is not Method.AUTO
        self._plan = plan = self._plan.within(deadline.left_s, row_s=row_s, is_asked=is_asked)
        self._trainer = replace(self._trainer, hyperparameters=plan.hyperparameters)
        self._meter.expect(plan.work)
        whole_s = plan.tuning_s(row_s)
        return deadline.part(plan.tuning_s(row_s, folds_alone=True) / whole_s if whole_s else 0.0)

    def _cross_validate(self, features: Floats2d, deadline: Deadline | None) -> HeldOut:
        plan = self._plan
        hyperparameters = replace(plan.hyperparameters, epochs=plan.fold_epochs)
        return out_of_fold(
            replace(self._trainer, hyperparameters=hyperparameters),
            self.rows.sampled,
            features,
            plan.folds,
            tuned=plan.tuned,
            observer=self._fold_observer,
            checkpoints=self._context.checkpoints,
            on_fold=self._on_fold,
            deadline=deadline,
        )

    def _fold_observer(self, number: int) -> TrainingObserver:
        def describe(step: Step) -> str:
            return f"fold {number} of {len(self._plan.folds)}, {step}"

        rows = len(self._plan.folds[number - 1].train)
        return TrainingObserver(self._meter, "comparing", rows_per_epoch=rows, describe=describe)

    def _on_fold(self, fold: Fold, is_known: bool) -> None:
        if is_known:
            self._meter.skip(self._plan.fold_work(fold))

    def _tuned(self, candidates: Candidates, method: Method) -> Candidate:
        context = self._context
        observer = TrainingObserver(self._meter, "training", rows_per_epoch=len(self.rows.learned), run=context.run)
        tuned, result = candidates.tuned(
            method,
            context.scratch,
            stops_early=self._plan.stops_early,
            observer=observer,
            checkpoints=context.checkpoints.epochs(method),
            deadline=context.deadline,
        )
        context.run.log_figure(curves_figure(result), "training_curves.png")
        return tuned


def _metrics(
    evaluations: Mapping[str, Evaluation], numbers: Mapping[str, float], reliability: Reliability
) -> dict[str, float]:
    metrics = dict(numbers)
    if reliability.rows:
        metrics["expected_calibration_error"] = reliability.expected_error()
    for name, evaluation in evaluations.items():
        prefix = "" if name == VALIDATION else f"{name}_"
        metrics |= {f"{prefix}{key}": value for key, value in evaluation.summary().items()}
    return metrics

"""Training one control's linear head: from its rows to the files that a bundle takes in."""

from collections.abc import Mapping
from functools import partial

import numpy as np

from ...arrays import Floats2d
from ...domain.ports import Run
from ...domain.progress import Progress
from ...errors import TrainingError
from ...measuring.calibration import Reliability
from ...measuring.evaluation import Evaluation
from ...models.bundle.bundle import Bundle, TrainedPart
from ...models.bundle.manifest import PartFacts
from ...models.text.classifier import TextClassifier
from ...models.text.torch_encoder import TextEncoder
from ..figures import confusion_figure, reliability_figure
from ..part import PartContext, PartOutcome, PartTrainer, VersionSpec
from ..rows.data import TrainingData
from .candidates import HeadTraining
from .choice import Choice
from .graphs import add_graph
from .known_texts import add_known_texts
from .settings import TrainingSettings

__all__ = ["ClassifierTrainer"]

TOLERANCE = 1e-3
"""Largest difference between logits before saving and after loading, as a share of the largest logit."""


class ClassifierTrainer(PartTrainer):
    """Trains linear heads, on frozen features or on a tuned base model."""

    is_for_texts = False
    _settings: TrainingSettings

    def __init__(self, spec: VersionSpec) -> None:
        self._base_model, self._settings = spec.base_model, spec.settings
        # Frozen; it is so again after every part.
        self._encoder = TextEncoder.load(spec.base_model, max_length_tokens=spec.settings.max_length_tokens)

    @staticmethod
    def base_model_in(spec: VersionSpec) -> str:
        return spec.base_model

    def train(self, data: TrainingData, context: PartContext) -> PartOutcome:
        settings, run = self._settings, context.run
        _log_start(run, settings, data, base_model=self._base_model)
        training = HeadTraining(self._encoder, data, settings, context)
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
        _log_choice(run, choice)
        for name, evaluation in evaluations.items():
            _log_evaluation(run, evaluation, name)
        if reliability.rows:
            run.log_figure(reliability_figure(reliability), "reliability.png")
        run.log_metrics({**numbers, "trainable_share": best.trainable_share})
        part = TrainedPart(facts, folder)
        warnings = [*data.warnings, *training.record_cuts(), *reliability.warnings()]
        if context.graphs is not None:
            context.report(Progress(1.0, "exporting", "writing the graph that serves"))
            refusal = add_graph(part, self._encoder, data.leading.texts, context.graphs)
            warnings += [refusal] if refusal else []
        add_known_texts(part, training, best, self._encoder, context)
        return PartOutcome(
            part,
            {**_metrics(evaluations, numbers, reliability), **data.counts},
            next((objective.measure.score(evaluation) for evaluation in evaluations.values()), None),
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
    model = TextClassifier.load(bundle, position, use_bf16=False)
    loaded = model.logits(model.read(texts))
    difference = float(np.abs(loaded - logits).max(initial=0.0)) if loaded.shape == logits.shape else np.inf
    allowed = TOLERANCE * max(1.0, float(np.abs(logits).max(initial=0.0)))
    if not difference <= allowed:
        raise TrainingError(
            f"the bundle in {bundle.path} answers {bundle.manifest.parts[position].control!r} otherwise than the "
            f"trained model: its logits differ by {difference:.3g}; wanted at most {allowed:.3g}. Files may have "
            "changed on disk: train again."
        )


def _metrics(
    evaluations: Mapping[str, Evaluation], numbers: Mapping[str, float], reliability: Reliability
) -> dict[str, float]:
    metrics = dict(numbers)
    if reliability.rows:
        metrics["expected_calibration_error"] = reliability.expected_error()
    for name, evaluation in evaluations.items():
        prefix = "" if name == HeadTraining.VALIDATION else f"{name}_"
        metrics |= {f"{prefix}{key}": value for key, value in evaluation.summary().items()}
    return metrics


def _log_start(run: Run, settings: TrainingSettings, data: TrainingData, *, base_model: str) -> None:
    """Parameters and facts that are known before training."""
    run.log_params(
        {
            **settings.to_json(),
            "base_model": base_model,
            "classes": len(data.labels),
            **data.counts,
            "descriptions": len(data.described),
            "validation_rows": len(data.validation),
        }
    )


def _log_evaluation(run: Run, evaluation: Evaluation, name: str) -> None:
    """Metrics under a prefix, the table per class and the confusion matrix."""
    run.log_metrics({f"{name}_{key}": value for key, value in evaluation.summary().items()})
    table = [
        {
            "label": entry.label,
            "precision": round(entry.precision, 4),
            "recall": round(entry.recall, 4),
            "f1": round(entry.f1, 4),
            "support": entry.support,
        }
        for entry in evaluation.per_class
    ]
    run.log_table(table, f"{name}_per_class.json")
    if evaluation.confusion:
        run.log_figure(confusion_figure(evaluation), f"{name}_confusion.png")


def _log_choice(run: Run, choice: Choice) -> None:
    """Which method was kept and why, with the metrics of every method that was compared."""
    run.log_tags({"method": choice.method, "method_reason": choice.reason})
    for method, evaluation in choice.evaluations.items():
        run.log_metrics({f"compared_{method}_{name}": value for name, value in evaluation.summary().items()})

"""Training one control's model: from its rows to the files that a bundle takes in."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ...arrays import Floats2d
from ...domain.model import Method
from ...domain.ports import Run
from ...domain.progress import ProgressCallback
from ...measuring.calibration import Reliability
from ...measuring.evaluation import Evaluation
from ...models.bundle.bundle import TrainedPart
from ...models.bundle.manifest import PartFacts
from ...models.graphs.store import GraphStore
from ...models.text.torch_encoder import TextEncoder
from ..figures import reliability_figure
from ..loop.checkpoints import Checkpoints
from ..loop.deadline import Deadline
from ..objectives.base import objective_for
from ..record import Curves, log_choice, log_evaluation, log_start
from ..rows.data import TrainingData
from .candidates import VALIDATION, Candidates
from .settings import TrainingSettings

__all__ = ["PartOutcome", "train_part"]


@dataclass(frozen=True, slots=True, eq=False)
class PartOutcome:
    """What came of a training for one control.

    Attributes:
        metrics: on the validation rows; `cross_validation_…` where folds inside train were scored;
            `expected_calibration_error` on the rows that were calibrated on.
        score: of the validation rows, else of the folds, in the metric that versions are compared by; None without any.
        warnings: sentences for the operator.
        reason: why this method was kept.
        checked_texts: texts that the bundle is checked with, and `checked_logits` what they should give.
    """

    part: TrainedPart
    metrics: Mapping[str, float]
    score: float | None
    warnings: tuple[str, ...]
    reason: str
    checked_texts: tuple[str, ...]
    checked_logits: Floats2d

    @property
    def method(self) -> Method:
        """Regression, or how the base model was tuned."""
        return self.part.facts.method


def train_part(
    encoder: TextEncoder,
    data: TrainingData,
    settings: TrainingSettings,
    *,
    base_model: str,
    run: Run,
    checkpoints: Checkpoints,
    report: ProgressCallback,
    share: tuple[float, float],
    scratch: Path,
    graphs: GraphStore | None = None,
    deadline: Deadline | None = None,
) -> PartOutcome:
    """Train, choose and calibrate.

    Args:
        encoder: of the frozen base model, which it is again afterwards.
        share: fractions of the progress at which the work begins and ends.
        scratch: folder of this part's own for its files.
        graphs: with it, the base model's graph computes features where that is faster.
        deadline: by which the model is there; what does not fit before it is left out, with a warning.

    Raises:
        TrainingError: the loss is not finite, or the base model cannot be tuned.
    """
    objective = objective_for(data.head, data.labels)
    log_start(run, settings, data, base_model=base_model)
    curves = Curves(run)
    candidates = Candidates(
        encoder,
        objective,
        data,
        settings,
        report=report,
        share=share,
        curves=curves,
        checkpoints=checkpoints,
        scratch=scratch,
        graphs=graphs,
        deadline=deadline,
    )
    best, choice = candidates.best()
    logits, held_out = candidates.calibration_rows(best)
    decoder = objective.calibrated(logits, held_out)
    reliability = objective.reliability(decoder, logits, held_out)
    folder = best.changes or scratch / best.method
    best.head.write(folder)
    facts = PartFacts(
        control=data.control,
        head=data.head,
        method=best.method,
        decoder=decoder,
        max_length_tokens=encoder.max_length_tokens,
        score_quantiles=reliability.score_quantiles(),
        settings=settings.to_json(),
    )
    evaluations = candidates.evaluations(best)
    curves.draw()
    log_choice(run, choice)
    cuts = _cuts(candidates, settings)
    if settings.budget_min is not None:
        run.log_tags({"left_out_for_time": ", ".join(candidates.cuts) or "nothing"})
    for name, evaluation in evaluations.items():
        log_evaluation(run, evaluation, name)
    if reliability.rows:
        run.log_figure(reliability_figure(reliability), "reliability.png")
    numbers = decoder.numbers
    run.log_metrics({**numbers, "trainable_share": best.trainable_share})
    return PartOutcome(
        TrainedPart(facts, folder),
        _metrics(evaluations, numbers, reliability),
        next((objective.score(evaluation) for evaluation in evaluations.values()), None),
        (*data.warnings, *cuts, *reliability.warnings()),
        choice.reason,
        candidates.checked_texts,
        best.checked_logits,
    )


def _cuts(candidates: Candidates, settings: TrainingSettings) -> tuple[str, ...]:
    if not candidates.cuts:
        return ()
    return (f"to keep within {settings.budget_min:g} min, the training made do with {', '.join(candidates.cuts)}",)


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

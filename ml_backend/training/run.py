"""A whole training: from rows to a serving bundle that was read back and checked."""

import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from ..domain.model import Method
from ..domain.ports import Run
from ..encoders.bundle import BundleFacts, BundleManifest, write_bundle
from ..encoders.classifier import load_classifier
from ..encoders.embed import Floats2d, TextEncoder
from ..errors import BundleError, TrainingError
from .calibration import Calibration, calibrated
from .candidates import VALIDATION, Candidates
from .checkpoints import Checkpoints
from .data import TrainingData
from .evaluate import Evaluation
from .figures import reliability_figure
from .plan import make_plan
from .progress import Pace, Progress, Report
from .record import Curves, library_versions, log_choice, log_evaluation, log_start, peak_memory_mb
from .settings import TrainingSettings

__all__ = ["Progress", "TrainingOutcome", "train_classifier", "verify_bundle"]

TOLERANCE = 1e-3
"""Largest difference between logits before saving and after loading, as a share of the largest logit."""
WORK_STARTS, WORK_ENDS = 0.03, 0.97


@dataclass(frozen=True, slots=True)
class TrainingOutcome:
    """What came of a training.

    Attributes:
        method: regression or lora, never auto.
        bundle: folder of the serving bundle.
        metrics: on the validation rows; `cross_validation_…` where folds inside train were scored; `temperature`
            and, on the rows that it was fitted on, `expected_calibration_error`.
        warnings: sentences for the operator.
        reason: why this method was kept.
    """

    method: Method
    bundle: Path
    metrics: Mapping[str, float]
    warnings: tuple[str, ...]
    seconds: float
    reason: str


def train_classifier(
    data: TrainingData,
    settings: TrainingSettings,
    *,
    model_version: str,
    facts: BundleFacts,
    base_model: str,
    out: Path,
    checkpoints: Path,
    report: Report,
    run: Run,
    on_checkpoint: Callable[[str], None] = lambda _: None,
) -> TrainingOutcome:
    """Train, choose, calibrate, write the serving bundle and check it.

    Args:
        out: folder that the bundle becomes; it must not exist.
        checkpoints: folder for what a later attempt goes on from; what an earlier one left there is gone on from.
        report: told of every step; what it raises stops the training.
        run: where parameters, curves, tables and figures are recorded.
        on_checkpoint: told of every checkpoint that is on disk.

    Raises:
        TrainingError: the loss is not finite, the base model cannot be adapted, or the bundle answers otherwise
            than the model did before it was saved.
        EncoderError: the base model cannot be loaded.
    """
    began_s = time.monotonic()
    report(Progress(0.0, "loading", f"loading {base_model}"))
    encoder = TextEncoder.load(base_model, max_length_tokens=settings.max_length_tokens)
    log_start(run, settings, data, base_model=base_model)
    plan = make_plan(data, settings)
    curves = Curves(run)
    libraries = library_versions()
    origin = {
        "settings": settings.to_json(),
        "base_model_sha256": encoder.backbone.weights_sha256,
        "snapshot_id": facts.snapshot_id,
        "libraries": libraries,
    }
    kept = Checkpoints(checkpoints, origin, on_checkpoint)
    pace = Pace(report, plan.work, start=WORK_STARTS, end=WORK_ENDS)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="adapter-", dir=out.parent) as scratch:
        candidates = Candidates(
            encoder, data, settings, plan, pace=pace, curves=curves, checkpoints=kept, scratch=Path(scratch)
        )
        best, choice = candidates.best()
        calibration = calibrated(*candidates.calibration_rows(best))
        manifest = BundleManifest(
            model_version=model_version,
            method=best.method,
            base_model=base_model,
            base_model_sha256=encoder.backbone.weights_sha256,
            facts=facts,
            labels=data.labels,
            max_length_tokens=encoder.max_length_tokens,
            temperature=calibration.temperature,
            seed=settings.seed,
            settings=settings.to_json(),
            score_quantiles=calibration.score_quantiles(),
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
            libraries=libraries,
        )
        report(Progress(WORK_ENDS, "saving", "writing the bundle and reading it back"))
        write_bundle(out, manifest, best.head, adapter=best.adapter, trained_on=data.train.texts)
    verify_bundle(out, candidates.checked_texts, best.checked_logits)
    evaluations = candidates.evaluations(best)
    metrics = _metrics(evaluations, calibration)
    curves.draw()
    log_choice(run, choice)
    for name, evaluation in evaluations.items():
        log_evaluation(run, evaluation, name)
    if calibration.rows:
        run.log_figure(reliability_figure(calibration), "reliability.png")
    seconds = time.monotonic() - began_s
    run.log_metrics(
        {
            "temperature": calibration.temperature,
            "trainable_share": best.trainable_share,
            "seconds": seconds,
            "peak_memory_mb": peak_memory_mb(),
        }
    )
    report(Progress(1.0, "trained", choice.reason))
    warnings = (*data.warnings, *calibration.warnings())
    return TrainingOutcome(best.method, out, metrics, warnings, seconds, choice.reason)


def verify_bundle(path: Path, texts: tuple[str, ...], logits: Floats2d) -> None:
    """Check that a bundle, read back from its files with its adapter merged, answers as the model did in training.

    Args:
        logits: of the texts, in full precision, from before the bundle was written.

    Raises:
        TrainingError: it does not, or it cannot be read.
    """
    try:
        found = load_classifier(path, use_bf16=False).logits(texts)
    except BundleError as error:
        raise TrainingError(f"the bundle cannot be read back: {error}") from error
    difference = float(np.abs(found - logits).max())
    allowed = TOLERANCE * max(1.0, float(np.abs(logits).max()))
    if not difference <= allowed:
        raise TrainingError(
            f"the bundle in {path} answers otherwise than the trained model: its logits differ by {difference:.3g}; "
            f"wanted at most {allowed:.3g}. Files may have changed on disk: train again."
        )


def _metrics(evaluations: Mapping[str, Evaluation], calibration: Calibration) -> dict[str, float]:
    metrics = {"temperature": calibration.temperature}
    if calibration.rows:
        metrics["expected_calibration_error"] = calibration.expected_error()
    for name, evaluation in evaluations.items():
        prefix = "" if name == VALIDATION else f"{name}_"
        metrics |= {f"{prefix}{key}": value for key, value in evaluation.summary().items()}
    return metrics

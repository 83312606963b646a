"""A whole training: from rows to a serving bundle that was read back and checked."""

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import numpy as np

from ..domain.model import HeadKind, Method
from ..domain.ports import Run
from ..domain.progress import Progress, ProgressCallback
from ..errors import BundleError, TrainingError
from ..models.base.base_model import weights_sha256
from ..models.bundle.bundle import read_bundle, write_bundle
from ..models.bundle.manifest import BundleFacts, BundleManifest
from ..models.graphs.store import GraphStore
from ..models.text.classifier import load_classifier
from ..models.text.torch_encoder import TextEncoder
from .classification.graphs import add_graph
from .classification.part import PartOutcome, train_part
from .classification.settings import TrainingSettings
from .generation.part import TextPartOutcome, train_text_part
from .generation.settings import GenerationSettings
from .loop.checkpoints import Checkpoints
from .loop.deadline import Deadline
from .record import ControlRun, library_versions, log_libraries, peak_memory_mb
from .rows.data import TrainingData

__all__ = ["Progress", "TrainingOutcome", "train_version", "verify_bundle"]

TOLERANCE = 1e-3
"""Largest difference between logits before saving and after loading, as a share of the largest logit."""
WORK_STARTS, WORK_ENDS = 0.03, 0.97
FITTING_SHARE = 0.85
"""Of the time that is left for a part: the rest is for exporting, saving and checking it."""


@dataclass(frozen=True, slots=True)
class TrainingOutcome:
    """What came of a training.

    Attributes:
        method: how all parts were made; auto where some were made otherwise than others.
        bundle: folder of the serving bundle.
        metrics: see `PartOutcome`; with several controls each name follows its control's, as in `topic.macro_f1`.
            `score` is the mean of the controls' scores.
        warnings: sentences for the operator.
        reason: why this method was kept, control by control.
    """

    method: Method
    bundle: Path
    metrics: Mapping[str, float]
    warnings: tuple[str, ...]
    seconds: float
    reason: str


def train_version(
    parts: Sequence[TrainingData],
    settings: TrainingSettings,
    *,
    model_version: str,
    facts: BundleFacts,
    base_model: str,
    out: Path,
    checkpoints: Path,
    report: ProgressCallback,
    run: Run,
    writing: GenerationSettings | None = None,
    text_base_model: str = "",
    graphs: GraphStore | None = None,
    deadline: Deadline | None = None,
    on_checkpoint: Callable[[str], None] = lambda _: None,
) -> TrainingOutcome:
    """Train a model for every control, write the serving bundle and check it.

    Args:
        parts: rows per control, in the order of the label config; at least one.
        writing: settings of controls that are answered with a text, and `text_base_model` the model that is tuned
            for them.
        graphs: with it, tuned models are exported as well, so that they serve without torch, and the base model's own
            graph computes features.
        deadline: by which the version should be there; None: what the settings allow, from now on.
        out: folder that the bundle becomes; it must not exist.
        checkpoints: folder for what a later attempt goes on from; what an earlier one left there is gone on from.
        report: told of every step; what it raises stops the training.
        run: where parameters, curves, tables and figures are recorded.
        on_checkpoint: told of every checkpoint that is on disk.

    Raises:
        TrainingError: a loss is not finite, the base model cannot be tuned, or the bundle answers otherwise than the
            models did before it was saved.
        EncoderError: the base model cannot be loaded.
    """
    began_s = time.monotonic()
    if deadline is None and settings.budget_min is not None:
        deadline = Deadline.after(60 * settings.budget_min)
    writing = writing or GenerationSettings(seed=settings.seed)
    bases = _Bases.of(parts, base_model, text_base_model)
    report(Progress(0.0, "loading", f"loading {bases.name}"))
    encoder = TextEncoder.load(base_model, max_length_tokens=settings.max_length_tokens) if bases.encoder else None
    libraries = library_versions()
    log_libraries(run)
    origin = {
        "settings": settings.to_json(),
        "writing": writing.to_json() if bases.writer else None,
        "base_model_sha256": [weights_sha256(name) for name in (bases.encoder, bases.writer) if name],
        "snapshot_id": facts.snapshot_id,
        "libraries": libraries,
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="parts-", dir=out.parent) as scratch:
        outcomes: list[PartOutcome | TextPartOutcome] = []
        refusals: list[str] = []
        for position, (data, share) in enumerate(zip(parts, _shares(parts), strict=True)):
            part_end = deadline and deadline.part(FITTING_SHARE * (share[1] - share[0]) / (WORK_ENDS - share[0]))
            recorder = run if len(parts) == 1 else ControlRun(run, data.control)
            kept = Checkpoints(checkpoints / str(position), origin, on_checkpoint)
            files = Path(scratch) / str(position)
            if data.head is HeadKind.TEXT:
                outcome: PartOutcome | TextPartOutcome = train_text_part(
                    bases.writer,
                    data,
                    writing,
                    run=recorder,
                    checkpoints=kept,
                    report=report,
                    share=share,
                    scratch=files,
                    deadline=part_end,
                )
            elif encoder is not None:
                outcome = train_part(
                    encoder,
                    data,
                    settings,
                    base_model=base_model,
                    run=recorder,
                    checkpoints=kept,
                    report=report,
                    share=share,
                    scratch=files,
                    graphs=graphs,
                    deadline=part_end,
                )
                if graphs is not None:
                    report(Progress(share[1], "exporting", "writing the graph that serves"))
                    refusal = add_graph(outcome.part, encoder, data.train.texts, graphs)
                    refusals += [refusal] if refusal else []
            outcomes.append(outcome)
        manifest = BundleManifest(
            model_version=model_version,
            base_model=bases.name,
            base_model_sha256=weights_sha256(bases.name),
            facts=facts,
            parts=(),
            seed=settings.seed,
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
            libraries=libraries,
        )
        report(Progress(WORK_ENDS, "saving", "writing the bundle and reading it back"))
        trained_on = (text for data in parts for text in data.train.texts)
        bundle = write_bundle(out, manifest, [outcome.part for outcome in outcomes], trained_on=trained_on)
    verify_bundle(out, outcomes)
    seconds = time.monotonic() - began_s
    run.log_metrics({"seconds": seconds, "peak_memory_mb": peak_memory_mb()})
    reason = _told({outcome.part.facts.control: outcome.reason for outcome in outcomes})
    report(Progress(1.0, "trained", reason))
    return TrainingOutcome(
        bundle.manifest.method,
        out,
        _metrics(outcomes),
        (
            *dict.fromkeys(warning for outcome in outcomes for warning in _warnings(outcome, len(outcomes))),
            *refusals,
        ),
        seconds,
        reason,
    )


@dataclass(frozen=True, slots=True)
class _Bases:
    """Base models that are needed.

    Attributes:
        encoder: of the controls that a head answers, "" where there are none; `writer` likewise of those that are
            answered with a text.
    """

    encoder: str
    writer: str

    @classmethod
    def of(cls, parts: Sequence[TrainingData], encoder: str, writer: str) -> "_Bases":
        heads = {data.head for data in parts}
        if HeadKind.TEXT in heads and not writer:
            raise TrainingError(
                "no base model is named for the controls that are answered with a text; set "
                "LABELLOOP_TEXT_BASE_MODEL, or give --text-base-model"
            )
        return cls(encoder if heads - {HeadKind.TEXT} else "", writer if HeadKind.TEXT in heads else "")

    @property
    def name(self) -> str:
        """The one that the version names."""
        return self.encoder or self.writer


def verify_bundle(path: Path, outcomes: Sequence[PartOutcome | TextPartOutcome]) -> None:
    """Check that a bundle, read back from its files with its adapters merged, answers as its models did in training.

    Raises:
        TrainingError: it does not, or it cannot be read.
    """
    for position, outcome in enumerate(outcomes):
        try:
            bundle = read_bundle(path)
            if isinstance(outcome, TextPartOutcome):
                outcome.verify(bundle.part_folder(position))
                continue
            model = load_classifier(bundle, position, use_bf16=False)
        except BundleError as error:
            raise TrainingError(f"the bundle cannot be read back: {error}") from error
        logits = outcome.checked_logits
        found = model.logits(model.read(outcome.checked_texts))
        difference = float(np.abs(found - logits).max(initial=0.0)) if found.shape == logits.shape else np.inf
        allowed = TOLERANCE * max(1.0, float(np.abs(logits).max(initial=0.0)))
        if not difference <= allowed:
            raise TrainingError(
                f"the bundle in {path} answers {outcome.part.facts.control!r} otherwise than the trained model: its "
                f"logits differ by {difference:.3g}; wanted at most {allowed:.3g}. Files may have changed on disk: "
                "train again."
            )


def _shares(parts: Sequence[TrainingData]) -> list[tuple[float, float]]:
    """Fractions of the progress at which each part begins and ends, by its rows."""
    ends = np.cumsum([len(data.train) for data in parts]) / sum(len(data.train) for data in parts)
    marks = [WORK_STARTS, *(WORK_STARTS + ends * (WORK_ENDS - WORK_STARTS)).tolist()]
    return list(pairwise(marks))


def _metrics(outcomes: Sequence[PartOutcome | TextPartOutcome]) -> dict[str, float]:
    scores = [outcome.score for outcome in outcomes if outcome.score is not None]
    overall = {"score": float(np.mean(scores))} if scores else {}
    if len(outcomes) == 1:
        return {**outcomes[0].metrics, **overall}
    each = {
        f"{outcome.part.facts.control}.{name}": value for outcome in outcomes for name, value in outcome.metrics.items()
    }
    return each | overall


def _warnings(outcome: PartOutcome | TextPartOutcome, parts: int) -> list[str]:
    return [f"{outcome.part.facts.control}: {warning}" if parts > 1 else warning for warning in outcome.warnings]


def _told(reasons: Mapping[str, str]) -> str:
    if len(reasons) == 1:
        return next(iter(reasons.values()))
    return "; ".join(f"{control}: {reason}" for control, reason in reasons.items())

"""A whole training: from rows to a serving bundle that was read back and checked."""

import resource
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import numpy as np

from ..domain.model import Method
from ..domain.ports import Run
from ..domain.progress import Progress, ProgressCallback
from ..errors import BundleError, TrainingError
from ..models.base.base_model import weights_sha256
from ..models.bundle.bundle import Bundle, TrainedPart, read_bundle, write_bundle
from ..models.bundle.manifest import BundleManifest
from ..models.graphs.store import GraphStore
from .classification.part import ClassifierTrainer
from .generation.part import TextTrainer
from .loop.checkpoints import Checkpoints
from .loop.replicas import Replicas
from .loop.schedule import Deadline
from .part import PartContext, PartOutcome, PartTrainer, VersionSpec
from .record import ControlRun, library_versions
from .rows.data import TrainingData

__all__ = ["TrainingContext", "TrainingOutcome", "train_version"]

TRAINERS: tuple[type[PartTrainer], ...] = (ClassifierTrainer, TextTrainer)
WORK_STARTS, WORK_ENDS = 0.03, 0.97
FITTING_SHARE = 0.85
"""Share of the time left for a part in which it is trained: the rest is for exporting, saving and checking it."""


@dataclass(frozen=True, slots=True)
class TrainingContext:
    """The surroundings of a training: where it reports, keeps its work and gets its time from.

    Attributes:
        run: records parameters, curves, tables and figures.
        report: called at every step; what it raises stops the training.
        checkpoints: folder for what a later attempt resumes from; the training resumes from what is there already.
        on_checkpoint: called with the name of every checkpoint that is on disk.
        graphs: with it, tuned models are exported as well, so that they serve without torch, and the base model's own
            graph computes features.
        deadline: by which the version should be there; None: what the settings allow, from now on.
        processes: that train together, see `Replicas`.
    """

    run: Run
    report: ProgressCallback
    checkpoints: Path
    on_checkpoint: Callable[[str], None] | None = None
    graphs: GraphStore | None = None
    deadline: Deadline | None = None
    processes: int = 1

    def for_part(
        self,
        data: TrainingData,
        position: int,
        scratch: Path,
        *,
        share: tuple[float, float],
        of: int,
        origin: object,
        replicas: Replicas,
    ) -> PartContext:
        """The context of a part.

        Args:
            share: fractions of the progress at which its work begins and ends.
            of: number of parts.
        """
        start, end = share
        return PartContext(
            run=self.run if of == 1 else ControlRun(self.run, data.control),
            report=Progress.share_of(self.report, start, end),
            checkpoints=Checkpoints(self.checkpoints / str(position), {"origin": origin}, self.on_checkpoint),
            scratch=scratch / str(position),
            graphs=self.graphs,
            deadline=self.deadline and self.deadline.part(FITTING_SHARE * (end - start) / (WORK_ENDS - start)),
            replicas=replicas,
        )


@dataclass(frozen=True, slots=True)
class TrainingOutcome:
    """The outcome of a training.

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
    parts: Sequence[TrainingData], spec: VersionSpec, out: Path, context: TrainingContext
) -> TrainingOutcome:
    """Train a model for every control, write the serving bundle and check it.

    Args:
        parts: rows per control, in the order of the label config; at least one.
        out: folder that the bundle becomes; it must not exist.

    Raises:
        TrainingError: a loss is not finite, a base model is not named or cannot be tuned, or the bundle answers
            otherwise than the models did before it was saved.
        EncoderError: a base model cannot be loaded.
    """
    began_s = time.monotonic()
    if context.deadline is None and spec.settings.budget_min is not None:
        context = replace(context, deadline=Deadline.after(60 * spec.settings.budget_min))
    kinds = [next(kind for kind in TRAINERS if kind.trains(data.head)) for data in parts]
    # The version names the first: a base model of linear heads, where there are any.
    base_model, *_ = [kind.base_model_in(spec) for kind in TRAINERS if kind in kinds]
    context.report(Progress(0.0, "loading", f"loading {base_model}"))
    trainers = {kind: kind(spec) for kind in TRAINERS if kind in kinds}
    context.run.log_tags({f"version_{name}": version for name, version in library_versions().items()})
    out.parent.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="parts-", dir=out.parent) as scratch,
        Replicas(context.processes, Path(scratch) / "replicas") as replicas,
    ):
        outcomes = []
        for position, (data, kind, share) in enumerate(zip(parts, kinds, _shares(parts), strict=True)):
            origin = {**trainers[kind].origin, "snapshot_id": spec.facts.snapshot_id, "libraries": library_versions()}
            if data.preferred is not None:
                origin["preferences"] = data.preferred.digest
            part_context = context.for_part(
                data, position, Path(scratch), share=share, of=len(parts), origin=origin, replicas=replicas
            )
            outcomes.append(trainers[kind].train(data, part_context))
        context.report(Progress(WORK_ENDS, "saving", "writing the bundle and reading it back"))
        bundle = _write_bundle(out, spec, base_model, parts, outcomes)
    verify_bundle(out, outcomes)
    seconds = time.monotonic() - began_s
    context.run.log_metrics({"seconds": seconds, "peak_memory_mb": _peak_memory_mb()})
    reasons = _by_control(outcomes, [[outcome.reason] for outcome in outcomes])
    warnings = _by_control(outcomes, [outcome.warnings for outcome in outcomes])
    context.report(Progress(1.0, "trained", "; ".join(reasons)))
    return TrainingOutcome(
        bundle.manifest.method,
        out,
        _metrics(outcomes),
        tuple(dict.fromkeys(warnings)),
        seconds,
        "; ".join(reasons),
    )


def _write_bundle(
    out: Path, spec: VersionSpec, base_model: str, parts: Sequence[TrainingData], outcomes: Sequence[PartOutcome]
) -> Bundle:
    made = {outcome.part.facts.control: outcome.part for outcome in outcomes}
    if spec.start is not None:
        base_model = spec.start.manifest.base_model
        made = {
            facts.control: made.get(facts.control) or TrainedPart(facts, spec.start.part_folder(position))
            for position, facts in enumerate(spec.start.manifest.parts)
        }
    manifest = BundleManifest(
        model_version=spec.model_version,
        base_model=base_model,
        base_model_sha256=weights_sha256(base_model),
        facts=spec.facts,
        parts=(),
        seed=spec.settings.seed,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        libraries=library_versions(),
    )
    trained_on = (text for data in parts for text in (*(data.row_texts or data.train.texts), *data.weak_row_texts))
    return write_bundle(out, manifest, list(made.values()), trained_on=trained_on)


def verify_bundle(path: Path, outcomes: Sequence[PartOutcome]) -> None:
    """Check that a bundle, read back from its files with its adapters merged, answers as its models did in training.

    Raises:
        TrainingError: it does not, or it cannot be read.
    """
    try:
        bundle = read_bundle(path)
        positions = {facts.control: position for position, facts in enumerate(bundle.manifest.parts)}
        for outcome in outcomes:
            outcome.verify(bundle, positions[outcome.part.facts.control])
    except BundleError as error:
        raise TrainingError(f"the bundle cannot be read back: {error}") from error


def _shares(parts: Sequence[TrainingData]) -> list[tuple[float, float]]:
    """Fractions of the progress at which each part begins and ends, by its rows."""
    ends = np.cumsum([len(data.leading) for data in parts]) / sum(len(data.leading) for data in parts)
    marks = [WORK_STARTS, *(WORK_STARTS + ends * (WORK_ENDS - WORK_STARTS)).tolist()]
    return list(pairwise(marks))


def _metrics(outcomes: Sequence[PartOutcome]) -> dict[str, float]:
    scores = [outcome.score for outcome in outcomes if outcome.score is not None]
    overall = {"score": float(np.mean(scores))} if scores else {}
    if len(outcomes) == 1:
        return {**outcomes[0].metrics, **overall}
    each = {
        f"{outcome.part.facts.control}.{name}": value for outcome in outcomes for name, value in outcome.metrics.items()
    }
    return each | overall


def _by_control(outcomes: Sequence[PartOutcome], sentences: Sequence[Sequence[str]]) -> list[str]:
    """The sentences; where there are several controls, each after its control's name."""
    if len(outcomes) == 1:
        return list(sentences[0])
    return [
        f"{outcome.part.facts.control}: {sentence}"
        for outcome, own in zip(outcomes, sentences, strict=True)
        for sentence in own
    ]


def _peak_memory_mb() -> float:
    """Most memory that this process has held so far, in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Linux counts in KiB, macOS in bytes.
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6

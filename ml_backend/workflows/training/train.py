"""A training job: snapshot, training, registration, gate and, where the gate says so, promotion."""

import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field

from ... import __version__
from ...domain.example import Row
from ...domain.job import Job
from ...domain.model import Method, ModelVersion, WeakRows
from ...domain.ports import Run
from ...domain.progress import Progress, ProgressCallback
from ...domain.snapshot import Snapshot, Split
from ...errors import TrainingError
from ...hooks import TrainingInfo
from ...labelstudio.plans import plan_of
from ...options import project_settings
from ...snapshots.store import SnapshotFolder
from ...tasks import ServedControl, ServingPlan
from ..exporting.reading_faults import reading_faults
from ..jobs.context import JobContext
from ..services import Services
from .edited_rows import settle_edited_rows
from .preference_pairs import PreferencePairs
from .suspects import trusted_rows
from .weak_rows import ProposedRows, settle_weak_rows

if TYPE_CHECKING:
    from ...learning.rows.data import TrainingData
    from ...learning.run import TrainingOutcome

__all__ = ["TrainingChoices", "learnable_parts", "train_and_register"]

log = logging.getLogger(__name__)

BUNDLE_ARTIFACT = "bundle"
TRAINING_STARTS = 0.05 / 0.85
"""Share of the progress bar that loading and auditing take, from rough shares of the time."""


class TrainingChoices(BaseModel, frozen=True):
    """The choices that a training depends on beside its rows.

    Attributes:
        overrides: training settings by name, as text.
        text_base_model: what is tuned for controls that are answered with a text; "": that of the settings.
        weak_rows: whether rows that label sources propose are learned from.
        augment: whether edited copies of rows of rare labels are learned from.
        reword: whether a language model rewords some of these.
        start: of method dpo, the version that goes on; "": the champion.
    """

    base_model: str
    seed: int
    method: Method = Method.AUTO
    overrides: Mapping[str, str] = Field(default_factory=dict)
    text_base_model: str = ""
    weak_rows: WeakRows = WeakRows.AUTO
    augment: WeakRows = WeakRows.NONE
    reword: bool = False
    start: str = ""

    def trains_like(self, other: "TrainingChoices") -> bool:
        """Return True where the same snapshot and the same weak rows would give the same model."""
        return all(getattr(self, name) == getattr(other, name) for name in TrainingChoices.model_fields)


def train_and_register(
    services: Services,
    choices: TrainingChoices,
    snapshot: Snapshot,
    context: JobContext,
    report: ProgressCallback,
    *,
    weak: ProposedRows,
    preferred: PreferencePairs | None = None,
) -> tuple[ModelVersion, Mapping[str, Any]]:
    """Train a version and register it, or return the one that an earlier attempt at the job has registered.

    Args:
        weak: what may be learned from beside the snapshot.
        preferred: pairs of responses, with method dpo, which are learned instead of it.

    Returns:
        The version, and method, seconds and warnings of its training; and what became of weak rows, if there are any.
    """
    key = snapshot.manifest.project.key
    run_id = _resumable_run(services, context)
    if run_id and (version := services.versions.made_by(key, run_id)):
        return services.versions.get(version.name), context.checkpoint["trained"]
    number = services.versions.next_number(key)
    name = ModelVersion.name_of(key, number)
    services.hooks.before_training(TrainingInfo(key, snapshot, name, {}))
    context.folder.mkdir(parents=True, exist_ok=True)  # its presence tells that there may be something to clear up
    with services.tracker.run(key, name, resume=run_id) as run:
        context.keep(run_id=run.run_id, made_by=__version__)
        _log_inputs(run, snapshot, context.job)
        run.log_tags({f"setting.{name}": text for name, text in services.options.texts(project_settings()).items()})
        weak.log_to(run, f"{key}-weak")
        if preferred is not None:
            preferred.log_to(run, f"{key}-preferences")
        outcome, decisions, edited = _fit(
            services, choices, snapshot, context, report, run=run, version=name, weak=weak, preferred=preferred
        )
        run.log_folder(outcome.bundle, BUNDLE_ARTIFACT)
        trained = {
            "method": outcome.method,
            "seconds": round(outcome.seconds, 2),
            "warnings": [*snapshot.manifest.warnings, *outcome.warnings],
            **({"weak_rows": {**weak.facts, "controls": decisions}} if weak.facts else {}),
            **({"augmented": edited} if edited else {}),
            **({"preferences": preferred.facts} if preferred is not None else {}),
        }
        context.keep(trained=trained)
        registered = services.versions.register(
            key,
            number=number,
            run_id=run.run_id,
            artifact_path=BUNDLE_ARTIFACT,
            method=outcome.method,
            snapshot_id=snapshot.id,
            label_config_fingerprint=snapshot.manifest.label_config_fingerprint,
            metrics=outcome.metrics,
        )
    services.hooks.model_trained(TrainingInfo(key, snapshot, name, registered.metrics))
    return registered, trained


def _resumable_run(services: Services, context: JobContext) -> str | None:
    """The tracking run of the attempt before, if its parameters can be those of this one."""
    run_id: str | None = context.checkpoint.get("run_id")
    if run_id and context.checkpoint.get("made_by") != __version__:
        services.tracker.close(run_id, was_cancelled=False)
        return None
    return run_id


def _fit(
    services: Services,
    choices: TrainingChoices,
    snapshot: Snapshot,
    context: JobContext,
    report: ProgressCallback,
    *,
    run: Run,
    version: str,
    weak: ProposedRows,
    preferred: PreferencePairs | None,
) -> tuple["TrainingOutcome", Mapping[str, Any], Mapping[str, Any]]:
    """Train, and return what came of it, and the decisions on weak rows and on edited copies by control."""
    from ...learning.loop.schedule import Deadline
    from ...learning.overrides import settings_from
    from ...learning.part import VersionSpec
    from ...learning.run import TrainingContext, train_version
    from ...models.bundle.manifest import BundleFacts
    from ...models.graphs.store import GraphStore

    manifest = snapshot.manifest
    plan = plan_of(manifest)
    settings, writing = settings_from(choices.method, choices.seed, choices.overrides)
    deadline = None if settings.budget_min is None else Deadline.after(60 * settings.budget_min)
    train, notes = trusted_rows(
        services,
        snapshot,
        context,
        settings.suspects,
        base_model=choices.base_model,
        report=Progress.share_of(report, 0.0, TRAINING_STARTS),
    )
    report(Progress(TRAINING_STARTS, "loading", "loading the base model"))
    # Held-out rows keep all labels: what they measure must not be what the model likes.
    validation = list(SnapshotFolder(snapshot.path).rows(Split.VALIDATION))
    parts, left_out = learnable_parts(_learning(plan, preferred), train, validation, weak, settings.method)
    if preferred is not None:
        parts = [replace(data, preferred=preferred.for_training()) for data in parts]
    settled = settle_weak_rows(
        services,
        parts,
        choices.weak_rows,
        settings,
        context,
        base_model=choices.base_model,
        report=Progress.share_of(report, TRAINING_STARTS, TRAINING_STARTS),
    )
    learned, edited = settle_edited_rows(
        services,
        settled.parts,
        choices.augment,
        settings,
        context,
        project_key=manifest.project.key,
        base_model=choices.base_model,
        held_out=_held_out_texts(snapshot) if choices.reword else None,
        report=Progress.share_of(report, TRAINING_STARTS, TRAINING_STARTS),
    )
    text_base_model = preferred.base_model if preferred else _text_base_model(services, choices, plan)
    unread = reading_faults(
        plan,
        [(row.task_id, row.text) for split in Split for row in SnapshotFolder(snapshot.path).rows(split)],
        base_model=choices.base_model,
        text_base_model=text_base_model,
    )
    bundle = context.folder / BUNDLE_ARTIFACT
    shutil.rmtree(bundle, ignore_errors=True)  # the attempt before may have been killed while writing it

    spec = VersionSpec(
        model_version=version,
        facts=BundleFacts(
            field=plan.fields[0],
            fields=plan.fixed_fields,
            label_config=manifest.label_config,
            label_config_fingerprint=manifest.label_config_fingerprint,
            snapshot_id=snapshot.id,
        ),
        base_model=choices.base_model,
        settings=settings,
        text_base_model=text_base_model,
        writing=writing,
        start=None if preferred is None else preferred.bundle(),
    )
    training = TrainingContext(
        run=run,
        report=Progress.share_of(report, TRAINING_STARTS, 1.0),
        checkpoints=context.folder / "checkpoints",
        on_checkpoint=lambda name: context.keep(saved=name),
        graphs=GraphStore(services.options.graphs_folder) if services.options.serving.exports_graphs else None,
        deadline=deadline,
        processes=services.options.jobs.train_processes,
    )
    outcome = train_version(learned, spec, bundle, training)
    remarks = (*notes, *left_out, *map(str, unread), *weak.notes, *(preferred.notes if preferred is not None else ()))
    return replace(outcome, warnings=(*outcome.warnings, *remarks)), settled.decisions, edited


def _learning(plan: ServingPlan, preferred: PreferencePairs | None) -> ServingPlan:
    """Return the plan with the controls that are learned."""
    return plan if preferred is None else replace(plan, controls=(preferred.served,))


def _held_out_texts(snapshot: Snapshot) -> list[str]:
    folder = SnapshotFolder(snapshot.path)
    return [row.text for split in Split if split.is_held_out for row in folder.rows(split)]


def _text_base_model(services: Services, choices: TrainingChoices, plan: ServingPlan) -> str:
    """Return what is tuned to write: without another choice, a base model that was named for this training counts."""
    is_named = choices.base_model != services.options.models.base_model
    own = choices.base_model if is_named and not plan.labeled else ""
    return choices.text_base_model or own or services.options.models.text_base_model


def learnable_parts(
    plan: ServingPlan,
    train: Mapping[str, Sequence[Row]],
    validation: Sequence[Row],
    weak: ProposedRows,
    method: Method,
) -> tuple[list["TrainingData"], tuple[str, ...]]:
    """Return the rows to train on per control, and a sentence for every control that cannot be learned yet.

    Args:
        train: the rows to learn from, per control.
        weak: what label sources propose.

    Raises:
        TrainingError: none can.
    """
    from ...learning.rows.collect import training_data

    parts: list[TrainingData] = []
    faults: list[TrainingError] = []
    for served in plan.controls:
        try:
            _check_method(served, method)
            parts.append(training_data(train[served.name], validation, served, weak.rows))
        except TrainingError as error:
            faults.append(error)
    if not parts:
        raise TrainingError("; ".join([*map(str, faults), *weak.notes])) from faults[0]
    return parts, tuple(f"not trained: {fault}" for fault in faults)


def _check_method(served: ServedControl, method: Method) -> None:
    is_text = not served.kind.has_labels
    if is_text and method is Method.REGRESSION:
        raise TrainingError(f"{served.name!r} is answered with a text, which a regression cannot write; wanted lora")
    if not is_text and method is Method.QLORA:
        raise TrainingError(f"{served.name!r} is answered with labels, and method qlora is for texts; wanted lora")


def _log_inputs(run: Run, snapshot: Snapshot, job: Job) -> None:
    run.log_tags({"snapshot_id": snapshot.id, "job_id": str(job.id), "project": snapshot.manifest.project.key})
    contexts = {Split.TRAIN: "training", Split.VALIDATION: "validation", Split.TEST: "testing"}
    for split, context in contexts.items():
        name = f"{split}.jsonl"
        if snapshot.manifest.counts[split]:
            digest = snapshot.manifest.files[name]
            run.log_dataset(snapshot.path / name, f"{snapshot.manifest.project.key}-{split}", digest, context)

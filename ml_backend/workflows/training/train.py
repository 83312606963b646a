"""A training job: snapshot, training, registration, gate and, where the gate says so, promotion."""

import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ... import __version__
from ...domain.example import Row
from ...domain.job import Job, JobKind, JobState
from ...domain.model import Method, ModelVersion, PromotionState, version_name
from ...domain.ports import Run
from ...domain.project import Project
from ...domain.reasons import reason_counts_to_json
from ...domain.snapshot import Snapshot, Split
from ...errors import ModelNotFound, PromotionVetoed, TrainingError
from ...hooks import TrainingInfo
from ...labelstudio.plans import plan_of
from ...snapshots.store import read_rows
from ...tasks import ServedControl, ServingPlan
from ..exporting.reading_faults import reading_faults
from ..jobs.context import JobContext
from ..promoting.gate import hold_gate
from ..promoting.promote import ask_hooks, finish_promotion, promote
from ..services import Services
from .job_snapshot import job_snapshot
from .requests import TrainRequest
from .suspects import trusted_rows

if TYPE_CHECKING:
    from ...learning.rows.data import TrainingData
    from ...learning.run import TrainingOutcome
    from ...measuring.evaluation import Evaluation
    from ...measuring.text_metrics import TextEvaluation

__all__ = ["run_training"]

log = logging.getLogger(__name__)

BUNDLE_ARTIFACT = "bundle"
# Shares of the progress bar, from rough shares of the time.
TRAINING_STARTS, GATE_STARTS, PROMOTION_STARTS = 0.05, 0.85, 0.9


def run_training(services: Services, job: Job, context: JobContext) -> Mapping[str, Any]:
    """Train on the job's snapshot; the result says what came of it.

    A snapshot that the last successful job trained on in the same way is not trained on again: the result is
    that job's, with `same_as` naming it. A later attempt at the job does what the ones before it have not done.
    """
    request = TrainRequest.from_params(job.params)
    project = services.database.projects.get(job.project_id) if job.project_id else None
    snapshot = job_snapshot(services, project, request.snapshot, context)
    earlier = _same_work(services, job, request, snapshot)
    if earlier is not None:
        log.info("snapshot %s is unchanged since job %s", snapshot.id, earlier.id)
        return {**earlier.result, "same_as": earlier.id}
    model, outcome = _train(services, request, snapshot, context)
    if request.out:
        _deliver(model, Path(request.out))
    gate = _gate(services, project, snapshot, model, context)
    decision = gate["decision"]
    is_promoted, vetoes = False, []
    if decision and decision["promote"]:
        try:
            is_promoted = _promote(services, project, model, decision, context)
        except PromotionVetoed as veto:
            log.warning("%s", veto)
            vetoes = [str(veto)]
    return {
        "snapshot_id": snapshot.id,
        "model_version": model.name,
        "model_dir": request.out or str(model.path),
        **outcome,
        "warnings": [*outcome["warnings"], *vetoes],
        "reasons": reason_counts_to_json(snapshot.manifest.reasons),
        "metrics": {"validation": dict(model.metrics), "test": gate["test"]},
        "gate": decision,
        "is_promoted": is_promoted,
        "trigger": request.trigger,
    }


def _same_work(services: Services, job: Job, request: TrainRequest, snapshot: Snapshot) -> Job | None:
    last = services.database.jobs.last(JobKind.TRAIN, job.project_id, JobState.SUCCEEDED)
    if last is None or last.result.get("snapshot_id") != snapshot.id or request.out:
        return None
    if not request.trains_like(TrainRequest.from_params(last.params)):
        return None
    try:
        services.versions.get(str(last.result["model_version"]))
    except ModelNotFound:
        return None
    return services.database.jobs.get(int(last.result.get("same_as", last.id)))


def _train(
    services: Services, request: TrainRequest, snapshot: Snapshot, context: JobContext
) -> tuple[ModelVersion, Mapping[str, Any]]:
    """The registered version, and what the job's result says of its making."""
    key = snapshot.manifest.project.key
    run_id = _resumable_run(services, context)
    if run_id and (made := services.versions.made_by(key, run_id)):
        return services.versions.get(made.name), context.checkpoint["trained"]
    number = services.versions.next_number(key)
    name = version_name(key, number)
    services.hooks.before_training(TrainingInfo(key, snapshot, name, {}))
    context.folder.mkdir(parents=True, exist_ok=True)  # its presence tells that there may be something to clear up
    with services.tracker.run(key, name, resume=run_id) as run:
        context.keep(run_id=run.run_id, made_by=__version__)
        _log_inputs(run, snapshot, context.job)
        outcome = _fit(services, request, snapshot, context, run=run, version=name)
        run.log_folder(outcome.bundle, BUNDLE_ARTIFACT)
        trained = {
            "method": outcome.method,
            "seconds": round(outcome.seconds, 2),
            "warnings": [*snapshot.manifest.warnings, *outcome.warnings],
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
    services: Services, request: TrainRequest, snapshot: Snapshot, context: JobContext, *, run: Run, version: str
) -> "TrainingOutcome":
    from ...domain.progress import Progress
    from ...learning.loop.schedule import Deadline
    from ...learning.overrides import settings_from
    from ...learning.part import VersionSpec
    from ...learning.run import TrainingContext, train_version
    from ...models.bundle.manifest import BundleFacts
    from ...models.graphs.store import GraphStore

    manifest = snapshot.manifest
    plan = plan_of(manifest.label_config)
    settings, writing = settings_from(request.method, request.seed, request.overrides)
    deadline = None if settings.budget_min is None else Deadline.after(60 * settings.budget_min)
    train, notes = trusted_rows(services, request, snapshot, context, settings.suspects)
    context.report(TRAINING_STARTS, "loading", "loading the base model")
    # Held-out rows keep all labels: what they measure must not be what the model likes.
    parts, left_out = _parts(plan, train, list(read_rows(snapshot.path, Split.VALIDATION)), settings.method)
    text_base_model = _text_base_model(services, request, plan)
    unread = reading_faults(
        plan,
        (row for split in Split for row in read_rows(snapshot.path, split)),
        base_model=request.base_model,
        max_length_tokens=settings.max_length_tokens,
        text_base_model=text_base_model,
    )
    bundle = context.folder / BUNDLE_ARTIFACT
    shutil.rmtree(bundle, ignore_errors=True)  # the attempt before may have been killed while writing it

    def report(progress: Progress) -> None:
        share = TRAINING_STARTS + progress.fraction * (GATE_STARTS - TRAINING_STARTS)
        context.report(share, progress.stage, progress.message)

    spec = VersionSpec(
        model_version=version,
        facts=BundleFacts(
            field=plan.field,
            label_config=manifest.label_config,
            label_config_fingerprint=manifest.label_config_fingerprint,
            snapshot_id=snapshot.id,
        ),
        base_model=request.base_model,
        settings=settings,
        text_base_model=text_base_model,
        writing=writing,
    )
    training = TrainingContext(
        run=run,
        report=report,
        checkpoints=context.folder / "checkpoints",
        on_checkpoint=lambda name: context.keep(saved=name),
        graphs=GraphStore(services.options.graphs_folder) if services.options.serving.exports_graphs else None,
        deadline=deadline,
    )
    outcome = train_version(parts, spec, bundle, training)
    return replace(outcome, warnings=(*outcome.warnings, *notes, *left_out, *map(str, unread)))


def _text_base_model(services: Services, request: TrainRequest, plan: ServingPlan) -> str:
    """What is tuned to write: where nothing else is asked for, a base model that was named for this training counts."""
    is_named = request.base_model != services.options.models.base_model
    own = request.base_model if is_named and not plan.labeled else ""
    return request.text_base_model or own or services.options.models.text_base_model


def _parts(
    plan: ServingPlan, train: Mapping[str, Sequence[Row]], validation: Sequence[Row], method: Method
) -> tuple[list["TrainingData"], tuple[str, ...]]:
    """What is trained on per control, and a sentence for every control that cannot be learned yet.

    Args:
        train: the rows to learn from, per control.

    Raises:
        TrainingError: none can.
    """
    from ...learning.rows.collect import training_data

    parts: list[TrainingData] = []
    faults: list[TrainingError] = []
    for served in plan.controls:
        try:
            _check_method(served, method)
            parts.append(training_data(train[served.name], validation, served, plan.field))
        except TrainingError as error:
            faults.append(error)
    if not parts:
        raise TrainingError("; ".join(map(str, faults))) from faults[0]
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


def _deliver(model: ModelVersion, out: Path) -> None:
    """Put a copy of the serving bundle where it was asked for, whole or not at all."""
    unfinished = out.with_name(f".unfinished-{model.name}-{out.name}")
    shutil.rmtree(unfinished, ignore_errors=True)
    shutil.copytree(model.path, unfinished)
    # A folder takes the place of an empty one; an attempt before this one may have delivered already.
    if not out.exists() or not any(out.iterdir()):
        unfinished.rename(out)
    else:
        shutil.rmtree(unfinished)


def _gate(
    services: Services, project: Project | None, snapshot: Snapshot, model: ModelVersion, context: JobContext
) -> Mapping[str, Any]:
    """The gate's decision as JSON values, None where there are no test rows; and the version's test metrics."""
    kept: Mapping[str, Any] | None = context.checkpoint.get("gate")
    if kept is not None and _still_holds(services, project, kept["decision"], context.job):
        return kept
    context.report(GATE_STARTS, "gate", "scoring challenger and champion on the test rows")

    def told(version: str, texts: int) -> None:
        rows = snapshot.manifest.counts[Split.TEST]
        context.report(GATE_STARTS, "gate", f"{version} has answered {texts} of {rows} test rows")

    outcome = hold_gate(services, snapshot, model, project, on_texts=told)
    gate = {
        "decision": asdict(outcome.decision) if outcome else None,
        "test": _test_metrics(outcome.test) if outcome else {},
    }
    context.keep(gate=gate)
    return gate


def _test_metrics(evaluations: Mapping[str, "Evaluation | TextEvaluation"]) -> dict[str, float]:
    """The figures of the only control, or those of several, each under its control's name."""
    if len(evaluations) == 1:
        return next(iter(evaluations.values())).summary()
    return {
        f"{control}.{name}": value
        for control, evaluation in evaluations.items()
        for name, value in evaluation.summary().items()
    }


def _still_holds(services: Services, project: Project | None, decision: Mapping[str, Any] | None, job: Job) -> bool:
    """False where another champion serves than the one that was beaten, and not because of this job."""
    if decision is None or project is None or services.database.promotions.of_job(job.id) is not None:
        return True
    return bool(decision["champion"] == services.versions.serving(project))


def _promote(
    services: Services, project: Project | None, model: ModelVersion, decision: Mapping[str, Any], context: JobContext
) -> bool:
    """Promote the version; False where somebody's forced promotion came before it.

    Raises:
        PromotionVetoed: a hook objects.
    """
    if project is None:
        # Rows of a file: there is no Label Studio to tell, so that it serves is all of it.
        reason, previous = str(decision["reason"]), str(decision["champion"])
        ask_hooks(services, model.project_key, model.name, previous=previous, reason=reason)
        services.versions.serve(model.name)
        services.hooks.model_promoted(model.project_key, model.name, previous, reason)
        return True

    def report(done: float, text: str) -> None:
        context.report(PROMOTION_STARTS + done * (1 - PROMOTION_STARTS), "promoting", text)

    report(0.0, f"pushing the pre-labels of {model.name}")
    begun = services.database.promotions.of_job(context.job.id)
    if begun is not None:
        return finish_promotion(services, project, begun, report).state is PromotionState.DONE
    reason = str(decision["reason"])
    promote(services, project, model.name, reason=reason, job_id=context.job.id, report=report)
    return True

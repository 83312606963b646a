"""A training job: snapshot, training, registration, gate and, where the gate says so, promotion."""

import logging
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..domain.job import Job, JobKind, JobState
from ..domain.model import GateDecision, ModelVersion, version_name
from ..domain.ports import Run
from ..domain.project import Project
from ..domain.snapshot import Snapshot, Split
from ..errors import ModelNotFound, SnapshotError
from ..labelstudio.label_config_xml import parse_label_config
from ..snapshots.store import read_manifest, read_rows
from ..tasks import ServedControl, serving_plan
from .export import export_project
from .gate import hold_gate
from .job_context import JobContext
from .promote import promote
from .retrain import TrainRequest
from .services import Services

__all__ = ["run_training"]

log = logging.getLogger(__name__)

BUNDLE_ARTIFACT = "bundle"
# Shares of the progress bar, from rough shares of the time.
TRAINING_STARTS, GATE_STARTS, PROMOTION_STARTS = 0.05, 0.85, 0.9


def run_training(services: Services, job: Job, context: JobContext) -> Mapping[str, Any]:
    """Train on the job's snapshot; the result says what came of it.

    A snapshot that the last successful job trained on in the same way is not trained on again: the result is
    that job's, with `same_as` naming it.
    """
    request = TrainRequest.from_params(job.params)
    project = services.database.projects.get(job.project_id) if job.project_id else None
    snapshot = _snapshot(services, project, request, context)
    earlier = _same_work(services, job, request, snapshot)
    if earlier is not None:
        log.info("snapshot %s is unchanged since job %s", snapshot.id, earlier.id)
        return {**earlier.result, "same_as": earlier.id}
    model, outcome = _train(services, request, snapshot, context)
    if request.out:
        shutil.copytree(model.path, request.out, dirs_exist_ok=True)
    services.registry.set_challenger(model.name)
    context.report(GATE_STARTS, "gate", "scoring challenger and champion on the test rows")
    gate = hold_gate(services, snapshot, model, project)
    is_promoted = gate is not None and gate.decision.promote
    if gate is not None and is_promoted:
        _promote(services, project, model, gate.decision, context)
    return {
        "snapshot_id": snapshot.id,
        "model_version": model.name,
        "model_dir": request.out or str(model.path),
        **outcome,
        "metrics": {"validation": dict(model.metrics), "test": gate.test.summary() if gate else {}},
        "gate": asdict(gate.decision) if gate else None,
        "is_promoted": is_promoted,
        "trigger": request.trigger,
    }


def _snapshot(services: Services, project: Project | None, request: TrainRequest, context: JobContext) -> Snapshot:
    if request.snapshot:
        path = Path(request.snapshot)
        return Snapshot(path, read_manifest(path))
    if project is None:
        raise SnapshotError("neither a project nor a snapshot was given; name one of them")
    context.report(0.0, "snapshot", "reading the reviewed tasks from Label Studio")
    return export_project(services, project)


def _same_work(services: Services, job: Job, request: TrainRequest, snapshot: Snapshot) -> Job | None:
    last = services.database.jobs.last(JobKind.TRAIN, job.project_id, JobState.SUCCEEDED)
    if last is None or last.result.get("snapshot_id") != snapshot.id or request.out:
        return None
    if not request.trains_like(TrainRequest.from_params(last.params)):
        return None
    try:
        services.registry.get(str(last.result["model_version"]))
    except ModelNotFound:
        return None
    return services.database.jobs.get(int(last.result.get("same_as", last.id)))


def _train(
    services: Services, request: TrainRequest, snapshot: Snapshot, context: JobContext
) -> tuple[ModelVersion, dict[str, Any]]:
    from ..encoders.bundle import BundleFacts
    from ..training.data import training_data
    from ..training.run import Progress, train_classifier
    from ..training.settings import TrainingSettings

    context.report(TRAINING_STARTS, "loading", "loading the base model")
    manifest = snapshot.manifest
    key = manifest.project.key
    served = serving_plan(parse_label_config(manifest.label_config)).served
    number = services.registry.next_number(key)
    version = version_name(key, number)
    settings = TrainingSettings(method=request.method, seed=request.seed).with_overrides(request.overrides)
    data = training_data(
        list(read_rows(snapshot.path, Split.TRAIN)),
        list(read_rows(snapshot.path, Split.VALIDATION)),
        served.control,
    )

    def report(progress: Progress) -> None:
        share = TRAINING_STARTS + progress.fraction * (GATE_STARTS - TRAINING_STARTS)
        context.report(share, progress.stage, progress.message)

    scratch = services.options.home / "tmp"
    scratch.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix=f"job-{context.job.id}-", dir=scratch) as folder,
        services.tracker.run(key, version) as run,
    ):
        _log_inputs(run, snapshot, context.job)
        outcome = train_classifier(
            data,
            settings,
            model_version=version,
            facts=_facts(BundleFacts, served, snapshot),
            base_model=request.base_model,
            out=Path(folder) / BUNDLE_ARTIFACT,
            report=report,
            run=run,
        )
        run.log_folder(outcome.bundle, BUNDLE_ARTIFACT)
        model = services.registry.register(
            key,
            number=number,
            run_id=run.run_id,
            artifact_path=BUNDLE_ARTIFACT,
            method=outcome.method,
            snapshot_id=snapshot.id,
            label_config_fingerprint=manifest.label_config_fingerprint,
            metrics=outcome.metrics,
        )
    return model, {
        "method": outcome.method,
        "seconds": round(outcome.seconds, 2),
        "warnings": [*manifest.warnings, *outcome.warnings],
    }


def _facts(facts: type[Any], served: ServedControl, snapshot: Snapshot) -> Any:
    manifest = snapshot.manifest
    return facts(
        control_name=served.control.name,
        to_name=served.control.object.name,
        field=served.field,
        label_config=manifest.label_config,
        label_config_fingerprint=manifest.label_config_fingerprint,
        snapshot_id=snapshot.id,
    )


def _log_inputs(run: Run, snapshot: Snapshot, job: Job) -> None:
    run.log_tags({"snapshot_id": snapshot.id, "job_id": str(job.id), "project": snapshot.manifest.project.key})
    contexts = {Split.TRAIN: "training", Split.VALIDATION: "validation", Split.TEST: "testing"}
    for split, context in contexts.items():
        name = f"{split}.jsonl"
        if snapshot.manifest.counts[split]:
            digest = snapshot.manifest.files[name]
            run.log_dataset(snapshot.path / name, f"{snapshot.manifest.project.key}-{split}", digest, context)


def _promote(
    services: Services, project: Project | None, model: ModelVersion, decision: GateDecision, context: JobContext
) -> None:
    if project is None:
        # Rows of a file: there is no Label Studio to tell, so moving the alias is all of it.
        services.registry.set_champion(model.name)
        return

    def report(done: float, text: str) -> None:
        context.report(PROMOTION_STARTS + done * (1 - PROMOTION_STARTS), "promoting", text)

    report(0.0, f"pushing the pre-labels of {model.name}")
    promote(services, project, model.name, reason=decision.reason, report=report)

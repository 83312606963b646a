"""A state as a running installation leaves it: real workflows, a real registry, real bundles of a tiny base model."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ml_backend.bootstrap import build_services
from ml_backend.config import load_settings
from ml_backend.domain.job import JobState
from ml_backend.domain.model import GateDecision, ModelVersion
from ml_backend.domain.project import Project
from ml_backend.domain.snapshot import SplitFractions
from ml_backend.labelstudio.payloads import parse_webhook
from ml_backend.workflows.connecting.projects import remember_project
from ml_backend.workflows.exporting.snapshots import export_project
from ml_backend.workflows.labeling.ingest import receive
from ml_backend.workflows.promoting.promote import Promoter
from ml_backend.workflows.services import Services
from tests.fake_studio import FakeStudio
from tests.fakes import register_version
from tests.services import CONFIG, add_studio_project, choice
from tests.tiny_models import save_tiny_model

__all__ = ["CHAMPION", "TASKS", "make_live_state", "predict_request", "write_tasks"]

LABELS = ("Billing", "Shipping", "Returns")
TEXTS = ["where is my card", "the money is late", "lost my card", "refund the money please", "bank transfer late"]
TASKS = [{"data": {"text": text}} for text in [*TEXTS, "top up the card", "a b c d"]]
CHAMPION = "support-tickets-1-v2"


def make_live_state(home: Path, base: Path) -> Project:
    """A project with events, a snapshot, a gate, jobs in three states and two promotions, the second of `CHAMPION`.

    Args:
        base: new folder for the tiny base model, which is no part of the state.
    """
    settings = load_settings(home=home, base_model=save_tiny_model("bert", base))
    services = replace(build_services(settings), studio=FakeStudio())
    info = add_studio_project(services, [*TEXTS, "please help"], title="Support tickets")
    project = remember_project(services, info.id, info.label_config, title=info.title, split=SplitFractions(1, 0, 0))
    for task_id, label in ((1, "Shipping"), (2, "Billing"), (3, "Shipping")):
        stored = services.studio.submit_annotation(task_id, {"result": choice(label), "lead_time": 2.5})
        receive(services, parse_webhook(services.studio.event("ANNOTATION_CREATED", stored["id"])))
    snapshot = export_project(services, project)
    jobs = services.database.jobs
    done, _ = jobs.request("train", project.id, {"seed": 1, "out": None}, dedupe_key="train:1", claim=True)
    for seed in (1, 2):
        name = _register(services, project, settings.models.base_model, snapshot.id, seed)
        Promoter(services).promote(project, name, reason=f"ruling é {seed}")
    jobs.finish(done, JobState.SUCCEEDED, result={"model_version": CHAMPION, "is_promoted": True})
    failed, _ = jobs.request("prelabel", project.id, {}, dedupe_key="prelabel:1", claim=True)
    jobs.finish(failed, JobState.FAILED, error="Label Studio was away")
    jobs.request("train", project.id, {"seed": 2}, dedupe_key="train:1")
    scores = (0.5, 0.75, 0.25, None, 0.95)
    decision = GateDecision(True, False, "better", 5, "v1", CHAMPION, *scores, earlier_gates=1, warnings=("few rows",))
    services.database.gates.add(project.ref.key, snapshot.id, decision)
    services.close()
    return project


def predict_request(project: Project) -> dict[str, Any]:
    """What Label Studio asks of `/predict`."""
    tasks = [{"id": number, **task} for number, task in enumerate(TASKS, start=1)]
    return {"project": f"{project.id}.1700000000", "label_config": CONFIG, "tasks": tasks}


def _register(services: Services, project: Project, base_model: str, snapshot_id: str, seed: int) -> str:
    """A registered version with random weights; its name."""
    from ml_backend.models.base.base_model import weights_sha256
    from ml_backend.models.bundle.bundle import write_bundle
    from ml_backend.models.bundle.head import Head
    from ml_backend.models.bundle.manifest import BundleFacts, BundleManifest
    from ml_backend.models.decoders.softmax import SoftmaxDecoder
    from tests.trained_parts import written_part

    number = services.versions.next_number(project.ref.key)
    name = ModelVersion.name_of(project.ref.key, number)
    manifest = BundleManifest(
        model_version=name,
        base_model=base_model,
        base_model_sha256=weights_sha256(base_model),
        facts=BundleFacts(
            field="text",
            label_config=CONFIG,
            label_config_fingerprint=project.label_config_fingerprint,
            snapshot_id=snapshot_id,
        ),
        parts=(),
        seed=seed,
        created_at="2026-01-01T00:00:00+00:00",
        libraries={},
    )
    weight = np.random.default_rng(seed).normal(size=(len(LABELS), 16)).astype(np.float32)
    part = written_part(
        services.options.home.parent / f"part-{number}",
        Head(weight, np.zeros(len(LABELS), dtype=np.float32)),
        SoftmaxDecoder(labels=LABELS),
        control="category",
        quantiles=tuple(0.3 + 0.6 * step / 100 for step in range(101)),
    )
    bundle = services.options.home.parent / f"bundle-{number}"
    write_bundle(bundle, manifest, [part], trained_on=TEXTS)
    with services.tracker.run(project.ref.key, name) as run:
        run.log_params({"seed": seed})
        for step in range(20):
            run.log_metrics({"loss": 1 / (step + 1)}, step=step)
        run.log_metrics({"macro_f1": float("nan")})
        run.log_folder(bundle, "bundle")
        run.log_table([{"label": label, "f1": 0.5} for label in LABELS], "per_class.json")
        register_version(
            services.versions,
            project.ref.key,
            run_id=run.run_id,
            snapshot_id=snapshot_id,
            label_config_fingerprint=project.label_config_fingerprint,
            metrics={"test_macro_f1": 0.5 + seed / 10},
        )
    return name


def write_tasks(folder: Path) -> Path:
    """A file of `TASKS` for `labelloop predict`."""
    file = folder / "tasks.json"
    file.write_text(json.dumps(TASKS), encoding="utf-8")
    return file

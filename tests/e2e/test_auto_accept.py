"""Accepting by a certificate, from the plan to the undoing: a real Label Studio and backend."""

import random
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ml_backend.domain.annotation import Annotation
from ml_backend.domain.model import Method
from ml_backend.domain.snapshot import Split, SplitFractions
from ml_backend.labelstudio.http import StudioHttp
from ml_backend.labelstudio.local import LocalStudio
from ml_backend.workflows.accepting.in_force import certificate_in_force
from ml_backend.workflows.exporting.snapshots import export_project
from ml_backend.workflows.jobs.kinds.accept import AcceptJob
from ml_backend.workflows.jobs.kinds.base import JobKind
from ml_backend.workflows.jobs.kinds.promote import PromoteJob
from ml_backend.workflows.jobs.kinds.train import TrainJob
from ml_backend.workflows.splits import splits_of
from tests.backend_process import command_result
from tests.e2e.loops import Loop, config_of, connected_loop
from tests.running import until
from tests.studio import TOKEN, choice

pytestmark = pytest.mark.long

WORDS = {
    "Billing": "invoice refund card charged payment receipt tax price discount bank debit currency fee amount",
    "Shipping": "parcel courier delivery tracking truck warehouse address postman late shipped route depot van",
    "Account Access": "password login account locked email verification code username signin reset security token pin",
}
TASKS, TRAIN_LABELED = 920, 60


def test_a_certificate_accepts_is_audited_refuted_and_undone(studio: LocalStudio, tmp_path: Path) -> None:
    label_of = _texts()
    tasks = [{"data": {"text": text}} for text in label_of]
    split = SplitFractions(0.66, 0.06, 0.28)
    with connected_loop(
        studio, tmp_path, "Certified", config_of("classification"), tasks, split=split, audit_after_training=False
    ) as loop:
        services, project = loop.services, loop.project
        _label_held_out_and_some(loop, label_of)
        training = TrainJob.by_settings(services, "command").model_copy(update={"method": Method.REGRESSION})
        version = str(_done(loop, training)["model_version"])
        if services.versions.serving(project) != version:
            _done(loop, PromoteJob(version=version, reason="for this test", is_forced=True))

        plan = _command(loop, "plan")
        assert (plan["version"], plan["left_out"], plan["spent"]) == (version, 0, 0)
        two = plan["forecasts"][1]
        assert plan["test_rows"] >= two["rows_needed"] == 170
        assert two["tasks"] >= 500

        before = _annotations(loop)
        outcome = _command(loop, "on", "--limit", "0.02", "--audit-share", "0.08")
        certificate = certificate_in_force(services, project)
        assert certificate is not None
        assert certificate.id == outcome["certificate"]["id"]
        made = _annotations(loop).keys() - before.keys()
        assert len(made) == outcome["accepted"] >= 500
        assert _done(loop, AcceptJob(trigger="command"))["accepted"] == 0
        assert _labeled_in_the_data_manager(loop) == len(before) + len(made)
        # The webhook told of each, and none is a label.
        assert not services.database.events.by_annotation(project.id).keys() & made
        snapshot = export_project(services, project, is_for_training=False)
        assert sum(snapshot.manifest.counts.values()) <= len(before)

        audits = [each.task_id for each in services.database.acceptances.audits(project.id, version)]
        assert len(audits) == outcome["audits"] > 15
        assert loop.prediction(audits[0], version)["result"] == []
        _submit(loop, {task_id: _label(loop, task_id, label_of) for task_id in audits[:8]})
        until(lambda: _answered(loop, version) == 8, "eight answers to audits")
        assert certificate_in_force(services, project) == certificate
        _submit(loop, dict.fromkeys(audits[8:14], "Complaint"))
        until(lambda: certificate_in_force(services, project) is None, "the certificate's end")
        assert services.database.certificates.all(project.id)[0].was_refuted

        changed, *_ = sorted(made)
        with closing(StudioHttp(services.studio.url, TOKEN, timeout_s=30.0)) as http:
            http.send("PATCH", f"api/annotations/{changed}/", {"result": choice("Returns"), "lead_time": 3.0})
        present = _annotations(loop).keys()
        undone = _command(loop, "undo", version)
        assert (undone["deleted"], undone["changed"], undone["gone"]) == (len(made) - 1, 1, 0)
        assert present - _annotations(loop).keys() == made - {changed}
        assert _command(loop, "off") == {"was_on": False}


def _texts() -> dict[str, str]:
    """Texts that nobody can take for another label's, none much like another, with their labels."""
    draw = random.Random(1)
    texts: dict[str, str] = {}
    while len(texts) < TASKS:
        label = sorted(WORDS)[len(texts) % len(WORDS)]
        words = draw.sample(WORDS[label].split(), 5)
        texts[f"{' '.join(words)} {draw.randrange(10**6)}"] = label
    return texts


def _label_held_out_and_some(loop: Loop, label_of: dict[str, str]) -> None:
    """Label every held-out task, blind, and a few others, as experts do."""
    tasks = list(loop.open_tasks())
    splits = splits_of(loop.services, loop.project, [task.data["text"] for task in tasks])
    train = [task for task, split in zip(tasks, splits, strict=True) if split is Split.TRAIN]
    held_out = [task for task, split in zip(tasks, splits, strict=True) if split is not Split.TRAIN]
    chosen = [*held_out, *train[:TRAIN_LABELED]]
    _submit(loop, {task.id: label_of[task.data["text"]] for task in chosen})
    labeled = [task.id for task in chosen]
    events = loop.services.database.events
    until(lambda: len(events.labeled(loop.project.id, labeled)) == len(labeled), "every event")


def _submit(loop: Loop, labels: dict[int, str]) -> None:
    for task_id, label in labels.items():
        loop.services.studio.submit_annotation(task_id, {"result": choice(label), "lead_time": 2.0})


def _label(loop: Loop, task_id: int, label_of: dict[str, str]) -> str:
    (task,) = loop.services.studio.tasks_by_id(loop.project.id, [task_id])
    return label_of[task.data["text"]]


def _answered(loop: Loop, version: str) -> int:
    audits = loop.services.database.acceptances.audits(loop.project.id, version)
    return sum(each.answered_at is not None for each in audits)


def _annotations(loop: Loop) -> dict[int, Annotation]:
    tasks = loop.services.studio.reviewed_tasks(loop.project.id)
    return {annotation.id: annotation for task in tasks for annotation in task.annotations}


def _labeled_in_the_data_manager(loop: Loop) -> int:
    """Tasks that the Data Manager lists as labeled."""
    with closing(StudioHttp(loop.services.studio.url, TOKEN, timeout_s=60.0)) as http:
        is_labeled = {"filter": "filter:tasks:total_annotations", "operator": "greater", "type": "Number", "value": 0}
        view = {"title": "Labeled", "filters": {"conjunction": "and", "items": [is_labeled]}}
        tab = loop.services.studio.create_view(loop.project.id, view)
        return int(http.get("api/tasks", {"view": tab["id"], "page_size": 1})["total"])


def _command(loop: Loop, *arguments: str) -> dict[str, Any]:
    """The JSON that `labelloop auto-accept` prints."""
    options, project = loop.services.options, ("--project", str(loop.project.id))
    given = options.environment()
    return dict(command_result(options.home, "auto-accept", *arguments, *project, environment=given))


def _done(loop: Loop, kind: JobKind) -> dict[str, Any]:
    job, _ = kind.request(loop.services, loop.project.id)
    return dict(loop.backend.finish(loop.services, job).result)

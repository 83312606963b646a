"""Kinds of jobs: what a request for each leaves in the database, and which requests are the same work."""

from dataclasses import replace
from pathlib import Path

import pytest

from ml_backend.domain.job import JobState
from ml_backend.domain.model import Method, WeakRows
from ml_backend.domain.project import Project
from ml_backend.errors import JobError, ProjectNotFound
from ml_backend.workflows.jobs.kinds.accept import AcceptJob
from ml_backend.workflows.jobs.kinds.audit import AuditJob
from ml_backend.workflows.jobs.kinds.base import JobKind
from ml_backend.workflows.jobs.kinds.certify import CertifyJob
from ml_backend.workflows.jobs.kinds.check_sources import CheckSourcesJob
from ml_backend.workflows.jobs.kinds.compare import CompareJob
from ml_backend.workflows.jobs.kinds.export import ExportJob
from ml_backend.workflows.jobs.kinds.plan_acceptance import PlanAcceptanceJob
from ml_backend.workflows.jobs.kinds.prelabel import PrelabelJob
from ml_backend.workflows.jobs.kinds.promote import PromoteJob
from ml_backend.workflows.jobs.kinds.report import ReportJob
from ml_backend.workflows.jobs.kinds.select import SelectJob
from ml_backend.workflows.jobs.kinds.train import TrainJob
from ml_backend.workflows.jobs.kinds.undo import UndoJob
from ml_backend.workflows.services import Services
from tests.services import build_test_services

TRAINING = TrainJob(
    trigger="command",
    base_model="base",
    seed=3,
    method=Method.LORA,
    overrides={"epochs": "2"},
    snapshot="/snapshots/x",
    out="/out",
)
ONE_OF_EACH = [
    TRAINING,
    PrelabelJob(trigger="import"),
    PromoteJob(version=None, reason="worse", is_forced=True),
    CompareJob(champion="a-7-v1", challenger="a-7-v2", actor="anna"),
    AuditJob(trigger="command", is_deep=True),
    SelectJob(trigger="command", strategy="margin", count=5),
    AcceptJob(trigger="push"),
    UndoJob(version="tickets-1-v1"),
    ReportJob(trigger="page", target=0.9),
    PlanAcceptanceJob(trigger="page"),
    CertifyJob(trigger="page", limit=0.02, audit_share=0.05),
    CheckSourcesJob(trigger="page"),
    ExportJob(trigger="page", snapshot_id="0123456789abcdef", format_name="csv"),
]


def test_each_kind_is_one_file_and_its_requests_survive_the_jobs_row(services: Services, project: Project) -> None:
    assert set(JobKind.all().values()) == {type(wanted) for wanted in ONE_OF_EACH}
    for wanted in ONE_OF_EACH:
        job, is_new = wanted.request(services, project.id)
        assert (job.kind, job.state, job.project_id, is_new) == (wanted.name, JobState.QUEUED, project.id, True)
        assert JobKind.of(job)(**job.params) == wanted
        assert wanted.request(services, project.id) == (job, False)


def test_rows_keep_the_parameters_that_earlier_versions_wrote() -> None:
    promotion = PromoteJob(version=None, reason="worse", is_forced=True).model_dump(mode="json")
    del promotion["actor"]  # there was a time before it
    assert promotion == {"version": None, "reason": "worse", "is_forced": True}
    written = TRAINING.model_dump(mode="json")
    assert written["method"] == "lora"
    del written["text_base_model"], written["actor"], written["weak_rows"], written["sources"], written["tasks"]
    assert TrainJob(**written) == TRAINING


def test_a_kind_that_this_version_does_not_know_is_an_error_that_names_those_it_knows(
    services: Services, project: Project
) -> None:
    job = replace(ONE_OF_EACH[1].request(services, project.id)[0], kind="dream")

    known = ", ".join(sorted(wanted.name for wanted in ONE_OF_EACH))
    with pytest.raises(JobError, match=f"this version knows {known}"):
        JobKind.of(job)


@pytest.mark.parametrize(
    ("changes", "is_same"),
    [
        ({"trigger": "policy", "snapshot": None, "out": None}, True),
        ({"base_model": "other"}, False),
        ({"text_base_model": "other"}, False),
        ({"seed": 4}, False),
        ({"method": Method.AUTO}, False),
        ({"overrides": {"epochs": "3"}}, False),
        ({"weak_rows": WeakRows.NONE}, False),
    ],
)
def test_what_trains_alike_is_known(changes: dict[str, object], is_same: bool) -> None:
    assert TRAINING.trains_like(TRAINING.model_copy(update=changes)) is is_same


def test_a_training_takes_base_model_seed_and_sources_from_the_settings(tmp_path: Path) -> None:
    services = build_test_services(tmp_path, sources="/reasons", weak_rows="rows")

    wanted = TrainJob.by_settings(services, "page")

    base_model = services.options.models.base_model
    assert wanted == TrainJob(
        trigger="page", base_model=base_model, seed=1, weak_rows=WeakRows.ROWS, sources="/reasons"
    )


def test_triggers_get_the_job_that_waits_or_runs(services: Services, project: Project) -> None:
    first, _ = TrainJob.by_settings(services, "page").request(services, 1)
    assert TrainJob.by_settings(services, "label-studio").request(services, 1) == (first, False)

    running = services.database.jobs.claim()

    assert TrainJob.by_settings(services, "policy").request(services, 1) == (running, False)


def test_two_trainings_on_files_are_never_the_same_work(services: Services) -> None:
    jobs = [TRAINING.request(services, 0, claim=True) for _ in range(2)]

    assert [(job.state, is_new) for job, is_new in jobs] == [(JobState.RUNNING, True)] * 2


def test_an_audit_alone_runs_beside_another_job_of_its_project(services: Services, project: Project) -> None:
    PrelabelJob(trigger="page").request(services, 1, claim=True)

    assert AuditJob(trigger="training").request(services, 1, claim=True)[0].state is JobState.RUNNING
    with pytest.raises(JobError, match="project 1 is busy with job 1"):
        TrainJob.by_settings(services, "command").request(services, 1, claim=True)


def test_equal_audits_are_one_job_and_other_ones_are_not(services: Services, project: Project) -> None:
    first, _ = AuditJob(trigger="training").request(services, 1)

    assert AuditJob(trigger="command").request(services, 1) == (first, False)
    assert AuditJob(trigger="command", is_deep=True).request(services, 1)[1]
    assert AuditJob(trigger="command", is_pushed=True).request(services, 1)[1]
    assert AuditJob(trigger="command", snapshot="/a").request(services, 0)[1]
    assert AuditJob(trigger="command", snapshot="/b" * 300).request(services, 0)[1]


def test_unknown_projects_get_no_jobs(services: Services) -> None:
    for wanted in ONE_OF_EACH:
        with pytest.raises(ProjectNotFound):
            wanted.request(services, 9)
    assert services.database.jobs.newest() == []

import json
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ml_backend.domain.example import Row
from ml_backend.domain.job import Job, JobState
from ml_backend.domain.model import Method, Suspects
from ml_backend.domain.progress import Progress
from ml_backend.domain.quality import IssueKind
from ml_backend.domain.snapshot import Snapshot, Split, SplitFractions
from ml_backend.learning.rows.suspects import Suspicion
from ml_backend.snapshots.store import SnapshotFolder
from ml_backend.workflows.auditing.audit import AuditFiles, audit_snapshot
from ml_backend.workflows.jobs.context import JobContext
from ml_backend.workflows.jobs.kinds.train import TrainJob
from ml_backend.workflows.jobs.run_job import run_job
from ml_backend.workflows.services import Services
from ml_backend.workflows.training.suspects import suspicion, trusted_rows
from tests.services import add_project, build_test_services, choice
from tests.unit.workflows.audits import FILLERS, Case, run_audit, training_context

WORDS = {"Billing": "card", "Shipping": "late", "Returns": "refund"}
ROWS_PER_CLASS = 30
CONTROL = "category"
WRONG = 3
"""Tasks whose label is not that of their word."""


@pytest.fixture
def services(base_model: str, tmp_path: Path) -> Services:
    return build_test_services(tmp_path, base_model=base_model)


@pytest.fixture
def case(services: Services) -> Case:
    return labeled_by_word(services)


def labeled_by_word(services: Services) -> Case:
    """A project whose labels follow one word of the text, some of them not."""
    project = add_project(services)
    items = []
    for position in range(ROWS_PER_CLASS):
        for label, word in WORDS.items():
            filler = [FILLERS[(position * step + step) % len(FILLERS)] for step in (1, 3, 5)]
            text = " ".join([word, *filler, word, f"{word} number{position}", word])
            items.append((text, label))
    wrong = {position * 31 + 4: "Returns" for position in range(WRONG)}
    services.studio.import_tasks(
        project.id,
        [
            {
                "data": {"text": text},
                "annotations": [{"result": choice(wrong.get(n, label) if label != "Returns" else label)}],
            }
            for n, (text, label) in enumerate(items)
        ],
    )
    return Case(services, project, services.studio)


def train_rows(snapshot: Snapshot) -> list[Row]:
    return list(SnapshotFolder(snapshot.path).rows(Split.TRAIN))


def suspicion_of(services: Services, snapshot: Snapshot) -> Suspicion:
    return suspicion(services, snapshot, base_model=services.options.models.base_model)[CONTROL]


def trusted(services: Services, snapshot: Snapshot, context: JobContext, handling: Suspects) -> Any:
    return trusted_rows(services, snapshot, context, handling, base_model=services.options.models.base_model)


def test_an_audit_of_a_project_writes_three_reports_and_labels_still_count_as_new_to_training(
    services: Services, case: Case
) -> None:
    job = run_audit(services)

    assert (job.state, job.error) == (JobState.SUCCEEDED, None)
    folder = Path(job.result["path"])
    assert folder == services.options.home / "audits" / case.project.ref.key / job.result["snapshot_id"]
    assert {"audit.json", "audit.csv", "audit.html"} <= {path.name for path in folder.iterdir()}
    found = json.loads((folder / "audit.json").read_text())
    assert found["snapshot_id"] == job.result["snapshot_id"]
    assert found["rows"] == job.result["rows"] == 3 * ROWS_PER_CLASS
    assert found["probabilities_from"].startswith("logistic regression on frozen features of ")
    assert job.result["counts"] == Counter(issue["issue"] for issue in found["issues"])
    assert job.result["pushed"] is None
    assert case.writes() == []
    assert services.database.snapshots.last(case.project.id) is None


def test_held_out_rows_get_no_suggestion_and_a_second_audit_takes_the_probabilities_of_the_first(
    services: Services, case: Case
) -> None:
    snapshot = case.snapshot()
    stages: list[str] = []
    first = audit_snapshot(services, snapshot)

    second = audit_snapshot(services, snapshot, report=lambda progress: stages.append(progress.stage))

    assert replace(second, seconds=first.seconds) == first
    assert "embedding" not in stages
    assert "judging" not in stages
    assert {issue.suggested for issue in first.issues if issue.split.is_held_out} <= {None}
    assert len(first.quality) == 3 * ROWS_PER_CLASS


def test_an_audit_is_pushed_where_that_was_asked_for(services: Services, case: Case) -> None:
    job = run_audit(services, is_pushed=True)

    assert job.state is JobState.SUCCEEDED
    assert list(job.result["pushed"]["tabs"]) == ["Likely label errors"]
    assert len(case.writes()) == job.result["pushed"]["written"] > 0


def test_an_audit_waits_for_another_of_the_same_project(services: Services, case: Case) -> None:
    snapshot = case.snapshot()
    stages: list[str] = []

    class GivenUp(Exception):
        pass

    def report(progress: Progress) -> None:
        stages.append(progress.stage)
        raise GivenUp

    with services.database.locks.attempt(f"audit-{case.project.ref.key}"), pytest.raises(GivenUp):
        audit_snapshot(services, snapshot, report=report)

    assert stages == ["waiting"]


class TestSuspects:
    def test_they_are_the_train_rows_with_a_likely_error(self, services: Services, case: Case) -> None:
        snapshot = case.snapshot()
        audit = audit_snapshot(services, snapshot)

        found = suspicion_of(services, snapshot)

        errors = [issue for issue in audit.issues if issue.kind is IssueKind.LABEL_ERROR]
        assert found.suspects == {issue.row_id for issue in errors if issue.split is Split.TRAIN}
        assert found.suspects
        assert found.quality == {row.id: audit.quality[row.task_id] for row in train_rows(snapshot)}

    def test_a_label_that_somebody_confirmed_is_beyond_doubt(self, services: Services, case: Case) -> None:
        run_audit(services, is_pushed=True)
        flag = next(flag for flag in services.database.flags.open(case.project.id) if not flag.is_held_out)
        services.clock.advance(3600)  # type: ignore[attr-defined]
        case.confirm(flag.task_id)
        run_audit(services, is_pushed=True)
        snapshot = case.snapshot()

        found = suspicion_of(services, snapshot)

        (row,) = (row for row in train_rows(snapshot) if row.task_id == flag.task_id)
        assert row.id not in found.suspects
        assert row.id not in found.quality

    def test_they_are_left_out_or_weighted_down_as_the_training_says(
        self, services: Services, case: Case, tmp_path: Path
    ) -> None:
        snapshot = case.snapshot()
        context = training_context(services, tmp_path / "job")
        found = suspicion_of(services, snapshot)

        less, left_out = trusted(services, snapshot, context, Suspects.EXCLUDE)
        lighter, _ = trusted(services, snapshot, context, Suspects.DOWNWEIGHT)
        kept, nothing = trusted(services, snapshot, context, Suspects.KEEP)

        assert {row.id for row in train_rows(snapshot)} - {row.id for row in less[CONTROL]} == found.suspects
        assert [row.weight for row in lighter[CONTROL]] == pytest.approx(
            [max(found.quality[row.id], 0.05) for row in lighter[CONTROL]]
        )
        assert kept == {CONTROL: train_rows(snapshot)}
        assert left_out[0].startswith(f"{len(found.suspects)} train rows were left out")
        assert nothing == ()

    def test_a_later_attempt_has_the_suspects_of_the_first(
        self, services: Services, case: Case, tmp_path: Path
    ) -> None:
        snapshot = case.snapshot()
        context = training_context(services, tmp_path / "job")
        first, _ = trusted(services, snapshot, context, Suspects.DOWNWEIGHT)
        shutil.rmtree(AuditFiles.of(services, snapshot).folder)

        again, _ = trusted_rows(services, snapshot, context, Suspects.DOWNWEIGHT, base_model="/nowhere")

        assert again == first


class TestAfterTraining:
    @pytest.fixture
    def make_case(self, base_model: str, tmp_path: Path) -> Callable[..., Case]:
        """Makes the project with train rows alone: without test rows there is no gate, which needs real models."""
        return lambda **options: labeled_by_word(
            build_test_services(tmp_path, base_model=base_model, split=SplitFractions(1, 0, 0), **options)
        )

    def trained(self, case: Case) -> Job:
        base_model = case.services.options.models.base_model
        wanted = TrainJob(trigger="test", base_model=base_model, seed=1, method=Method.REGRESSION)
        job, _ = wanted.request(case.services, 1, claim=True)
        run_job(case.services, job.id)
        return case.services.database.jobs.get(job.id)

    def audits(self, case: Case) -> list[Job]:
        return [job for job in case.services.database.jobs.newest() if job.kind == "audit"]

    def test_an_audit_is_asked_for_that_is_pushed(self, make_case: Callable[..., Case]) -> None:
        case = make_case()

        assert self.trained(case).state is JobState.SUCCEEDED

        (job,) = self.audits(case)
        assert (job.state, job.params["trigger"], job.params["is_pushed"]) == (JobState.QUEUED, "training", True)

    def test_not_where_the_setting_says_so(self, make_case: Callable[..., Case]) -> None:
        case = make_case(audit_after_training=False)

        assert self.trained(case).state is JobState.SUCCEEDED
        assert self.audits(case) == []

    def test_not_after_a_training_that_failed(self, make_case: Callable[..., Case]) -> None:
        case = make_case()
        case.studio.tasks.clear()

        assert self.trained(case).state is JobState.FAILED
        assert self.audits(case) == []


def test_texts_that_are_read_in_part_or_not_at_all_are_named(services: Services, case: Case) -> None:
    case.studio.import_tasks(
        case.project.id, [{"text": "card " * 4001}, *[{"text": f"незнакомый текст {n}"} for n in range(50)]]
    )
    for task in list(case.studio.tasks)[-51:]:
        case.studio.submit_annotation(task, {"result": choice("Billing")})

    warnings = audit_snapshot(services, case.snapshot()).warnings

    assert any("1 of 141 texts (0.7%) have more than 20,000 bytes" in warning for warning in warnings)
    assert any("cannot read these texts well" in warning for warning in warnings)

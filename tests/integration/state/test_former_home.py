"""A home of a former release opens, serves what it served, trains and promotes; see `former_home/README.md`."""

import json
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete

from ml_backend.bootstrap import build_services
from ml_backend.config import load_settings
from ml_backend.domain.flag import FlagOutcome
from ml_backend.domain.job import JobState
from ml_backend.domain.model import Method
from ml_backend.domain.snapshot import SplitRule
from ml_backend.storage.database import Database
from ml_backend.workflows.exporting.snapshots import export_project
from ml_backend.workflows.jobs.kinds.train import TrainJob
from ml_backend.workflows.jobs.run_job import run_job
from ml_backend.workflows.promoting.promote import Promoter
from ml_backend.workflows.services import Services
from ml_backend.workflows.splits import splits_of
from ml_backend.workflows.state.backup import restore
from tests.fake_studio import FakeStudio
from tests.services import add_studio_project

KEPT = Path(__file__).parent / "former_home" / "home.tar.xz"
REPOSITORY = Path(__file__).resolve().parents[3]
TICKETS, BANK = 1, 2
SERVE = """
import json, sys
from pathlib import Path
from ml_backend.bootstrap import build_services
from ml_backend.config import load_settings
from ml_backend.web.app import create_app

client = create_app(build_services(load_settings(home="home", mlflow_url=sys.argv[1]))).test_client()
found = {}
for project, answers in json.loads(Path("answers.json").read_text()).items():
    found[project] = {path: client.post(f"/{path}", json=answers[path][0]).get_json() for path in ("predict", "setup")}
print(json.dumps({"answers": found, "versions": client.get("/versions").get_json()["versions"],
                  "heavy": sorted({"mlflow", "alembic"} & set(sys.modules))}))
"""


@pytest.fixture(scope="module")
def restored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the home, migrated, and all that was kept beside it."""
    folder = tmp_path_factory.mktemp("former")
    with tarfile.open(KEPT) as archive:
        archive.extractall(folder, filter="data")
    restore(folder / "backup.tar", folder / "home", lambda: datetime.now(UTC))
    return folder


@pytest.fixture
def services(restored: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    """The home, opened beside a Label Studio that holds what it held."""
    monkeypatch.chdir(restored)  # the versions name their base models relative to it
    services = _opened()
    for title, (config, tasks) in json.loads((restored / "studio.json").read_text()).items():
        first = len(services.studio.tasks) + 1
        add_studio_project(services, [text for text, _ in tasks], title=title, label_config=config)
        for task, (_, result) in enumerate(tasks, start=first):
            if result:
                services.studio.submit_annotation(task, {"result": result, "lead_time": 2.5})
    yield services
    services.close()


def _opened() -> Services:
    settings = load_settings(home=Path("home"), base_model="base/bert", text_base_model="base/llama")
    return replace(build_services(settings), studio=FakeStudio())


@pytest.mark.parametrize("mlflow_url", ["sqlite:///missing/mlflow.db", "http://127.0.0.1:9"], ids=["missing", "down"])
def test_it_serves_what_it_served_without_mlflow(restored: Path, mlflow_url: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SERVE, mlflow_url],
        cwd=restored,
        # Which runtime is the fastest is measured, and graphs in 8 bits differ by more than the last digits.
        env={"PYTHONPATH": str(REPOSITORY), "HF_HUB_OFFLINE": "1", "LABELLOOP_RUNTIME": "onnxruntime"},
        text=True,
        capture_output=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    found, wanted = json.loads(done.stdout), json.loads((restored / "answers.json").read_text())
    for project, answers in wanted.items():
        assert _rounded(found["answers"][project]) == _rounded(
            {path: answers[path][1] for path in ("predict", "setup")}
        )
    assert sorted(found["versions"]) == ["bank-2-v1", "support-tickets-1-v2"]
    assert found["heavy"] == []
    assert not (restored / "missing").exists()


def _rounded(value: Any) -> Any:
    """The same JSON with figures of four digits: runtimes and machines differ in the last ones."""
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_rounded(each) for each in value]
    return round(value, 4) if isinstance(value, float) else value


def test_splits_are_still_by_the_hash_of_each_text_alone(services: Services) -> None:
    project = services.database.projects.get(TICKETS)
    texts = [f"ticket number {number}, which says nothing else" for number in range(40)]

    assert project.split_rule is SplitRule.TEXT
    assert splits_of(services, project, texts) == [project.split.split_of(text) for text in texts]
    assert services.database.splits.counts(TICKETS) == {}
    assert export_project(services, project).manifest.split_rule is SplitRule.TEXT


def test_jobs_promotions_and_flags_are_there(services: Services) -> None:
    newest = services.database.jobs.newest(limit=10)
    flags = services.database.flags.all(TICKETS)

    assert [(job.kind, job.state) for job in reversed(newest)] == [
        ("train", JobState.SUCCEEDED),
        ("audit", JobState.QUEUED),
        ("train", JobState.SUCCEEDED),
        ("train", JobState.SUCCEEDED),
        ("prelabel", JobState.FAILED),
    ]
    assert [each.version for each in services.database.promotions.history(TICKETS)] == [
        "support-tickets-1-v2",
        "support-tickets-1-v1",
    ]
    assert [(flag.task_id, flag.outcome) for flag in flags] == [(1, FlagOutcome.OPEN), (2, FlagOutcome.OPEN)]


def test_where_the_rows_lack_versions_mlflow_and_its_alias_fill_them_once(services: Services) -> None:
    with services.database.engine.begin() as connection:
        connection.execute(delete(Database.METADATA.tables["model_versions"]))
        connection.execute(delete(Database.METADATA.tables["steps"]))
    opened = _opened()

    assert opened.versions.champions() == {}
    assert opened.versions.champion("support-tickets-1") is not None
    assert opened.versions.champions() == {"bank-2": "bank-2-v1", "support-tickets-1": "support-tickets-1-v2"}
    assert [version.number for version in opened.versions.all("support-tickets-1")] == [2, 1]
    opened.close()


def test_it_trains_promotes_and_rolls_back(services: Services) -> None:
    tickets, bank = (services.database.projects.get(number) for number in (TICKETS, BANK))
    wanted = TrainJob(trigger="command", base_model="base/bert", seed=3, method=Method.REGRESSION)

    job, _ = wanted.request(services, TICKETS, claim=True)
    assert run_job(services, job.id) is JobState.SUCCEEDED
    result = services.database.jobs.get(job.id).result
    assert result["model_version"] == "support-tickets-1-v3"
    assert result["gate"]["champion"] == "support-tickets-1-v2"
    if not result["is_promoted"]:
        Promoter(services).promote(tickets, "support-tickets-1-v3", reason="r", is_forced=True)
    Promoter(services).rollback(bank, reason="r")

    assert services.versions.serving(tickets) == "support-tickets-1-v3"
    assert services.champions.refresh(tickets).version == "support-tickets-1-v3"
    assert services.versions.serving(bank).startswith("bank-2-cold-start-")
    assert [services.versions.mirror(key) for key in ("support-tickets-1", "bank-2")] == [None, None]
    Promoter(services).rollback(tickets, reason="r")
    assert services.versions.serving(tickets) == "support-tickets-1-v2"

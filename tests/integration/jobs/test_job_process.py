"""A job in the very process that a worker starts for it."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from ml_backend.bootstrap import build_services
from ml_backend.domain.job import JobState
from ml_backend.jobs.launcher import SubprocessLauncher, log_path
from ml_backend.options import Options

REPOSITORY = Path(__file__).resolve().parents[3]


def test_a_launched_job_finds_its_row_and_writes_how_it_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    settings = Options(home=tmp_path / "home")
    services = build_services(settings)
    job, _ = services.database.jobs.request("prelabel", 7, {"trigger": "test"}, dedupe_key="prelabel-7", claim=True)
    assert isinstance(services.launcher, SubprocessLauncher)
    child = services.launcher.launch(job)
    assert child.process.wait(120) == 1
    found = services.database.jobs.get(job.id)
    log = log_path(settings.home, job.id).read_text()
    services.close()
    assert found.state is JobState.FAILED
    assert found.error == "project 7 is not connected to this backend; run `labelloop connect 7`"
    assert found.finished_at is not None
    assert found.finished_at <= datetime.now(UTC)
    assert "project 7 is not connected" in log

"""The demo's backend in a process of its own."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from ml_backend.bootstrap import build_services
from ml_backend.demo.backend import demo_settings, running_backend
from ml_backend.domain.job import JobState
from ml_backend.errors import ConfigurationError
from ml_backend.labelstudio.local import free_port

BAD_LUCK_S = 10.0


def _is_running(pid: int) -> bool:
    """True for a process that is there and no zombie."""
    stat = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(stat.strip()) and not stat.strip().startswith("Z")


def _until_gone(pid: int) -> bool:
    deadline = time.monotonic() + BAD_LUCK_S
    while _is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not _is_running(pid)


def test_it_serves_with_its_own_settings_and_ends_with_its_jobs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LABELLOOP_HOME", str(tmp_path / "the users home"))
    monkeypatch.setenv("LABELLOOP_RETRAIN_AFTER", "7")
    settings = demo_settings(
        tmp_path / "demo", port=free_port(), studio_url="http://localhost:1", studio_token="0123456789"
    )
    services = build_services(settings)
    jobs = services.database.jobs
    with running_backend(settings, services.database, log_file=tmp_path / "backend.log") as backend:
        backend.wait_until_ready()
        credentials = (settings.backend.user, settings.backend.password.get_secret_value())
        assert httpx.get(backend.url, trust_env=False).status_code == 401
        assert "No project is connected" in httpx.get(backend.url, auth=credentials, trust_env=False).text
        # A job's process lives in a session of its own, which the end of the server does not touch.
        job, _ = jobs.request("train", 0, {}, dedupe_key="x", claim=True)
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
        jobs.started(job, child.pid, "another machine")
        server = backend.process.pid

    assert child.wait(BAD_LUCK_S) == -9
    assert jobs.get(job.id).state is JobState.CANCELLED
    assert _until_gone(server)
    with pytest.raises(ProcessLookupError):
        os.killpg(server, 0)
    with pytest.raises(httpx.ConnectError):
        httpx.get(backend.url, trust_env=False)
    assert not (tmp_path / "the users home").exists()


def test_a_backend_that_cannot_start_says_why(tmp_path: Path) -> None:
    settings = demo_settings(
        tmp_path / "demo", port=free_port(), studio_url="http://localhost:1", studio_token="0123456789"
    ).model_copy(update={"log_level": "NO SUCH LEVEL"})
    services = build_services(settings)

    with (
        running_backend(settings, services.database, log_file=tmp_path / "backend.log") as backend,
        pytest.raises(ConfigurationError, match=re.compile(r"ended with status 1; its log .*LOG_LEVEL", re.DOTALL)),
    ):
        backend.wait_until_ready()

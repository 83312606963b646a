"""label-studio-ml's application behind a real WSGI server."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ml_backend.labelstudio.local import free_port
from ml_backend.tasks import template_path
from tests.backend_process import command_result, get, post
from tests.contract.web.applications import need_label_studio_ml
from tests.running import running_process

need_label_studio_ml()

CONFIG = template_path("classification").read_text()
SETUP = {
    "project": "3.1700000000",
    "schema": CONFIG,
    "hostname": "http://localhost:8080",
    "access_token": "token-secret-1",
}
START = {"action": "START_TRAINING", "project": {"id": 3, "title": "Support tickets", "label_config": CONFIG}}


@pytest.fixture(params=[[], ["--preload"]], ids=["plain", "preloaded"])
def url(request: pytest.FixtureRequest, tmp_path: Path, clean_environment: Path) -> Iterator[str]:
    """A backend started as the docs say, in a working directory of its own."""
    folder = tmp_path / "working-directory"
    folder.mkdir()
    url = f"http://localhost:{(port := free_port())}"
    options = ["--bind", f"127.0.0.1:{port}", "--threads", "8", "--no-control-socket", *request.param]
    options += ["--worker-class", "ml_backend.web.patient_worker.PatientWorker", "--graceful-timeout", "110"]
    environment = {name: value for name, value in os.environ.items() if name != "MODEL_DIR"}
    environment["LABELLOOP_LOG_LEVEL"] = "DEBUG"
    command = [sys.executable, "-m", "gunicorn", *options, "ml_backend.model:wsgi_app()"]
    with running_process(command, tmp_path / "log", url=f"{url}/health", cwd=folder, env=environment) as process:
        yield url
    assert process.returncode == 0
    assert list(folder.iterdir()) == []
    assert "token-secret-1" not in (tmp_path / "log").read_text()
    assert (clean_environment / "label-studio-ml" / "cache.db").exists()


def test_the_documented_command_serves_setup_and_hands_training_to_a_worker(url: str, clean_environment: Path) -> None:
    version = post(f"{url}/setup", SETUP)["model_version"]
    answer = post(f"{url}/webhook", START)

    assert version.startswith("labelloop-3-cold-start-")
    assert get(f"{url}/health") == {"model_class": "LabelloopModel", "status": "UP"}
    assert get(f"{url}/versions") == {"versions": [version]}
    assert answer["result"] == {"status": "ok", "new_events": 0, "job": 1, "state": "queued"}
    (listed,) = command_result(clean_environment, "jobs", "list")
    assert listed["state"] == "queued"

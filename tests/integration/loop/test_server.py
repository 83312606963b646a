"""The server as a process: what a client and a process manager see of it."""

import signal
import socket
import time
import urllib.error
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ml_backend.labelstudio.local import free_port
from ml_backend.tasks import template_path
from tests.backend_process import Backend, command, command_error, command_process, post, running_backend

CONFIG = template_path("classification").read_text()
PROJECT = {"id": 3, "title": "Support tickets", "label_config": CONFIG}
SETUP = {"project": "3.1700000000", "schema": CONFIG, "hostname": "http://localhost:8080", "access_token": "x"}
PREDICT = {"project": SETUP["project"], "label_config": CONFIG, "tasks": [{"id": 1, "data": {"text": "where is it"}}]}
TELL_IMPORTS = {"PYTHONPROFILEIMPORTTIME": "1"}
HEAVY = {"torch", "transformers", "peft", "sklearn", "scipy", "mlflow", "pandas", "label_studio_sdk", "matplotlib"}
START = {"action": "START_TRAINING", "project": PROJECT}


def test_twenty_simultaneous_start_training_requests_make_one_job(tmp_path: Path) -> None:
    with running_backend(tmp_path, "--no-worker") as backend:
        with ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(lambda _: post(f"{backend.url}/webhook", START), range(20)))
        listed = command(tmp_path, "jobs", "list", "--json")

    assert {answer["job"] for answer in answers} == {1}
    assert listed.stdout.count('"kind": "train"') == 1


def test_without_a_model_setup_answers_and_nothing_is_imported_before_it_is_needed(tmp_path: Path) -> None:
    with running_backend(tmp_path):
        pass  # the database is made
    environment = TELL_IMPORTS | {"LABELLOOP_BASE_MODEL": str(tmp_path / "missing")}
    with running_backend(tmp_path, environment=environment) as backend:
        assert backend.get("/health") == {"status": "UP", "model_class": "labelloop"}
        at_first = imported(backend)
        assert post(f"{backend.url}/setup", SETUP)["model_version"].startswith("labelloop-3-cold-start-")
        with pytest.raises(urllib.error.HTTPError, match="missing"):
            post(f"{backend.url}/predict", PREDICT)  # there is no champion, and no cold start
        found = imported(backend)

    assert {"ml_backend", "gunicorn", "flask"} <= at_first
    assert at_first & HEAVY == set()
    assert "ml_backend.serving.engines" in found
    assert found & {"mlflow", "alembic", "pandas"} == set()


def imported(backend: Backend) -> set[str]:
    """Every module that the backend's processes have imported so far."""
    lines = backend.log.read_text(errors="replace").splitlines()
    return {line.rpartition("|")[2].strip() for line in lines if line.startswith("import time:")}


def test_a_taken_port_is_named_and_nothing_is_started(tmp_path: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        done = command_process(tmp_path, "serve", "--port", str(port))

    assert done.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in done.stderr


def test_jobs_survive_the_death_of_the_server(tmp_path: Path) -> None:
    with running_backend(tmp_path, "--no-worker") as first:
        job = post(f"{first.url}/webhook", START)["job"]
        first.kill()
    with running_backend(tmp_path, "--no-worker") as second:
        assert post(f"{second.url}/webhook", START) == {"status": "ok", "new_events": 0, "job": job, "state": "queued"}


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_the_server_ends_cleanly_when_asked(tmp_path: Path, signum: signal.Signals) -> None:
    with running_backend(tmp_path) as backend:
        backend.process.send_signal(signum)
        assert backend.process.wait(15) == 0
        with pytest.raises(urllib.error.URLError):
            backend.get("/health")


def test_without_a_password_the_server_refuses_to_listen_to_the_network(tmp_path: Path) -> None:
    said = command_error(tmp_path, "serve", "--host", "0.0.0.0", "--port", str(free_port()))

    assert "without a password" in said
    assert "LABELLOOP_WEBHOOK_PASSWORD" in said


def test_the_password_of_label_studio_is_not_in_the_log(tmp_path: Path) -> None:
    secrets = {
        "LABELLOOP_PASSWORD": "backend-secret-1",
        "LABELLOOP_WEBHOOK_PASSWORD": "webhook-secret-1",
        "LABELLOOP_STUDIO_TOKEN": "token-secret-1",
        "LABELLOOP_LOG_LEVEL": "DEBUG",
    }
    with running_backend(tmp_path, environment=secrets) as backend:
        with pytest.raises(urllib.error.HTTPError, match="401"):
            post(f"{backend.url}/setup", SETUP)
        time.sleep(1)
        text = backend.log.read_text()

    assert not [secret for name, secret in secrets.items() if "secret" in secret and secret in text]

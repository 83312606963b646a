"""Hooks in the real commands: the example of the documentation, and redaction over a whole training."""

import json
import re
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from flask import Flask, request

from ml_backend.hooks.notifier import WebhookNotifier
from tests.backend_process import command_error, command_process, command_result
from tests.integration.tickets import source_of, write_export
from tests.running import serving
from tests.tiny_models import save_tiny_model

PAGE = Path(__file__).parents[3] / "docs" / "hooks.md"
MAIL, CARD = "jane.doe@example.org", "4111 1111 1111 1111"
ROWS = 160


def example(name: str) -> str:
    """The Python that follows a mark in the documentation."""
    found = re.search(rf"<!-- {name} -->\n```python\n(.*?)```\n", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    return found.group(1)


def labelloop(folder: Path, *arguments: str, **settings: str) -> Any:
    """The JSON that a command prints."""
    return command_result(folder / "home", *arguments, environment=settings)


def labelloop_process(folder: Path, *arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    return command_process(folder / "home", *arguments, environment={"PYTHONPATH": str(folder)} | settings)


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Tickets whose texts hold an address, a card and a customer number each; every tenth is a draft."""
    monkeypatch.syspath_prepend(tmp_path)
    path = write_export(tmp_path / "tickets.json", rows=ROWS)
    tasks = json.loads(path.read_text(encoding="utf-8"))
    for task in tasks:
        start = "DRAFT " if task["id"] % 10 == 0 else ""
        task["data"]["text"] = f"{start}{task['data']['text']} {MAIL} {CARD} C-123456"
    path.write_text(json.dumps(tasks), encoding="utf-8")
    save_tiny_model("bert", tmp_path / "tiny")
    (tmp_path / "support_hooks.py").write_text(example("example"), encoding="utf-8")
    return tmp_path


def test_the_documented_example_works(files: Path) -> None:
    settings = {"LABELLOOP_HOOKS": "support_hooks:SupportHooks"}
    snapshot = ["--split", "0.6,0.2,0.2", "--out", str(files / "snapshot")]

    exported = labelloop(files, "export", *source_of(files / "tickets.json"), *snapshot, **settings)
    training = ["--snapshot", str(files / "snapshot"), "--base-model", str(files / "tiny"), "--method", "regression"]
    trained = labelloop(files, "train", *training, **settings)

    assert exported["dropped"]["left_out_by_hook"] == ROWS // 10
    rows = "".join(path.read_text(encoding="utf-8") for path in (files / "snapshot").glob("*.jsonl"))
    assert ("C-000000" in rows, "C-123456" in rows, "DRAFT" in rows) == (True, False, False)
    gate = trained["gate"]
    assert gate["is_provisional"]  # so few rows
    assert not trained["is_promoted"]
    vetoes = [warning for warning in trained["warnings"] if "vetoed by support_hooks:SupportHooks" in warning]
    assert len(vetoes) == gate["promote"]
    logs = "".join(path.read_text(encoding="utf-8") for path in (files / "home").rglob("*.log"))
    assert f"{trained['model_version']} trained on {trained['snapshot_id']}" in logs


def test_redaction_keeps_personal_data_out_of_everything_that_a_training_writes(files: Path) -> None:
    settings = {"LABELLOOP_REDACT": "email,card"}
    snapshot = ["--split", "0.6,0.2,0.2", "--out", str(files / "snapshot")]
    training = ["--snapshot", str(files / "snapshot"), "--base-model", str(files / "tiny"), "--set", "epochs=1"]

    labelloop(files, "export", *source_of(files / "tickets.json"), *snapshot, **settings)
    labelloop(files, "train", *training, "--out", str(files / "model"), **settings)
    report = labelloop(
        files, "evaluate", "--model-dir", str(files / "model"), *source_of(files / "tickets.json"), **settings
    )
    labelloop(files, "audit", "--snapshot", str(files / "snapshot"), **settings)

    made = [path for name in ("home", "snapshot", "model") for path in (files / name).rglob("*") if path.is_file()]
    assert any("artifacts" in path.parts for path in made)
    leaks = [path for path in made if any(leak in path.read_bytes() for leak in (MAIL.encode(), CARD.encode()))]
    assert leaks == []
    assert report["overlap"] > 0  # the export's rows are recognised although their texts were masked


def test_a_hook_stops_a_training_before_it_starts(files: Path) -> None:
    (files / "no_training.py").write_text(
        "from ml_backend.hooks import hookimpl\n\n@hookimpl\ndef before_training(training):\n"
        "    raise RuntimeError(f'no budget for {training.model_version}')\n"
    )
    labelloop(files, "export", *source_of(files / "tickets.json"), "--out", str(files / "snapshot"))

    training = ["--snapshot", str(files / "snapshot"), "--base-model", str(files / "tiny")]
    said = command_error(files / "home", "train", *training, environment={"LABELLOOP_HOOKS": "no_training"})

    assert "the hook no_training (before_training) failed with the training of tickets-0-v1" in said
    assert "no budget for tickets-0-v1" in said
    assert labelloop(files, "models", "list") == []


def test_a_hook_that_raises_leaves_no_snapshot_and_is_named(files: Path) -> None:
    (files / "broken.py").write_text(
        "from ml_backend.hooks import hookimpl\n\n@hookimpl\ndef row_read(row):\n    raise ValueError('not today')\n"
    )

    exporting = ["export", *source_of(files / "tickets.json"), "--out", str(files / "snapshot")]
    said = command_error(files / "home", *exporting, environment={"LABELLOOP_HOOKS": "broken"})

    assert re.search(r"error: the hook broken \(row_read\) failed with task-\d+: ValueError: not today", said)
    assert not (files / "snapshot").exists()


def test_a_hook_that_hangs_does_not_hold_the_process(files: Path) -> None:
    (files / "asleep.py").write_text(
        "import time\nfrom ml_backend.hooks import hookimpl\n\n@hookimpl\ndef row_read(row):\n    time.sleep(600)\n"
    )
    settings = {"LABELLOOP_HOOKS": "asleep", "LABELLOOP_HOOK_TIMEOUT_S": "0.5"}

    done = labelloop_process(
        files, "export", *source_of(files / "tickets.json"), "--format", "rows", "--out", str(files / "x"), **settings
    )

    assert done.returncode == 1
    assert "the hook asleep (row_read) did not finish with task-1 within 0.5 s" in done.stderr
    assert not (files / "x").exists()


def test_a_command_sends_its_messages_before_it_ends(files: Path) -> None:
    received: list[tuple[dict[str, str], bytes]] = []
    app = Flask("receiver")

    @app.post("/hook")
    def take() -> str:
        received.append((dict(request.headers), request.get_data()))
        return ""

    with serving(app) as url:
        settings = {"LABELLOOP_NOTIFY_URL": f"{url}/hook", "LABELLOOP_NOTIFY_SECRET": "a secret of both sides"}
        snapshot = ["--out", str(files / "snapshot"), "--json"]
        done = labelloop_process(files, "export", *source_of(files / "tickets.json"), *snapshot, **settings)

    assert done.returncode == 0, done.stderr
    ((headers, body),) = received
    assert headers[WebhookNotifier.SIGNATURE] == WebhookNotifier.signature(
        "a secret of both sides", headers[WebhookNotifier.TIMESTAMP], body
    )
    assert abs(int(headers[WebhookNotifier.TIMESTAMP]) - time.time()) < 300
    assert json.loads(body)["data"]["snapshot_id"] == json.loads(done.stdout)["snapshot_id"]
    assert MAIL.encode() not in body


def test_the_documented_receiver_takes_real_messages_alone() -> None:
    module = ModuleType("receiver")
    exec(example("receiver"), module.__dict__)
    body, secret = b'{"event": "model_trained"}', "a secret of both sides"
    headers: Mapping[str, str] = {
        WebhookNotifier.TIMESTAMP: "1800000000",
        WebhookNotifier.SIGNATURE: WebhookNotifier.signature(secret, "1800000000", body),
    }

    assert module.is_genuine(secret, headers, body, 1_800_000_299)
    assert not module.is_genuine(secret, headers, body, 1_800_000_301)
    assert not module.is_genuine("another", headers, body, 1_800_000_000)
    assert not module.is_genuine(secret, headers, body + b" ", 1_800_000_000)

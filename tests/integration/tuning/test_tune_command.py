"""`labelloop tune` as its user runs it: trials, the training in the end, backups, and workers that share a search."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from ml_backend.storage.studies import StudyStore
from tests.backend_process import command_error, command_result
from tests.integration.tickets import source_of, write_export
from tests.postgres import new_database
from tests.running import until
from tests.tiny_models import save_tiny_model

ROWS = 120


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny base model and a snapshot of tickets."""
    folder = tmp_path_factory.mktemp("files")
    write_export(folder / "tickets.json", rows=ROWS)
    save_tiny_model("bert", folder / "tiny")
    out = ("--split", "0.6,0.2,0.2", "--out", str(folder / "snapshot"))
    command_result(folder / "home", "export", *source_of(folder / "tickets.json"), *out)
    return folder


@pytest.fixture(scope="module")
def found(files: Path) -> dict[str, Any]:
    """The result of a first search."""
    result: dict[str, Any] = command_result(files / "home", *_searching(files), "--trials", "5")
    return result


def test_the_best_is_never_below_the_defaults_and_says_whether_that_is_chance(found: dict[str, Any]) -> None:
    trials, best, default, gain = (found[name] for name in ("trials", "best", "default", "gain"))

    assert [trial["number"] for trial in trials] == list(range(5))
    assert (default["number"], default["values"]) == (0, {"regression_c": 30.0})
    assert best["score"] == max(trial["score"] for trial in trials if trial["state"] == "complete")
    assert gain["difference"] == pytest.approx(best["score"] - default["score"], abs=2e-4)
    assert gain["low"] <= gain["difference"] <= gain["high"]
    assert gain["is_beyond_chance"] is (gain["low"] > 0)
    assert ("more than chance" in gain["words"]) is gain["is_beyond_chance"]
    assert found["scored_on"].endswith("train rows held out in turn")
    assert found["training"] is None


def test_trials_are_runs_below_the_one_of_the_search(files: Path, found: dict[str, Any]) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{files / 'home' / 'mlflow.db'}")
    parent = client.get_run(found["tracking_run"])
    below = client.search_runs([parent.info.experiment_id], f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'")

    assert parent.data.metrics["score"] == pytest.approx(found["best"]["score"], abs=1e-4)
    assert {run.info.status for run in [parent, *below]} == {"FINISHED"}
    logged = {int(run.data.params["trial"]): run.data for run in below}
    assert sorted(logged) == [trial["number"] for trial in found["trials"]]
    for trial in found["trials"]:
        assert logged[trial["number"]].tags["state"] == trial["state"]
        if trial["state"] == "complete":
            assert logged[trial["number"]].metrics["score"] == pytest.approx(trial["score"], abs=1e-4)


def test_an_equal_search_goes_on_and_a_restored_backup_as_well(files: Path, found: dict[str, Any]) -> None:
    more = command_result(files / "home", *_searching(files), "--trials", "6")
    assert (more["study"], more["trials"][:5]) == (found["study"], found["trials"])
    command_result(files / "home", "backup", str(files / "state.tar"))
    command_result(files / "there", "restore", str(files / "state.tar"))

    again = command_result(files / "there", *_searching(files), "--trials", "6")
    other = command_result(files / "there", *_searching(files), "--trials", "1", "--seed", "2")

    assert (again["study"], again["trials"]) == (found["study"], more["trials"])
    assert other["study"] != found["study"]


def test_a_training_with_the_best_is_one_like_any_other(files: Path) -> None:
    better = ("--search", "regression_c=1000,3000", "--trials", "3", "--train")
    result = command_result(files / "home", *_searching(files), *better)

    version = command_result(files / "home", "models", "show", result["training"]["model_version"])
    assert result["training"]["gate"] is not None
    manifest = json.loads((Path(version["path"]) / "bundle.json").read_text())
    assert not result["best"]["is_default"]
    assert manifest["parts"][0]["settings"]["regression_c"] == float(result["best"]["values"]["regression_c"])


def test_defaults_outside_the_search_are_its_first_trial_all_the_same(files: Path) -> None:
    narrow = ("--method", "regression", "--search", "regression_c=0.1,0.5", "--trials", "3")
    result = command_result(files / "home", "tune", *_rows(files), *narrow)

    assert (result["default"]["number"], result["default"]["values"]) == (0, {"regression_c": 30.0})
    assert result["trials"][0]["values"] == {}
    assert {trial["values"]["regression_c"] for trial in result["trials"][1:]} <= {"0.1", "0.5"}


def test_without_time_the_defaults_alone_are_tried(files: Path) -> None:
    result = command_result(files / "home", *_searching(files), "--seed", "7", "--budget", "0")

    assert [trial["is_default"] for trial in result["trials"]] == [True]
    assert result["gain"]["words"].startswith("no trial scored higher than the defaults")


def test_what_is_both_searched_and_set_is_refused(files: Path) -> None:
    error = command_error(files / "home", *_searching(files), "--set", "regression_c=3")
    assert "regression_c is both searched and --set" in error


@pytest.mark.long
def test_two_workers_share_a_search_on_postgresql_and_one_of_them_is_killed(
    files: Path, tmp_path: Path, postgres_url: str
) -> None:
    database = new_database(postgres_url, "search")
    environment = os.environ | {
        "LABELLOOP_HOME": str(tmp_path / "home"),
        "LABELLOOP_DATABASE_URL": database,
        "LABELLOOP_JOB_HEARTBEAT_TIMEOUT_S": "10",
        "LABELLOOP_RUNTIME": "torch",
    }
    wanted = ("--method", "lora", "--set", "epochs=30", "--search", "lora_r=1..8", "--trials", "10", "--json")
    arguments = [sys.executable, "-m", "ml_backend", "tune", *_rows(files), *wanted]
    with ExitStack() as ending:
        first, second = (
            ending.enter_context(subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env=environment))
            for _ in range(2)
        )
        ending.callback(first.kill)
        ending.callback(second.kill)
        until(lambda: _running_trials(database) == 2 and _ended_trials(database) >= 2, "both workers at work")
        second.send_signal(signal.SIGKILL)
        result: Mapping[str, Any] = json.loads(first.communicate(timeout=400)[0])

    assert first.returncode == 0
    assert len(result["trials"]) == 10
    assert {trial["state"] for trial in result["trials"]} <= {"complete", "pruned"}
    assert _states(database).count("FAIL") == 1, "the trial of the killed worker, which was run anew"


def _states(database: str) -> list[str]:
    store = StudyStore(database)
    if not store.exists():
        return []
    engine = create_engine(store.url)
    try:
        with engine.connect() as connection:
            return [str(state) for (state,) in connection.execute(text("SELECT state FROM trials"))]
    finally:
        engine.dispose()


def _running_trials(database: str) -> int:
    return _states(database).count("RUNNING")


def _ended_trials(database: str) -> int:
    return sum(state in ("COMPLETE", "PRUNED") for state in _states(database))


def _rows(files: Path) -> list[str]:
    return ["--snapshot", str(files / "snapshot"), "--base-model", str(files / "tiny")]


def _searching(files: Path) -> list[str]:
    return ["tune", *_rows(files), "--method", "regression", "--set", "suspects=keep"]

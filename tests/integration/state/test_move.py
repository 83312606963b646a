"""A real state moved from SQLite to a real PostgreSQL by the real command, and served from there."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, NullPool, create_engine, inspect, select, text

from ml_backend.domain.project import Project
from ml_backend.storage.database import open_database
from ml_backend.tracking.store import MlflowTables
from tests.backend_process import command, command_error, command_result, post, running_backend
from tests.databases import rows_in
from tests.fakes import FakeClock
from tests.live_state import CHAMPION, predict_request
from tests.postgres import new_database


@pytest.fixture
def home(folder: Path, project: Project, tmp_path: Path) -> Path:
    """A home folder of the test's own, with a copy of the databases of one state."""
    copy = tmp_path / "home"
    shutil.copytree(folder / "home", copy, ignore=shutil.ignore_patterns("*.use", "*.lock"))
    return copy


@pytest.fixture
def targets(postgres_url: str) -> dict[str, str]:
    """Two empty databases, as settings."""
    return {name: new_database(postgres_url, "move") for name in ("LABELLOOP_DATABASE_URL", "LABELLOOP_MLFLOW_URL")}


def options(targets: dict[str, str]) -> list[str]:
    return ["--database-url", targets["LABELLOOP_DATABASE_URL"], "--mlflow-url", targets["LABELLOOP_MLFLOW_URL"]]


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        yield connection


def table_names(url: str) -> list[str]:
    with connected(url) as connection:
        return inspect(connection).get_table_names()


def state_rows(url: str) -> dict[str, list[Any]]:
    with connected(url) as connection:
        return rows_in(connection)


def mlflow_rows(url: str) -> dict[str, list[Any]]:
    with connected(url) as connection:
        return {
            table.name: sorted((tuple(row) for row in connection.execute(select(table))), key=repr)
            for table in MlflowTables(connection).tables
        }


def sqlite_urls(home: Path) -> tuple[str, str]:
    return f"sqlite:///{home / 'labelloop.db'}", f"sqlite:///{home / 'mlflow.db'}"


def test_after_the_move_the_same_champion_serves_from_postgresql(
    folder: Path, project: Project, targets: dict[str, str]
) -> None:
    home = folder / "home"
    ours, mlflow = sqlite_urls(home)
    listed = command_result(home, "jobs", "list"), command_result(home, "models", "list")
    with running_backend(home, "--no-worker") as backend:
        versions = backend.get("/versions")
        predicted = post(f"{backend.url}/predict", predict_request(project))
        assert "another process uses" in command_error(home, "move", *options(targets))
    before, runs = state_rows(ours), mlflow_rows(mlflow)
    assert before["users"], "the server has made the first admin"
    assert table_names(targets["LABELLOOP_DATABASE_URL"]) == []

    moved = command_result(home, "move", *options(targets))

    assert moved["settings"] == targets
    assert moved["home"] == str(home)
    assert moved["database"] == {name: len(rows) for name, rows in before.items()}
    assert moved["mlflow"] == {name: len(rows) for name, rows in runs.items()}
    assert (moved["mlflow"]["model_versions"], moved["mlflow"]["metrics"]) == (2, 42)
    assert state_rows(targets["LABELLOOP_DATABASE_URL"]) == before == state_rows(ours)
    assert mlflow_rows(targets["LABELLOOP_MLFLOW_URL"]) == runs == mlflow_rows(mlflow)

    hidden = [(home / name).rename(home / f"{name}.old") for name in ("labelloop.db", "mlflow.db")]
    with running_backend(home, "--no-worker", environment=targets) as backend:
        assert backend.get("/versions") == versions == {"versions": [CHAMPION]}
        assert post(f"{backend.url}/predict", predict_request(project)) == predicted
    assert (
        command_result(home, "jobs", "list", environment=targets),
        command_result(home, "models", "list", environment=targets),
    ) == listed
    assert not (home / "labelloop.db").exists()
    for path in hidden:
        path.rename(path.with_suffix(""))


def test_new_jobs_and_experiments_get_numbers_of_their_own(home: Path, targets: dict[str, str]) -> None:
    command_result(home, "move", *options(targets))
    database = open_database(targets["LABELLOOP_DATABASE_URL"], FakeClock())
    job, _ = database.jobs.request("prelabel", 99, {}, dedupe_key="new")
    database.close()
    with connected(targets["LABELLOOP_MLFLOW_URL"]) as connection:
        next_id = connection.execute(
            text("SELECT nextval(pg_get_serial_sequence('experiments', 'experiment_id'))")
        ).scalar_one()

    assert job.id == 4
    assert next_id == 2


def test_a_state_without_any_training_moves_to_postgresql_and_back(tmp_path: Path, targets: dict[str, str]) -> None:
    home, back = tmp_path / "home", tmp_path / "back"
    command_result(home, "move", *options(targets))
    there = state_rows(targets["LABELLOOP_DATABASE_URL"]), mlflow_rows(targets["LABELLOOP_MLFLOW_URL"])
    ours, mlflow = sqlite_urls(back)
    back.mkdir()
    command_result(home, "move", "--database-url", ours, "--mlflow-url", mlflow, environment=targets)

    assert there == (state_rows(ours), mlflow_rows(mlflow))
    assert [row[:2] for row in there[1]["experiments"]] == [(0, "Default")]
    assert command_result(back, "models", "list") == []


def test_without_a_url_for_mlflow_its_store_stays_where_it_is(home: Path, targets: dict[str, str]) -> None:
    database = {"LABELLOOP_DATABASE_URL": targets["LABELLOOP_DATABASE_URL"]}
    done = command(home, "move", "--database-url", database["LABELLOOP_DATABASE_URL"])

    assert done.returncode == 0, done.stderr
    assert f"  LABELLOOP_DATABASE_URL={database['LABELLOOP_DATABASE_URL']}\n" in done.stdout
    assert f"MLflow stays where it is, which is right for as long as every process has the home folder {home}" in (
        done.stderr
    )
    assert len(command_result(home, "models", "list", environment=database)) == 2
    assert table_names(targets["LABELLOOP_MLFLOW_URL"]) == []


def test_a_second_move_finds_the_target_filled_and_changes_nothing(home: Path, targets: dict[str, str]) -> None:
    command_result(home, "move", *options(targets))
    before = state_rows(targets["LABELLOOP_DATABASE_URL"]), mlflow_rows(targets["LABELLOOP_MLFLOW_URL"])
    again = command_error(home, "move", *options(targets))
    mlflow_alone = command_error(home, "move", "--mlflow-url", targets["LABELLOOP_MLFLOW_URL"])

    assert "holds rows already" in again
    assert "holds rows already; wanted an empty database" in mlflow_alone
    assert (state_rows(targets["LABELLOOP_DATABASE_URL"]), mlflow_rows(targets["LABELLOOP_MLFLOW_URL"])) == before


def test_where_mlflow_cannot_be_moved_nothing_is(home: Path, targets: dict[str, str]) -> None:
    with closing(sqlite3.connect(home / "mlflow.db")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = 'fe51da2b3a1c'")

    assert "out-of-date database schema" in command_error(home, "move", *options(targets))
    assert {len(rows) for rows in state_rows(targets["LABELLOOP_DATABASE_URL"]).values()} == {0}
    assert table_names(targets["LABELLOOP_MLFLOW_URL"]) == []


def test_while_a_job_runs_on_another_machine_nothing_is_moved(home: Path, targets: dict[str, str]) -> None:
    with closing(sqlite3.connect(home / "labelloop.db")) as connection, connection:
        connection.execute("UPDATE jobs SET state = 'running', heartbeat_at = datetime('now') WHERE state = 'queued'")

    assert "job 3 (train, waiting) is running" in command_error(home, "move", *options(targets))
    assert table_names(targets["LABELLOOP_DATABASE_URL"]) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "name what to move and where to"),
        (["--database-url", "sqlite:////a/b.db", "--mlflow-url", "sqlite:////a/b.db"], "a database each"),
        (["--mlflow-url", "http://127.0.0.1:5000"], "names a server"),
        (["--database-url", "postgresql+psycopg://ada:secret@127.0.0.1:1/db"], "cannot open"),
    ],
)
def test_targets_that_cannot_work_are_refused(tmp_path: Path, arguments: list[str], words: str) -> None:
    said = command_error(tmp_path / "home", "move", *arguments)

    assert words in said
    assert "secret" not in said

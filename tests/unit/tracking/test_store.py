from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine, text

from ml_backend.errors import StateError
from ml_backend.tracking.store import MlflowTables


@pytest.fixture
def connection() -> Iterator[Connection]:
    """Two of MLflow's tables, with the columns that matter here."""
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE experiments (experiment_id INTEGER PRIMARY KEY, artifact_location TEXT)"))
        connection.execute(text("CREATE TABLE runs (run_uuid TEXT PRIMARY KEY, artifact_uri TEXT, name TEXT)"))
        yield connection
    engine.dispose()


@pytest.mark.parametrize(
    ("stored", "moved"),
    [
        ("file:///srv/a%20b/artifacts/r/artifacts", "file:///new/%C3%A9/artifacts/r/artifacts"),
        ("file:///srv/a%20b", "file:///new/%C3%A9"),
        ("/srv/a b/mlruns/0", "/new/é/mlruns/0"),
        ("file:///srv/a%20b2/artifacts", None),
        ("/srv/a b2", None),
        ("/elsewhere/srv/a b/x", None),
        ("s3://bucket/srv/a b/x", None),
        ("mlflow-artifacts:/1/r/artifacts", None),
    ],
)
def test_places_below_the_old_folder_move_and_no_others(connection: Connection, stored: str, moved: str | None) -> None:
    row = {"id": "r", "place": stored}
    connection.execute(text("INSERT INTO runs VALUES (:id, :place, :place)"), row)

    assert MlflowTables(connection).move_paths(Path("/srv/a b"), Path("/new/é")) == (moved is not None)
    assert connection.execute(text("SELECT artifact_uri, name FROM runs")).one() == (moved or stored, stored)


def test_a_place_that_moves_below_itself_moves_once(connection: Connection) -> None:
    connection.execute(text("INSERT INTO experiments VALUES (1, 'file:///srv/a')"))

    assert MlflowTables(connection).move_paths(Path("/srv"), Path("/srv/a")) == 1
    assert connection.execute(text("SELECT artifact_location FROM experiments")).scalar() == "file:///srv/a/a"


@pytest.mark.parametrize("row", ["", "experiments VALUES (1, 'x')", "runs VALUES ('r', 'x', 'y')"])
def test_a_store_is_emptied_where_it_holds_the_default_experiment_alone(connection: Connection, row: str) -> None:
    connection.execute(text("INSERT INTO experiments VALUES (0, 'mlruns/0')"))
    if row:
        connection.execute(text(f"INSERT INTO {row}"))

    with pytest.raises(StateError, match="holds rows already; wanted an empty database") if row else nullcontext():
        MlflowTables(connection).empty()

    assert bool(connection.execute(text("SELECT count(*) FROM experiments")).scalar()) == bool(row)

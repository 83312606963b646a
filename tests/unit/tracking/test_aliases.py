"""Reading who is champion from MLflow's tables, and leaving to MLflow what they do not say."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from ml_backend.errors import ModelNotFound
from ml_backend.tracking.aliases import AliasTable, NotReadable
from ml_backend.tracking.registry import MlflowRegistry

REPOSITORY = Path(__file__).resolve().parents[3]
# Columns of MLflow 3.17, as far as they are read; releases before 3.9 have no workspaces.
SCHEMA = """
CREATE TABLE registered_model_aliases (alias TEXT, version INTEGER, name TEXT{workspace});
CREATE TABLE model_versions (
    name TEXT, version INTEGER, creation_time BIGINT, current_stage TEXT, source TEXT, run_id TEXT{workspace}
);
CREATE TABLE model_version_tags (key TEXT, value TEXT, name TEXT, version INTEGER{workspace});
"""
WORKSPACE = ", workspace TEXT DEFAULT 'default' NOT NULL"
ROWS = """
INSERT INTO registered_model_aliases (alias, version, name)
    VALUES ('champion', 2, 'tickets-1'), ('challenger', 3, 'tickets-1'), ('champion', 9, 'letters-2');
INSERT INTO model_versions (name, version, creation_time, current_stage, source, run_id)
    VALUES ('tickets-1', 1, 1000, 'None', '/bundles/1', 'a1'), ('tickets-1', 2, 2000, 'None', '/bundles/2', 'a2'),
    ('letters-2', 2, 2000, 'None', '/bundles/other', 'b2');
INSERT INTO model_version_tags (key, value, name, version)
    VALUES ('model_version', 'tickets-1-v2', 'tickets-1', 2), ('method', 'regression', 'tickets-1', 2),
    ('snapshot_id', 's2', 'tickets-1', 2), ('fingerprint', 'f2', 'tickets-1', 2), ('metrics', '{"test_f1": 0.5}',
    'tickets-1', 2), ('files', '{}', 'tickets-1', 2), ('method', 'lora', 'tickets-1', 1);
"""


@pytest.fixture(params=[WORKSPACE, ""], ids=["workspaces", "no workspaces"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    file = tmp_path / "mlflow.db"
    change(file, SCHEMA.format(workspace=request.param) + ROWS)
    return file


def change(file: Path, script: str) -> None:
    connection = sqlite3.connect(file)
    connection.executescript(script)
    connection.close()


def test_the_holder_of_an_alias_comes_with_its_own_tags_and_all_aliases(database: Path) -> None:
    found = AliasTable(f"sqlite:///{database}").holder("tickets-1", "champion")

    assert found is not None
    assert (found.name, found.version, found.source, found.run_id) == ("tickets-1", 2, "/bundles/2", "a2")
    assert (found.creation_timestamp, found.aliases) == (2000, {"champion": 2, "challenger": 3})
    assert found.tags["method"] == "regression"
    assert len(found.tags) == 6


def test_a_model_without_the_alias_has_no_holder(database: Path) -> None:
    assert AliasTable(f"sqlite:///{database}").holder("letters-2", "challenger") is None
    assert AliasTable(f"sqlite:///{database}").holder("unknown-3", "champion") is None


def test_a_database_that_nobody_has_made_yet_is_not_made(tmp_path: Path) -> None:
    assert AliasTable(f"sqlite:///{tmp_path / 'mlflow.db'}").holder("tickets-1", "champion") is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "script",
    [
        "DROP TABLE model_version_tags",
        "ALTER TABLE model_versions RENAME COLUMN source TO origin",
        "UPDATE model_versions SET current_stage = 'Deleted_Internal'",
        "DELETE FROM model_versions WHERE name = 'tickets-1'",
    ],
)
def test_tables_that_are_not_as_expected_are_left_to_mlflow(database: Path, script: str) -> None:
    change(database, script)

    with pytest.raises(NotReadable, match="MLflow itself can tell"):
        AliasTable(f"sqlite:///{database}").holder("tickets-1", "champion")


def test_another_workspace_is_left_to_mlflow(tmp_path: Path) -> None:
    change(tmp_path / "mlflow.db", SCHEMA.format(workspace=WORKSPACE) + ROWS)
    change(tmp_path / "mlflow.db", "UPDATE registered_model_aliases SET workspace = 'team-a'")

    with pytest.raises(NotReadable):
        AliasTable(f"sqlite:///{tmp_path / 'mlflow.db'}").holder("tickets-1", "champion")


@pytest.mark.parametrize("uri", ["http://localhost:5000", "sqlite://", "sqlite:///:memory:", "no url", "nosql://h/d"])
def test_what_is_no_database_at_hand_is_left_to_mlflow(uri: str) -> None:
    with pytest.raises(NotReadable):
        AliasTable(uri).holder("tickets-1", "champion")


def test_the_champion_is_read_whole(database: Path, tmp_path: Path) -> None:
    champion = MlflowRegistry(f"sqlite:///{database}", tmp_path / "models").champion("tickets-1")

    assert champion is not None
    assert (champion.name, champion.path, champion.metrics) == ("tickets-1-v2", Path("/bundles/2"), {"test_f1": 0.5})
    assert (champion.is_champion, champion.is_challenger) == (True, False)


def test_a_champion_whose_number_was_not_its_own_is_unknown(database: Path, tmp_path: Path) -> None:
    change(database, "UPDATE model_version_tags SET value = 'tickets-1-v1' WHERE key = 'model_version'")

    with pytest.raises(ModelNotFound, match=r"knows no model 'tickets-1-v2'"):
        MlflowRegistry(f"sqlite:///{database}", tmp_path / "models").champion("tickets-1")


ASK = """
import sys
from pathlib import Path
from ml_backend.tracking.mlflow import MlflowRegistry

print(MlflowRegistry(sys.argv[1], Path("models")).champion("tickets-1").name, "mlflow" in sys.modules)
"""


def test_asking_for_the_champion_does_not_import_mlflow(database: Path, tmp_path: Path) -> None:
    asked = subprocess.run(
        [sys.executable, "-c", ASK, f"sqlite:///{database}"],
        env={"PYTHONPATH": str(REPOSITORY)},
        cwd=tmp_path,
        text=True,
        capture_output=True,
        check=True,
    )
    assert asked.stdout == "tickets-1-v2 False\n"

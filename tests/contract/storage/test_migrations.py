import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import alembic.command
import alembic.config
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Column, Connection, Engine, MetaData, inspect, text

from ml_backend.domain.event import HintKind
from ml_backend.domain.job import JobState
from ml_backend.domain.model import GateDecision
from ml_backend.domain.project import SeenConfig
from ml_backend.domain.snapshot import SplitFractions, SplitRule
from ml_backend.errors import ConfigurationError
from ml_backend.storage.database import MIGRATIONS, Database, open_database
from ml_backend.storage.repositories.snapshots import SnapshotRecord
from tests.fakes import FakeClock

MADE = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
REPOSITORY = Path(__file__).resolve().parents[3]
OPEN = """
import sys
from datetime import UTC, datetime
from ml_backend.storage.database import open_database

open_database(sys.argv[1], lambda: datetime.now(UTC)).close()
"""


@pytest.fixture
def empty(database_url: str) -> Iterator[Engine]:
    """An engine on a database without any table."""
    engine = open_database(database_url, FakeClock()).engine
    _drop_everything(engine)
    yield engine
    _drop_everything(engine)
    engine.dispose()


def _drop_everything(engine: Engine) -> None:
    reflected(engine).drop_all(engine)


def reflected(place: Engine | Connection) -> MetaData:
    """The tables that are there."""
    found = MetaData()
    found.reflect(place)
    return found


def test_the_migrations_make_the_tables_that_the_code_describes(empty: Engine, database_url: str) -> None:
    open_database(database_url, FakeClock()).close()
    with empty.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Database.METADATA) == []


def test_a_new_database_has_the_migration_that_alembic_ends_at(empty: Engine, database_url: str) -> None:
    open_database(database_url, FakeClock()).close()
    with empty.connect() as connection:
        revision = MigrationContext.configure(connection).get_current_revision()
    assert revision == ScriptDirectory(str(MIGRATIONS)).get_current_head()


def test_alembic_is_imported_for_a_database_that_needs_it_alone(tmp_path: Path) -> None:
    command = [sys.executable, "-c", OPEN + 'print("alembic" in sys.modules)', f"sqlite:///{tmp_path / 'state.db'}"]

    def imported() -> str:
        return subprocess.run(command, cwd=REPOSITORY, text=True, capture_output=True, check=True).stdout

    assert [imported(), imported()] == ["True\n", "False\n"]


def test_the_migrations_make_the_indexes_that_the_code_describes(empty: Engine, database_url: str) -> None:
    """Alembic's comparison leaves out the conditions of partial indexes."""
    Database.METADATA.create_all(empty)
    described = _indexes(empty)
    _drop_everything(empty)
    open_database(database_url, FakeClock()).close()
    assert _indexes(empty) == described
    assert {name for name in described if name.startswith("uq_")} >= {
        "uq_jobs_active",
        "uq_jobs_running",
        "uq_promotions_open",
        "uq_flags_open",
    }


def _indexes(engine: Engine) -> dict[str, str]:
    catalogue = {
        "sqlite": "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL",
        "postgresql": "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
    }[engine.dialect.name]
    with engine.connect() as connection:
        found = {name: " ".join(sql.split()) for name, sql in connection.execute(text(catalogue))}
    found.pop("alembic_version_pkc", None)
    return found


def test_a_migration_that_fails_leaves_nothing_behind(empty: Engine, database_url: str) -> None:
    with empty.begin() as connection:
        connection.execute(text("CREATE TABLE promotions (mine INTEGER)"))
    with pytest.raises(ConfigurationError, match="cannot open the database"):
        open_database(database_url, FakeClock())
    assert inspect(empty).get_table_names() == ["promotions"]


def test_a_database_that_is_up_to_date_is_left_as_it_is(empty: Engine, database_url: str) -> None:
    with closing(open_database(database_url, FakeClock())) as first:
        first.snapshots.add(7, "00ff", 3)
    with closing(open_database(database_url, FakeClock())) as second:
        assert second.snapshots.last(7) is not None


def test_a_database_of_a_newer_version_is_refused(empty: Engine, database_url: str) -> None:
    open_database(database_url, FakeClock()).close()
    with empty.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(ConfigurationError, match=r"9999.*a newer labelloop made it"):
        open_database(database_url, FakeClock())


def test_processes_that_open_a_fresh_database_at_once_all_succeed(empty: Engine, database_url: str) -> None:
    command = [sys.executable, "-c", OPEN, database_url]
    children = [
        subprocess.Popen(command, cwd=REPOSITORY, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for _ in range(3)
    ]
    assert [(child.communicate(timeout=60)[0], child.returncode) for child in children] == [("", 0)] * 3
    assert set(Database.METADATA.tables) < set(inspect(empty).get_table_names())


def test_rows_of_the_first_schema_are_there_and_usable_after_the_migrations(empty: Engine, database_url: str) -> None:
    with empty.begin() as connection:
        migrate(connection, "0001")
    _fill_first_schema(empty)

    with closing(open_database(database_url, FakeClock())) as database:
        job = database.jobs.get(1)
        assert (job.kind, job.state, job.params, job.attempt) == ("train", JobState.RUNNING, {"seed": 1}, 1)
        assert (job.host, job.deaths, job.checkpoint, job.failure_is_passing) == (None, 0, {}, False)
        assert job.created_at == MADE
        assert database.jobs.requeue(job, "labelloop was upgraded")
        project = database.projects.get(7)
        assert (project.split, project.split_rule) == (SplitFractions(0.7, 0.1, 0.2), SplitRule.TEXT)
        assert database.projects.label_configs(7) == [SeenConfig("x", "x", MADE, is_confirmed=False)]
        assert [event.annotation_id for event in database.events.history(7).values()] == [5]
        assert database.snapshots.last(7) == SnapshotRecord("00ff", 1, MADE)
        assert database.gates.count("tickets-7") == 1
        promotion = database.promotions.open(7)
        assert promotion is not None
        assert (promotion.version, promotion.job_id) == ("tickets-7-v1", None)
        assert database.flags.all(7) == []
        assert database.events.new_label_count(7, 0) == len(database.events.unconfirmed(7, 0, limit=9))
        assert [database.hints.find(7, kind) for kind in HintKind] == [None, None]


def test_decisions_of_former_gates_keep_their_figures_under_new_names(empty: Engine, database_url: str) -> None:
    kept: dict[str, Any] = {
        "promote": True,
        "is_provisional": False,
        "reason": "v2 has macro-F1 0.840, v1 0.780 on 120 test rows",
        "rows": 120,
        "champion": "tickets-7-v1",
        "challenger": "tickets-7-v2",
        "difference": 0.06,
        "lower_bound": 0.01,
        "confidence": 0.95,
        "earlier_gates": 1,
        "champion_score": 0.78,
        "challenger_score": 0.84,
    }
    former = {name.replace("_score", "_macro_f1"): value for name, value in kept.items()}
    former["warnings"] = ["a thin class"]
    with empty.begin() as connection:
        migrate(connection, "0004")
        schema = reflected(connection)
        for number, decision in ((1, former | {"promote": False}), (2, former)):
            values = {"id": number, "project_key": "tickets-7", "snapshot_id": "00ff", "created_at": MADE}
            connection.execute(schema.tables["gates"].insert().values(decision=decision, **values))

    with closing(open_database(database_url, FakeClock())) as database:
        assert database.gates.count("tickets-7") == 2
        assert database.gates.last("tickets-7") == GateDecision(**kept, warnings=("a thin class",), metric="macro-F1")


def test_audits_from_before_there_were_lanes_keep_only_other_audits_waiting(empty: Engine, database_url: str) -> None:
    with empty.begin() as connection:
        migrate(connection, "0011")
        schema = reflected(connection)
        for kind, state in (("train", "running"), ("audit", "running"), ("audit", "queued"), ("promote", "queued")):
            columns = {column.name: _some_value(column) for column in schema.tables["jobs"].columns}
            del columns["id"]
            given = {"kind": kind, "state": state, "project_id": 7, "dedupe_key": f"{kind} {state}"}
            connection.execute(schema.tables["jobs"].insert().values(columns | given))

    with closing(open_database(database_url, FakeClock())) as database:
        claimed = []
        for _ in range(2):
            running = {job.kind: job for job in database.jobs.running()}
            assert database.jobs.claim() is None
            database.jobs.finish(running["audit" if not claimed else "train"], JobState.SUCCEEDED)
            claimed.append(database.jobs.claim())
        assert [job.kind for job in claimed if job] == ["audit", "promote"]


def migrate(connection: Connection, revision: str) -> None:
    """Bring the schema to a revision, as an earlier version of the code would have."""
    config = alembic.config.Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    alembic.command.upgrade(config, revision)


def _fill_first_schema(engine: Engine) -> None:
    """One row in every table, with values in every column of the schema as it was."""
    schema = reflected(engine)
    rows: dict[str, dict[str, object]] = {
        "projects": {"id": 7, "slug": "tickets", "split": "0.7,0.1,0.2", "backend_id": 3},
        "annotation_events": {"project_id": 7, "action": "created", "annotation_id": 5, "prelabel": "accepted"}
        | {"selected_by": "random", "lead_time_s": 1.5},
        "jobs": {"kind": "train", "project_id": 7, "state": "running", "params": {"seed": 1}, "result": {}, "pid": 41},
        "snapshots": {"project_id": 7, "id": "00ff", "last_event_id": 1},
        "gates": {"project_key": "tickets-7", "decision": {}},
        "promotions": {"project_id": 7, "version": "tickets-7-v1", "state": "intent"},
    }
    assert set(rows) == set(schema.tables) - {"alembic_version"}
    with engine.begin() as connection:
        for name, given in rows.items():
            table = schema.tables[name]
            values = {column.name: _some_value(column) for column in table.columns} | given
            connection.execute(table.insert().values(**{"id": 1} | values if "id" in table.columns else values))


def _some_value(column: Column[object]) -> object:
    kind = column.type.python_type
    return MADE if kind is datetime else kind(1) if kind in (int, float, bool) else {} if kind is dict else "x"

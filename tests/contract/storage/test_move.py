"""Copies between the engines: every row, of every type, in every direction."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, inspect, text

from ml_backend.errors import ConfigurationError, StateError
from ml_backend.storage.database import Database, open_database
from ml_backend.storage.move import check_database, copy_tables, reading
from tests.databases import rows_in
from tests.fakes import FakeClock
from tests.postgres import new_database

MOMENT = datetime(2026, 7, 1, 23, 59, 59, 999999, UTC)
EVENTS = 2500
numbers = count(1)


@pytest.fixture
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[str], Database]]:
    """Makes empty databases of an engine."""
    with ExitStack() as opened:

        def make_one(engine: str) -> Database:
            url = f"sqlite:///{tmp_path / f'{next(numbers)}.db'}"
            if engine == "postgresql":
                url = new_database(request.getfixturevalue("postgres_url"), "copy")
            database = open_database(url, FakeClock())
            opened.callback(database.close)
            return database

        yield make_one


@pytest.fixture(params=["sqlite to postgresql", "postgresql to sqlite", "sqlite to sqlite"])
def pair(request: pytest.FixtureRequest, make: Callable[[str], Database]) -> tuple[Database, Database]:
    """A database with rows in every table, and an empty one."""
    first, second = request.param.split(" to ")
    source, target = make(first), make(second)
    fill(source)
    return source, target


def fill(database: Database) -> None:
    job = {"kind": "train", "project_id": 7, "progress": 0.1, "stage": "é", "message": "", "attempt": 1}
    job |= {"cancel_requested": True, "created_at": MOMENT}
    promotion = {"project_id": 7, "previous": "", "reason": "", "created_at": MOMENT, "updated_at": MOMENT}
    event = {"project_id": 7, "action": "created", "annotator": "7", "was_cancelled": False, "ground_truth": True}
    event |= {"prelabel": "none", "selected_by": "random", "is_blind": False, "changed_at": "", "received_at": MOMENT}
    event |= dict.fromkeys(("lead_time_s", "parent_prediction", "model_version"))
    events = [event | {"id": 3 * number, "annotation_id": number} for number in range(1, EVENTS + 1)]
    events[0] |= {"lead_time_s": 0.1 + 0.2, "parent_prediction": 2**31 - 1, "model_version": "a-7-v1"}
    drafts = {"project_key": "a-7", "first": "a", "second": "b", "control": "é", "snapshot_id": "s", "person": "é"}
    rows: dict[str, list[dict[str, Any]]] = {
        "projects": [
            {"id": 7, "slug": "a", "title": "Ünï ✓ 🎫", "label_config": "<View/>", "label_config_fingerprint": "f"}
            | {"split": "1,0,0", "backend_id": None, "connected_at": MOMENT}
        ],
        "label_configs": [{"id": 3, "project_id": 7, "fingerprint": "f", "label_config": "<View/>", "seen_at": MOMENT}],
        "placed_texts": [
            {"id": 4, "project_id": 7, "digest": b"\x00\xff", "signature": bytes(range(256)), "split": "train"}
        ],
        "split_counts": [{"project_id": 7, "split": "train", "texts": 2, "not_by_hash": 1}],
        "placed_text_keys": [{"project_id": 7, "key": -(2**63), "text_id": 4}],
        "hints": [{"project_id": 7, "kind": "tasks", "told_at": MOMENT}],
        "jobs": [
            job | {"id": 5, "dedupe_key": "a", "state": "succeeded", "params": {"x": None}, "result": {"y": [1.5]}},
            job | {"id": 9, "dedupe_key": "b", "state": "queued", "params": {}, "result": {}},
        ],
        "flags": [
            {"project_id": 7, "task_id": 5, "kind": "label_error", "given": "é", "suggested": None, "quality": 0.1}
            | {"is_held_out": True, "is_decoy": False, "snapshot_id": "s", "probabilities_from": "", "labeled_at": ""}
            | {"flagged_at": MOMENT, "outcome": "changed", "answer": ["a", "b"], "decided_at": MOMENT}
        ],
        "annotation_events": events,
        "snapshots": [{"project_id": 7, "id": "s", "last_event_id": 3, "created_at": MOMENT}],
        "gates": [{"project_key": "a-7", "snapshot_id": "s", "decision": {"a": None}, "created_at": MOMENT}],
        "selections": [
            {"id": 6, "project_id": 7, "task_id": 5, "strategy": "margin", "reason": "é", "priority": 0.1 + 0.2}
            | {"selected_by": "active", "selected_at": MOMENT, "ended_at": None}
        ],
        "fits": [
            {"project_id": 7, "task_id": 5, "version": "a-7-v1", "fit": 0.025, "first_fit": 0.1 + 0.2}
            | {"first_seen_at": MOMENT}
        ],
        "certificates": [
            {"id": 4, "project_id": 7, "version": "a-7-v1", "fingerprint": "f", "snapshot_id": "s", "threshold": 0.9}
            | {"limit": 0.02, "delta": 0.0325, "rows": 200, "loss": 0.0, "share": 0.5, "audit_share": 0.05}
            | {"created_at": MOMENT, "ended_at": None, "ending": "", "was_refuted": False}
        ],
        "acceptances": [
            {"id": 3, "project_id": 7, "certificate_id": 4, "task_id": 5, "version": "a-7-v1", "regions": [{"a": "é"}]}
            | {"score": 0.95, "is_audit": False, "annotation_id": 2**40, "answered_at": None, "is_wrong": None}
            | {"created_at": MOMENT, "undone_at": None}
        ],
        "blind_answers": [
            {"id": 8, "project_id": 7, "version": "a-7-v1", "task_id": 5, "is_reference": False, "label": "é"}
            | {"regions": [{"a": "é"}], "fit": 0.1 + 0.2, "answered_at": "2026", "judged_at": MOMENT, "is_wrong": True}
            | {"created_at": MOMENT}
        ],
        "drift_alarms": [
            {"project_id": 7, "version": "a-7-v1", "kind": "texts", "sentence": "é", "since": MOMENT}
            | {"raised_at": MOMENT}
        ],
        "users": [
            {"id": 3, "name": "é", "role": "admin", "password_hash": None, "created_at": MOMENT, "signed_in_at": MOMENT}
        ],
        "user_sessions": [{"digest": "d", "user_id": 3, "began_at": MOMENT, "seen_at": MOMENT}],
        "login_links": [{"digest": "d", "user_id": 3, "expires_at": MOMENT, "used_at": None}],
        "signing_keys": [{"id": 1, "secret": "s"}],
        "audit_log": [
            {"id": 9, "at": MOMENT, "actor": "é", "via": "session", "action": "a", "subject": "job 1"}
            | {"address": "", "outcome": "done", "detail": "é"}
        ],
        "baselines": [
            {"id": 2, "project_key": "a-7", "snapshot_id": "s", "figures": {"rows": 7}, "created_at": MOMENT}
        ],
        "measurements": [
            {
                "id": 2,
                "project_key": "a-7",
                "version": "a-7-v1",
                "snapshot_id": "s",
                "split": "test",
                "answers": b"\x00",
            }
            | {"summary": {"é": 1}, "figures": {"rows": 7}, "created_at": MOMENT}
        ],
        "comparisons": [
            {"id": 2, "project_key": "a-7", "champion": "a", "challenger": "b", "snapshot_id": "s"}
            | {"figures": {"rows": 7}, "created_at": MOMENT}
        ],
        "votes": [drafts | {"id": 3, "line": 4, "choice": "first", "voted_at": MOMENT}],
        "vote_ends": [drafts | {"id": 3, "ended_at": MOMENT}],
        "project_settings": [
            {"project_id": 7, "name": "currency", "origin": "project", "value": "é", "by": "é", "at": MOMENT}
        ],
        "project_setting_changes": [
            {"id": 3, "project_id": 7, "name": "currency", "origin": "project", "before": None, "value": "é"}
            | {"by": "é", "at": MOMENT}
        ],
        "source_switches": [{"project_id": 7, "source": "é", "is_on": False, "actor": "é", "switched_at": MOMENT}],
        "steps": [{"name": "a", "done_at": MOMENT}],
        "model_versions": [
            {"project_key": "a-7", "number": 1, "method": "lora", "snapshot_id": "s", "path": "artifacts/r/b"}
            | {"run_id": "r", "label_config_fingerprint": "f", "metrics": {"f1": 0.5}, "created_at": MOMENT}
            | {"served_as": 1}
        ],
        "promotions": [
            promotion | {"id": number, "version": f"v{number}", "state": state, "is_forced": number == 2}
            for number, state in ((2, "done"), (4, "pushed"))
        ],
    }
    with database.engine.begin() as connection:
        for name, given in rows.items():
            connection.execute(insert(Database.METADATA.tables[name]), given)


def all_rows(database: Database) -> dict[str, list[Any]]:
    with database.engine.connect() as connection:
        return rows_in(connection)


def url_of(database: Database) -> str:
    return database.engine.url.render_as_string(hide_password=False)


def copy(source: Database, target: Database) -> Any:
    with reading(url_of(source)) as rows, target.engine.begin() as connection:
        return copy_tables(rows, connection, Database.METADATA.sorted_tables)


def test_every_row_of_every_table_arrives_as_it_was(pair: tuple[Database, Database]) -> None:
    source, target = pair
    before = all_rows(source)
    counts = copy(source, target)

    assert all_rows(target) == before
    assert counts == {name: len(rows) for name, rows in before.items()}
    assert min(counts.values()) == 1
    assert counts["annotation_events"] == EVENTS
    assert all_rows(source) == before


def test_new_rows_get_ids_above_those_that_were_copied(pair: tuple[Database, Database]) -> None:
    copy(*pair)
    _, target = pair
    job, is_new = target.jobs.request("train", 8, {}, dedupe_key="new")

    assert is_new
    assert job.id == 10
    assert target.jobs.request("train", 7, {}, dedupe_key="b")[0].id == 9


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_an_empty_database_can_be_copied_and_its_first_id_is_1(make: Callable[[str], Database], engine: str) -> None:
    target = make(engine)
    assert set(copy(make("sqlite"), target).values()) == {0}
    assert target.jobs.request("train", 8, {}, dedupe_key="new")[0].id == 1


def test_a_row_that_does_not_fit_is_named_and_nothing_arrives(make: Callable[[str], Database]) -> None:
    source, target = make("sqlite"), make("postgresql")
    fill(source)
    with source.engine.begin() as connection:
        connection.execute(Database.METADATA.tables["snapshots"].update().values(id="x" * 65))
    with pytest.raises(StateError, match=r"table snapshots cannot be copied: .*too long.*left as it was"):
        copy(source, target)
    assert {name for name, rows in all_rows(target).items() if rows} == set()


def test_what_is_written_while_a_copy_runs_waits_or_is_left_out_whole(pair: tuple[Database, Database]) -> None:
    source, target = pair
    with reading(url_of(source)) as rows, target.engine.begin() as connection:
        copy_tables(rows, connection, [Database.METADATA.tables["projects"]])
        if source.engine.dialect.name == "sqlite":  # PostgreSQL would let the writer wait for the reader
            source.snapshots.add(8, "late", 0)
        assert copy_tables(rows, connection, [Database.METADATA.tables["snapshots"]]) == {"snapshots": 1}


def test_a_database_with_other_tables_is_not_taken(make: Callable[[str], Database]) -> None:
    for engine in ("sqlite", "postgresql"):
        database = make(engine)
        check_database(url_of(database), Database.METADATA.tables)
        with database.engine.begin() as connection:
            connection.execute(text("CREATE TABLE mine (id INTEGER)"))
        with pytest.raises(StateError, match=r"holds other tables already \(mine\)"):
            check_database(url_of(database), Database.METADATA.tables)
        assert "mine" in inspect(database.engine).get_table_names()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("nonsense", "none that SQLAlchemy reads"),
        ("mysql://host/db", "wanted a URL of sqlite or postgresql"),
        ("postgresql+psycopg://ada:secret@127.0.0.1:1/db", r"cannot open postgresql\+psycopg://ada:\*\*\*@127"),
    ],
)
def test_a_target_that_cannot_be_opened_is_a_configuration_error(url: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as raised:
        check_database(url, ())
    assert "secret" not in str(raised.value)


def test_on_postgresql_nobody_is_alone_while_somebody_is_connected(make: Callable[[str], Database]) -> None:
    database = make("postgresql")
    with reading(url_of(database)), pytest.raises(StateError, match="another process uses"), database.alone():
        pass

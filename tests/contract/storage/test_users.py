"""Users, their sessions and links, and the audit log, on each database."""

from datetime import timedelta

import pytest

from ml_backend.domain.access import AuditEntry, Role, User
from ml_backend.storage.database import Database
from tests.fakes import FakeClock


@pytest.fixture
def admin(database: Database) -> User:
    user = database.users.add("anna", Role.ADMIN)
    assert user is not None
    return user


def test_a_name_is_taken_once(database: Database, admin: User) -> None:
    assert database.users.add("anna", Role.VIEWER) is None
    assert [(user.name, user.role) for user in database.users.all()] == [("anna", Role.ADMIN)]


def test_the_last_admin_stays_one(database: Database, admin: User) -> None:
    assert not database.users.remove(admin)
    assert not database.users.set_role(admin, Role.ANALYST)
    other = database.users.add("bert", Role.ADMIN)
    assert other is not None

    assert database.users.set_role(admin, Role.ANALYST)
    assert not database.users.remove(other)


def test_a_session_is_over_by_age_or_disuse(database: Database, admin: User, clock: FakeClock) -> None:
    database.users.begin_session(admin, "d" * 64)
    began = clock()

    def user_of(**ages: float) -> User | None:
        limits = {name: began - timedelta(seconds=age) for name, age in ages.items()}
        found = database.users.of_session("d" * 64, **limits)
        return found[0] if found else None

    assert user_of(began_after=1, seen_after=1) == database.users.find("anna")
    assert user_of(began_after=0, seen_after=1) is None
    assert user_of(began_after=1, seen_after=0) is None
    clock.advance(60)
    database.users.touch("d" * 64)
    assert user_of(began_after=1, seen_after=-30) is not None


def test_a_link_works_once_and_in_time(database: Database, admin: User, clock: FakeClock) -> None:
    for digest in ("a" * 64, "b" * 64):
        database.users.add_link(admin, digest, clock() + timedelta(seconds=10))

    assert database.users.use_link("a" * 64) == admin
    assert database.users.use_link("a" * 64) is None
    clock.advance(11)
    assert database.users.use_link("b" * 64) is None
    assert database.users.use_link("c" * 64) is None


def test_the_signing_key_is_made_once(database: Database) -> None:
    assert database.users.signing_key() == database.users.signing_key()
    assert len(database.users.signing_key()) == 64


def test_entries_are_read_newest_first_in_parts_and_by_actor(database: Database) -> None:
    for number in range(5):
        database.audit_log.add(AuditEntry("anna" if number % 2 else "bert", "session", "train", f"project {number}"))

    newest = database.audit_log.newest(limit=2)
    older = database.audit_log.newest(limit=9, before_id=newest[-1].id)

    assert [entry.subject for entry in [*newest, *older]] == [f"project {number}" for number in (4, 3, 2, 1, 0)]
    assert [entry.subject for entry in database.audit_log.newest(limit=9, actor="anna")] == ["project 3", "project 1"]


def test_a_long_text_is_cut_with_an_ellipsis(database: Database) -> None:
    database.audit_log.add(AuditEntry("x" * 300, "session", "train", detail="y" * 3000))

    (entry,) = database.audit_log.newest(limit=1)
    assert (len(entry.actor), entry.actor[-1], len(entry.detail), entry.detail[-1]) == (255, "…", 2000, "…")

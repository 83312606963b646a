"""`labelloop users`."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ml_backend.bootstrap import build_services
from ml_backend.domain.access import Role
from ml_backend.options import Options
from ml_backend.workflows.accounts import Accounts
from ml_backend.workflows.services import Services
from tests.backend_process import command, command_error, command_result


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    with closing(build_services(Options(home=tmp_path))) as made:
        yield made


def test_a_user_is_added_with_a_link_listed_changed_and_removed(tmp_path: Path, services: Services) -> None:
    added = command_result(tmp_path, "users", "add", "Anna", "--role", "admin")
    assert added["name"] == "anna"
    assert added["link"].startswith("http://localhost:9090/link/")
    user = Accounts(services).of_link(added["link"].rpartition("/")[2])
    assert user is not None
    assert user.role is Role.ADMIN

    assert command(tmp_path, "users", "add", "bert").returncode == 0
    assert command(tmp_path, "users", "role", "bert", "analyst").returncode == 0
    listed = command_result(tmp_path, "users", "list")
    assert [(each["name"], each["role"], each["has_password"]) for each in listed] == [
        ("anna", "admin", False),
        ("bert", "analyst", False),
    ]
    assert command(tmp_path, "users", "remove", "bert").returncode == 0
    assert [(entry.via, entry.action, entry.subject) for entry in services.database.audit_log.newest(limit=9)] == [
        ("command", "users remove", "user bert"),
        ("command", "users role", "user bert"),
        ("command", "users add", "user bert"),
        ("command", "users add", "user anna"),
    ]


def test_what_cannot_be_is_refused_with_what_to_do(tmp_path: Path, services: Services) -> None:
    Accounts(services).add("anna", Role.ADMIN)

    assert "there is a user anna already" in command_error(tmp_path, "users", "add", "ANNA")
    assert "wanted up to 64 letters" in command_error(tmp_path, "users", "add", "an na")
    assert "there is no user 'bert'; `labelloop users list`" in command_error(tmp_path, "users", "link", "bert")
    assert "anna is the last admin" in command_error(tmp_path, "users", "remove", "anna")
    assert "anna is the last admin" in command_error(tmp_path, "users", "role", "anna", "viewer")


def test_a_password_is_read_from_standard_input_and_checked(
    tmp_path: Path, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    accounts = Accounts(services)
    accounts.add("anna", Role.ADMIN)
    for typed in ("short\n", "correct horse battery\n"):
        file = tmp_path / "typed"
        file.write_text(typed)
        with file.open() as stream:
            monkeypatch.setattr("sys.stdin", stream)
            done = command(tmp_path, "users", "password", "anna")
        assert done.returncode == (1 if typed == "short\n" else 0)
    assert accounts.by_password("anna", "correct horse battery") is not None
    assert accounts.by_password("anna", "short") is None

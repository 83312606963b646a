"""The page of users, and everybody's own password."""

import re

from flask import Flask
from flask.testing import FlaskClient

from ml_backend.domain.access import Role
from ml_backend.workflows.accounts import Accounts
from ml_backend.workflows.services import Services
from tests.visitors import HTML, PASSWORD, press, sign_in, signed_in

LINK = re.compile(r"http://localhost:9090(/link/[\w-]+)")


def shown(client: FlaskClient, path: str = "/users") -> str:
    return client.get(path, headers=HTML).get_data(as_text=True)


def test_a_new_user_gets_a_link_that_is_shown_once_and_not_logged(
    app: Flask, services: Services, admin: FlaskClient
) -> None:
    answer = press(admin, "/api/users", "/users", user="Anna@Example.com", role="analyst")
    assert (answer.status_code, answer.location) == (303, "/users")
    found = LINK.search(shown(admin))
    assert found
    assert not LINK.search(shown(admin))
    assert not any("/link/" in entry.detail for entry in services.database.audit_log.newest(limit=20))

    anna = app.test_client()
    assert press(anna, found.group(1), found.group(1), password=PASSWORD).status_code == 303
    assert "anna@example.com" in shown(anna, "/")
    assert anna.get("/users", headers=HTML).status_code == 403

    press(admin, f"/api/users/{Accounts(services).get('anna@example.com').id}/role", "/users", role="viewer")
    assert Accounts(services).get("anna@example.com").role is Role.VIEWER
    assert anna.get("/", headers=HTML).status_code == 303  # signed out


def test_another_link_lets_in_and_a_removed_user_is_out_at_once(
    app: Flask, services: Services, admin: FlaskClient
) -> None:
    viewer = signed_in(app, services, Role.VIEWER)
    number = Accounts(services).get("viewer").id
    assert "signed out everywhere" in shown(admin)
    press(admin, f"/api/users/{number}/link", "/users")
    found = LINK.search(shown(admin))
    assert found
    assert app.test_client().get(found.group(1)).status_code == 200

    press(admin, f"/api/users/{number}/remove", "/users")

    assert viewer.get("/", headers=HTML).status_code == 303
    assert app.test_client().get(found.group(1)).status_code == 404
    assert "<td" in shown(admin)
    assert ">viewer<" not in shown(admin).partition("<tbody>")[2].partition("<select")[0]


def test_the_last_admin_stays_an_admin(services: Services, admin: FlaskClient) -> None:
    number = Accounts(services).get("admin").id
    for path, fields in ((f"/api/users/{number}/remove", {}), (f"/api/users/{number}/role", {"role": "viewer"})):
        answer = press(admin, path, "/users", **fields)
        assert answer.status_code == 409
        assert "is the last admin" in answer.get_data(as_text=True)
    answer = press(admin, "/api/users", "/users", user="<script>", role="admin")
    assert answer.status_code == 409
    assert "<script>" not in answer.get_data(as_text=True)


def test_everybody_changes_the_own_password_and_must_know_the_present_one(app: Flask, services: Services) -> None:
    viewer = signed_in(app, services, Role.VIEWER, password=PASSWORD)
    elsewhere = app.test_client()
    sign_in(elsewhere, "viewer")

    wrong = press(viewer, "/password", "/password", current="guessed", password="another long password")
    assert (wrong.status_code, "present password is wrong" in wrong.get_data(as_text=True)) == (422, True)
    short = press(viewer, "/password", "/password", current=PASSWORD, password="short")
    assert (short.status_code, "at least 10 characters" in short.get_data(as_text=True)) == (422, True)
    assert (
        press(viewer, "/password", "/password", current=PASSWORD, password="another long password").status_code == 303
    )

    assert "Your password is changed" in shown(viewer, "/")
    assert elsewhere.get("/", headers=HTML).status_code == 303
    assert sign_in(app.test_client(), "viewer").status_code == 401
    assert sign_in(app.test_client(), "viewer", "another long password").status_code == 303
    actions = [entry.action for entry in services.database.audit_log.newest(limit=9, actor="viewer")]
    assert "change password" in actions

"""Who gets in, how far, and for how long."""

import re
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from ml_backend.domain.access import AuditEntry, Role
from ml_backend.web.access import FOR_MACHINES, own_path
from ml_backend.web.app import create_app
from ml_backend.workflows.accounts import Accounts
from ml_backend.workflows.connecting.webhook import basic_auth
from ml_backend.workflows.services import Services
from tests.services import add_project, with_settings
from tests.unit.web.route_roles import ROLES
from tests.visitors import HTML, PASSWORD, press, sign_in, signed_in, token_in

GUARDED = {"password": "secret-of-backend", "webhook_password": "secret-of-webhook"}
BACKEND = {"Authorization": basic_auth("labelloop", "secret-of-backend")}
OPEN = {"static", "sign_in.login", "sign_in.link"}


def routes(app: Flask) -> dict[str, tuple[str, str]]:
    """Method and path of each route for people."""
    found = {}
    for rule in app.url_map.iter_rules():
        path = re.sub(r"<int[^>]*>", "1", rule.rule).replace("<path:filename>", "page.css").replace("<token>", "x")
        if path not in FOR_MACHINES:
            method = min((rule.methods or set()) - {"OPTIONS", "HEAD"})
            found[rule.endpoint] = (method, path.replace("<name>", "cancel_job?job_id=1"))
    return found


def entries(services: Services) -> list[AuditEntry]:
    return list(services.database.audit_log.newest(limit=100))


def csrf_of(client: FlaskClient) -> dict[str, str]:
    return {"X-CSRFToken": token_in(client.get("/", headers=HTML))}


def test_every_route_has_a_role_or_is_open_to_strangers_on_purpose(app: Flask) -> None:
    assert routes(app).keys() == ROLES.keys() | OPEN


@pytest.mark.parametrize("role", Role)
def test_each_role_reaches_exactly_its_routes(app: Flask, services: Services, role: Role) -> None:
    client = signed_in(app, services, role)
    token = csrf_of(client)
    add_project(services)
    services.database.jobs.request("train", 1, {}, dedupe_key="x", claim=True)

    for endpoint, (method, path) in sorted(routes(app).items()):
        if endpoint in OPEN or endpoint in ("sign_in.logout", "api.job_events", "pages.connection"):
            continue
        body: dict[str, Any] = {"json": {"project": 9} if endpoint == "api.connect_project" else {}}
        status = client.open(path, method=method, headers=token, **(body if method == "POST" else {})).status_code
        assert (status == 403) is not role.includes(ROLES[endpoint]), f"{role} {endpoint}: {status}"


def test_strangers_reach_nothing_but_the_door(app: Flask, client: FlaskClient) -> None:
    for endpoint, (method, path) in routes(app).items():
        if endpoint in OPEN:
            continue
        assert client.open(path, method=method, json={}).status_code == 401, endpoint
        shown = client.open(path, method=method, data={"next": "/"}, headers=HTML)
        is_page = method == "GET" and not path.startswith("/api/")
        assert shown.status_code == (303 if is_page else 401), endpoint
        if is_page:
            assert shown.headers["Location"].startswith("/login")
    assert client.get("/nothing", headers=HTML).headers["Location"] == "/login?next=/nothing"


def test_a_refused_action_is_in_the_audit_log(app: Flask, services: Services) -> None:
    viewer = signed_in(app, services, Role.VIEWER)

    answer = viewer.post("/api/jobs/1/cancel", json={}, headers=csrf_of(viewer))

    assert answer.get_json()["error"] == "viewer is a viewer; this needs an analyst"
    (entry, *_) = entries(services)
    assert (entry.actor, entry.action, entry.outcome) == ("viewer", "cancel_job", "refused")


@pytest.mark.parametrize("body", [{"json": {}}, {"data": {"next": "/"}}, {"data": {"csrf_token": "made-up"}}])
def test_a_session_changes_nothing_without_its_token(services: Services, admin: FlaskClient, body: Any) -> None:
    add_project(services)

    assert admin.post("/api/projects/1/train", **body).status_code == 400
    assert services.database.jobs.newest() == []


def test_a_token_of_another_session_is_worth_nothing(app: Flask, services: Services, admin: FlaskClient) -> None:
    add_project(services)
    other = csrf_of(signed_in(app, services, Role.ANALYST))

    assert admin.post("/api/projects/1/train", json={}, headers=other).status_code == 400


def test_json_with_a_sessions_token_is_taken(services: Services, admin: FlaskClient) -> None:
    add_project(services)

    assert admin.post("/api/projects/1/train", json={}, headers=csrf_of(admin)).get_json()["is_new"] is True


def test_the_backends_credentials_act_as_an_admin_and_the_log_says_so(services: Services) -> None:
    client = create_app(with_settings(services, **GUARDED)).test_client()
    add_project(services)

    assert client.post("/api/projects/1/train", json={}, headers=BACKEND).status_code == 200
    assert client.post("/api/projects/1/train", data={"next": "/"}, headers=BACKEND).status_code == 400
    assert client.get("/audit-log", headers=BACKEND | HTML).status_code == 200

    (entry, *_) = entries(services)
    assert (entry.actor, entry.via, entry.action, entry.subject, entry.outcome, entry.address) == (
        "labelloop",
        "basic auth",
        "train_project",
        "project 1",
        "done",
        "127.0.0.1",
    )


def test_name_and_password_let_in_with_a_new_cookie(app: Flask, services: Services) -> None:
    accounts = Accounts(services)
    accounts.set_password(accounts.add("Anna@Example.com", Role.VIEWER), PASSWORD)
    client = app.test_client()
    before = client.get("/login", headers=HTML).headers["Set-Cookie"]

    answer = sign_in(client, " anna@example.COM ")

    cookie = answer.headers["Set-Cookie"]
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    assert cookie.split(";")[0] != before.split(";")[0]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Secure" not in cookie
    assert client.get("/", headers=HTML).status_code == 200
    assert [(entry.actor, entry.via, entry.action) for entry in entries(services)] == [
        ("anna@example.com", "password", "sign in")
    ]


def test_cookies_are_secure_where_the_public_url_is(services: Services) -> None:
    client = create_app(with_settings(services, public_url="https://loop.example.com")).test_client()

    assert "Secure" in client.get("/login", headers=HTML).headers["Set-Cookie"]


@pytest.mark.parametrize("name", ["admin", "nobody", "link-only", "x' OR 1=1 --", ""])
def test_a_wrong_name_and_a_wrong_password_look_alike(app: Flask, services: Services, name: str) -> None:
    admin = signed_in(app, services, password=PASSWORD)
    Accounts(services).add("link-only", Role.ADMIN)
    admin.post("/logout", data={"csrf_token": token_in(admin.get("/", headers=HTML))})

    answer = sign_in(admin, name, "wrong password")

    assert answer.status_code == 401
    assert ("wrong" in answer.text) is bool(name)
    assert admin.get("/").status_code == 401


def test_what_was_typed_into_the_wrong_field_is_not_kept(services: Services, client: FlaskClient) -> None:
    sign_in(client, "hunter2-is-my-password", "anna")

    (entry,) = entries(services)
    assert (entry.actor, entry.outcome, entry.detail) == ("unknown", "refused", "wrong name or password")
    assert 'reason="wrong name or password"} 1.0' in client.get("/metrics").get_data(as_text=True)


def test_a_password_cannot_be_guessed_quickly(app: Flask, services: Services) -> None:
    signed_in(app, services, password=PASSWORD)
    client = app.test_client()

    statuses = [sign_in(client, "admin", f"wrong {number}").status_code for number in range(10)]

    assert set(statuses) == {401}
    refused = sign_in(client, "ADMIN", PASSWORD)
    assert refused.status_code == 429
    assert "too many tries" in refused.text
    assert sign_in(client, "somebody-else", "wrong").status_code == 401


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/jobs?kind=train", "/jobs?kind=train"),
        ("/projects/1", "/projects/1"),
        *((bad, "/") for bad in ("https://evil.test", "//evil.test", "/\\evil.test", "\\\\evil.test", "evil", "")),
        *((bad, "/") for bad in ("javascript:alert(1)", "/\t/evil.test", "///evil.test", "http:evil.test", "//[")),
        (None, "/"),
    ],
)
def test_signing_in_leads_to_own_pages_alone(target: str | None, path: str) -> None:
    assert own_path(target) == path


def test_the_page_that_was_asked_for_is_shown_after_signing_in(app: Flask, services: Services) -> None:
    signed_in(app, services, password=PASSWORD)
    assert (
        app.test_client().get("/jobs?kind=train", headers=HTML).headers["Location"]
        == "/login?next=/jobs%3Fkind%3Dtrain"
    )

    answers = [sign_in(app.test_client(), "admin", next=target) for target in ("/jobs?kind=train", "https://evil.test")]

    assert [answer.headers["Location"] for answer in answers] == ["/jobs?kind=train", "/"]


def test_a_session_ends_by_signing_out_even_for_a_kept_cookie(services: Services, admin: FlaskClient) -> None:
    cookie = admin.get_cookie("labelloop_9090")
    assert cookie is not None

    assert press(admin, "/logout").headers["Location"] == "/login"
    admin.set_cookie("labelloop_9090", cookie.value)

    assert admin.get("/").status_code == 401
    assert entries(services)[0].action == "sign out"


def test_a_session_ends_without_clicks_and_what_an_open_page_asks_is_none(
    services: Services, admin: FlaskClient
) -> None:
    services.clock.advance(7000)
    assert admin.get("/", headers={"X-Labelloop-Live": "1"}).status_code == 200
    services.clock.advance(201)
    assert admin.get("/").status_code == 401


def test_a_session_ends_in_any_case(services: Services, admin: FlaskClient) -> None:
    for _ in range(6):
        services.clock.advance(7000)
        assert admin.get("/").status_code == 200
    services.clock.advance(1300)

    assert admin.get("/").status_code == 401


@pytest.mark.parametrize("change", ["password", "role", "removed"])
def test_a_change_of_the_user_ends_all_sessions(services: Services, admin: FlaskClient, change: str) -> None:
    accounts = Accounts(services)
    user = accounts.get("admin")
    link = accounts.link(user)
    accounts.add("second", Role.ADMIN)
    if change == "password":
        accounts.set_password(user, "another password")
    elif change == "role":
        accounts.set_role(user, Role.VIEWER)
    else:
        accounts.remove(user)

    assert admin.get("/").status_code == 401
    assert admin.get(link.partition("9090")[2], headers=HTML).status_code == 404


def test_the_first_admin_gets_in_by_a_link_that_works_once(app: Flask, services: Services) -> None:
    link = Accounts(services).first_link()
    assert link is not None
    path, client = link.partition("9090")[2], app.test_client()
    assert "Welcome, admin" in client.get(path, headers=HTML).text
    short = client.post(path, data={"csrf_token": token_in(client.get(path, headers=HTML)), "password": "short"})
    assert short.status_code == 422

    answer = client.post(path, data={"csrf_token": token_in(client.get(path, headers=HTML)), "password": PASSWORD})

    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    assert client.get("/").status_code == 200
    assert client.get(path, headers=HTML).headers["Location"] == "/"
    assert app.test_client().get(path, headers=HTML).status_code == 404
    assert sign_in(app.test_client(), "admin").status_code == 303
    assert Accounts(services).first_link() is None


def test_a_link_is_worth_nothing_after_a_day(app: Flask, services: Services) -> None:
    path = str(Accounts(services).first_link()).partition("9090")[2]

    services.clock.advance(24 * 3600 + 1)

    assert app.test_client().get(path, headers=HTML).status_code == 404
    assert Accounts(services).first_link() is not None


def test_no_token_is_stored_as_it_is(app: Flask, services: Services) -> None:
    signed_in(app, services, password=PASSWORD)
    link = Accounts(services).link(Accounts(services).get("admin"))
    driver = services.database.engine.raw_connection()
    stored = "\n".join(driver.driver_connection.iterdump())  # type: ignore[union-attr]
    driver.close()

    assert "scrypt:" in stored
    assert PASSWORD not in stored
    assert link.rpartition("/")[2] not in stored


def test_a_proxy_is_believed_from_its_address_alone(services: Services) -> None:
    Accounts(services).add("anna", Role.ANALYST)
    proxied = {"proxy_user_header": "X-Forwarded-User", "proxy_addresses": "10.0.0.0/8, 192.168.1.7"}
    client = create_app(with_settings(services, **proxied)).test_client()
    add_project(services)

    def status(address: str, name: str = "Anna", path: str = "/") -> int:
        headers = {"X-Forwarded-User": name}
        return client.get(path, headers=headers, environ_base={"REMOTE_ADDR": address}).status_code

    assert [status(each) for each in ("10.1.2.3", "192.168.1.7", "192.168.1.8", "127.0.0.1")] == [200, 200, 401, 401]
    assert status("10.1.2.3", "nobody") == 403
    assert status("10.1.2.3", path="/audit-log") == 403
    forged = client.post(
        "/api/projects/1/train", json={}, headers={"X-Forwarded-User": "anna"}, environ_base={"REMOTE_ADDR": "10.0.0.1"}
    )
    assert forged.status_code == 400


def test_no_proxy_is_believed_unless_settings_say_so(services: Services, client: FlaskClient) -> None:
    Accounts(services).add("anna", Role.ADMIN)

    assert client.get("/", headers={"X-Forwarded-User": "anna", "Remote-User": "anna"}).status_code == 401

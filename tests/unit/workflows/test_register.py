"""This backend's row and its webhook in Label Studio."""

from pathlib import Path

import pytest

from ml_backend.errors import StudioError, StudioRejected, StudioUnreachable
from ml_backend.options import BackendOptions
from ml_backend.workflows.connecting.connect import connect
from ml_backend.workflows.connecting.webhook import basic_auth, same_address, wanted_webhook
from ml_backend.workflows.labeling.ingest import KNOWN_ACTIONS
from ml_backend.workflows.services import Services
from tests.services import BACKEND_URL, add_studio_project, build_test_services
from tests.unit.workflows.healthy_loop import ACCESS, SETTINGS

AUTHORIZATION = {"Authorization": basic_auth("webhook", SETTINGS["webhook_password"])}


def test_a_backend_added_by_hand_is_kept_and_its_bare_webhook_repaired(guarded: Services) -> None:
    info = add_studio_project(guarded)
    added = guarded.studio.create_backend(info.id, {"url": BACKEND_URL, "title": "my backend"})
    (bare,) = guarded.studio.webhooks(info.id)
    assert bare["headers"] == {}

    connection = connect(guarded, info.id)

    (row,) = guarded.studio.backends(info.id)
    (hook,) = guarded.studio.webhooks(info.id)
    assert (row["id"], row["title"]) == (added["id"], "my backend")
    access = (row["auth_method"], row["basic_auth_user"], row["basic_auth_pass_is_set"])
    assert access == ("BASIC_AUTH", "labelloop", True)
    assert (hook["id"], hook["headers"]) == (bare["id"], AUTHORIZATION)
    assert f"Repaired the webhook to {BACKEND_URL}/webhook." in connection.changes


def test_headers_that_somebody_added_for_a_proxy_stay(guarded: Services) -> None:
    info = add_studio_project(guarded)
    headers = {"authorization": "Basic b2xk", "X-Proxy": "1"}
    guarded.studio.create_webhook(info.id, {"url": f"{BACKEND_URL}/webhook", "headers": headers})

    connect(guarded, info.id)

    (hook,) = guarded.studio.webhooks(info.id)
    assert hook["headers"] == {"X-Proxy": "1"} | AUTHORIZATION


@pytest.mark.parametrize(
    "fault", [{"is_active": False}, {"send_payload": False}, {"actions": ["TASKS_CREATED"]}, {"headers": {}}]
)
def test_a_webhook_that_would_lose_events_is_repaired(guarded: Services, fault: dict[str, object]) -> None:
    info = add_studio_project(guarded)
    connect(guarded, info.id)
    (hook,) = guarded.studio.webhooks(info.id)
    guarded.studio.webhook_rows[hook["id"]] |= fault

    connection = connect(guarded, info.id)

    assert connection.changes == (f"Repaired the webhook to {BACKEND_URL}/webhook.",)
    assert guarded.studio.webhooks(info.id) == [hook]


def test_duplicate_webhooks_to_this_backend_are_deleted_and_others_left_alone(services: Services) -> None:
    info = add_studio_project(services)
    for url in ("http://127.0.0.1:9090/webhook/", "http://u:p@localhost:9090/webhook", "https://other.test/webhook"):
        services.studio.create_webhook(info.id, {"url": url})

    connection = connect(services, info.id)

    urls = [hook["url"] for hook in services.studio.webhooks(info.id)]
    assert urls == [f"{BACKEND_URL}/webhook", "https://other.test/webhook"]
    assert "Deleted webhook 2, which pointed at this backend too." in connection.changes


def test_the_webhook_of_a_deleted_backend_is_used_again(services: Services) -> None:
    info = add_studio_project(services)
    first = connect(services, info.id)
    assert first.project.backend_id is not None
    services.studio.remove_backend(first.project.backend_id)

    connect(services, info.id)

    assert len(services.studio.backends(info.id)) == 1
    assert [hook["id"] for hook in services.studio.webhooks(info.id)] == [1]


def test_a_moved_backend_takes_its_row_and_webhook_along(tmp_path: Path) -> None:
    before = build_test_services(tmp_path)
    info = add_studio_project(before)
    connect(before, info.id)
    after = build_test_services(
        tmp_path, studio=before.studio, backend=BackendOptions(public_url="https://loop.example.com")
    )

    connection = connect(after, info.id)

    assert [row["url"] for row in after.studio.backends(info.id)] == ["https://loop.example.com"]
    assert [hook["url"] for hook in after.studio.webhooks(info.id)] == ["https://loop.example.com/webhook"]
    assert connection.changes == (
        "Repaired the webhook to https://loop.example.com/webhook.",
        "Brought the backend 'labelloop' up to date: https://loop.example.com.",
    )


def test_a_disconnected_backend_is_tried_again(services: Services) -> None:
    info = add_studio_project(services)
    connect(services, info.id)
    services.studio.backend_rows[1]["state"] = "DI"

    connection = connect(services, info.id)

    assert connection.changes == (f"Brought the backend 'labelloop' up to date: {BACKEND_URL}.",)
    assert services.studio.backends(info.id)[0]["state"] == "CO"


def test_another_backend_in_front_is_pointed_out(services: Services) -> None:
    info = add_studio_project(services)
    services.studio.create_backend(info.id, {"url": "http://other.test:9090", "title": "older"})

    connection = connect(services, info.id)

    (notice,) = connection.notices
    assert notice == (
        "Label Studio asks only the first backend of a project, which is 'older' at http://other.test:9090; "
        "delete that one under Settings, Model."
    )


def test_a_backend_listed_twice_is_pointed_out(services: Services) -> None:
    info = add_studio_project(services)
    connect(services, info.id)
    services.studio.create_backend(info.id, {"url": "http://127.0.0.1:9090/", "title": "twin"})

    assert connect(services, info.id).notices == ("This backend is listed twice; delete 'twin' under Settings, Model.",)


@pytest.mark.parametrize("blocked", ["blocks_webhooks", "blocks_backends"])
def test_blocked_private_addresses_leave_nothing_behind(services: Services, blocked: str) -> None:
    info = add_studio_project(services)
    setattr(services.studio, blocked, True)

    with pytest.raises(StudioRejected, match="refuses to call http://localhost:9090, a private address") as caught:
        connect(services, info.id)

    assert caught.value.status == 403
    assert "LABEL_STUDIO_ML_BLOCK_LOCAL_IP=false" in str(caught.value)
    assert "LABEL_STUDIO_SSRF_PROTECTION_ENABLED=false" in str(caught.value)
    assert (services.studio.backends(info.id), services.studio.webhooks(info.id)) == ([], [])


def test_a_webhook_that_was_there_before_survives_a_refusal(services: Services) -> None:
    info = add_studio_project(services)
    services.studio.create_webhook(info.id, {"url": f"{BACKEND_URL}/webhook"})
    services.studio.blocks_backends = True

    with pytest.raises(StudioRejected):
        connect(services, info.id)

    assert len(services.studio.webhooks(info.id)) == 1


def test_the_row_that_a_refused_attempt_in_the_interface_left_is_reused(services: Services) -> None:
    info = add_studio_project(services)
    services.studio.blocks_webhooks = True
    with pytest.raises(StudioRejected):
        services.studio.create_backend(info.id, {"url": BACKEND_URL, "title": "left behind"})
    services.studio.blocks_webhooks = False

    connection = connect(services, info.id)

    assert [row["title"] for row in services.studio.backends(info.id)] == ["left behind"]
    assert connection.project.backend_id == 1


@pytest.mark.parametrize(
    ("detail", "advice"),
    [
        ("Can't connect to ML backend http://localhost:9090, health check failed.", "start `labelloop serve`"),
        ("Able to connect to ML Server, but authentication parameters were not provided", "LABELLOOP_PASSWORD"),
        ("Successfully connected but it doesn't look like a valid ML backend. Reason: 422", "another service"),
    ],
)
def test_a_refusal_of_label_studio_says_what_to_do(services: Services, detail: str, advice: str) -> None:
    info = add_studio_project(services)
    services.studio.refusals["create_backend"] = StudioRejected(detail, status=400)

    with pytest.raises(StudioRejected) as caught:
        connect(services, info.id)

    assert advice in str(caught.value)
    assert BACKEND_URL in str(caught.value)
    assert detail in str(caught.value)


@pytest.mark.parametrize("error", [StudioRejected("Not found.", status=404), StudioUnreachable("nobody answers")])
def test_other_errors_of_label_studio_pass_through_unchanged(services: Services, error: StudioError) -> None:
    info = add_studio_project(services)
    services.studio.refusals["create_backend"] = error

    with pytest.raises(type(error)) as caught:
        connect(services, info.id)

    assert str(caught.value) == str(error)


def test_every_action_of_the_webhook_is_acted_upon() -> None:
    assert set(wanted_webhook(ACCESS)["actions"]) <= KNOWN_ACTIONS


@pytest.mark.parametrize(
    ("url", "other", "is_same"),
    [
        ("http://localhost:9090", "http://127.0.0.1:9090/", True),
        ("http://[::1]:9090/x", "http://localhost:9090/x/", True),
        ("http://u:p@Example.com", "http://example.com:80", True),
        ("https://example.com", "http://example.com", False),
        ("http://example.com:9090", "http://example.com:9091", False),
        ("http://example.com/a", "http://example.com/b", False),
        ("http://example.com:port", "http://example.com:port", True),
        ("http://example.com:port", "http://example.com", False),
    ],
)
def test_urls_are_compared_by_where_they_lead(url: str, other: str, is_same: bool) -> None:
    assert same_address(url, other) is is_same

"""Findings of doctor about a project's connection."""

from typing import Any

import pytest

from ml_backend.errors import StudioRejected
from ml_backend.workflows.connecting.projects import remember_project
from ml_backend.workflows.doctor.examination import State
from tests.services import BACKEND_URL, CONFIG
from tests.unit.workflows.healthy_loop import ACCESS, Loop, answering, app_transport, refuse_connection


def test_an_unknown_project_is_told_how_to_find_its_number(loop: Loop) -> None:
    findings = loop.findings(99)

    assert findings["project"].found == "Label Studio shows the token's owner no project 99"
    assert "http://localhost:8080/projects/NUMBER/data" in findings["project"].fix
    assert findings["label_config"].state is State.SKIPPED
    assert findings["connected"].found == "this backend's database does not know the project"
    assert findings["connected"].fix == "run `labelloop connect 99`"


def test_a_label_config_that_cannot_be_served_is_explained(loop: Loop) -> None:
    config = CONFIG.replace('choice="single"', 'choice="single" perRegion="true"')
    loop.services.studio.projects[loop.project_id]["label_config"] = config

    loop.assert_finding("label_config", State.BROKEN, "is asked per region")


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        ("Returns", "Refunds", "the label 'Returns' of 'category' seems to be 'Refunds' now"),
        (
            '<Choice value="Billing"/><Choice value="Shipping"/>',
            '<Choice value="Shipping"/><Choice value="Billing"/>',
            "controls or labels stand in another order",
        ),
    ],
)
def test_a_label_config_that_changed_unnoticed_is_a_warning(loop: Loop, before: str, after: str, change: str) -> None:
    loop.services.studio.projects[loop.project_id]["label_config"] = CONFIG.replace(before, after)

    message = f"it has changed since this backend last read it: {change}"
    loop.assert_finding("label_config", State.WARNING, message, "run `labelloop connect 1`")


def test_every_control_that_is_served_is_named(loop: Loop) -> None:
    parts = '<Labels name="parts" toName="text"><Label value="Number"/></Labels>'
    config = CONFIG.replace("</View>", f"{parts}</View>")
    loop.services.studio.projects[loop.project_id]["label_config"] = config
    remember_project(loop.services, loop.project_id, config)

    assert loop.finding("label_config").found == "serves 'category' with 3 labels, 'parts' with 1 label"


def test_a_project_without_this_backend_names_what_it_has_instead(loop: Loop) -> None:
    loop.services.studio.remove_backend(1)
    loop.services.studio.create_backend(loop.project_id, {"url": "http://other.test:9090", "title": "other"})

    message = f"the project has no backend at {BACKEND_URL}; it has 'other' at http://other.test:9090"
    loop.assert_finding("registration", State.BROKEN, message, "run `labelloop connect 1`")


@pytest.mark.parametrize(
    ("row", "message", "fix"),
    [
        ({"state": "DI"}, "and Label Studio does not", "LABELLOOP_PUBLIC_URL"),
        ({"state": "ER", "error_message": "500 Server Error"}, "got an error: 500 Server Error", "log of"),
        ({"auth_method": "NONE"}, "was given no credentials", "labelloop connect 1"),
        ({"url": "http://old.test:9090"}, "at its former address http://old.test:9090", "labelloop connect 1"),
    ],
)
def test_the_state_of_the_registration_is_explained(loop: Loop, row: dict[str, Any], message: str, fix: str) -> None:
    loop.services.studio.backend_rows[1] |= row

    loop.assert_finding("registration", State.BROKEN, message, fix)


def test_a_disconnected_backend_that_is_down_is_to_be_started(loop: Loop) -> None:
    loop.services.studio.backend_rows[1]["state"] = "DI"
    loop.transport = answering(refuse_connection)

    fix = "start `labelloop serve`, then run `labelloop connect 1`"
    loop.assert_finding("registration", State.BROKEN, f"Label Studio cannot reach {BACKEND_URL}", fix)


def test_a_backend_behind_another_one_is_a_warning(loop: Loop) -> None:
    studio = loop.services.studio
    studio.create_backend(loop.project_id, {"url": "http://other.test:9090", "title": "other"})
    studio.backend_rows = dict(reversed(studio.backend_rows.items()))

    loop.assert_finding("registration", State.WARNING, fix="delete that one under Settings, Model")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"headers": {}}, "the webhook carries no Authorization header"),
        ({"headers": {"authorization": "Basic eA=="}}, "the webhook carries other credentials than this backend takes"),
        ({"is_active": False}, "the webhook is switched off"),
        ({"send_payload": False}, "the webhook sends no payload"),
        (
            {"actions": ["TASKS_CREATED", "ANNOTATION_CREATED", "ANNOTATION_UPDATED", "PROJECT_UPDATED"]},
            "the webhook is not sent for ANNOTATIONS_CREATED, ANNOTATIONS_DELETED",
        ),
        ({"is_active": False, "send_payload": False}, "the webhook is switched off and sends no payload"),
    ],
)
def test_what_keeps_events_from_arriving_is_named(loop: Loop, change: dict[str, Any], message: str) -> None:
    loop.services.studio.webhook_rows[1] |= change

    findings = loop.findings()

    assert (findings["webhook"].state, findings["webhook"].found) == (State.BROKEN, message)
    assert findings["webhook"].fix == "run `labelloop connect 1`"
    assert findings["delivery"].state is State.SKIPPED


def test_a_webhook_for_all_actions_is_as_good(loop: Loop) -> None:
    loop.services.studio.webhook_rows[1] |= {"send_for_all_actions": True, "actions": []}

    assert loop.finding("webhook").state is State.OK


def test_a_missing_webhook_hints_at_blocked_addresses(loop: Loop) -> None:
    loop.services.studio.delete_webhook(1)

    loop.assert_finding("webhook", State.BROKEN, fix="LABEL_STUDIO_SSRF_PROTECTION_ENABLED=false")


def test_a_second_webhook_is_a_warning(loop: Loop) -> None:
    hook = dict(loop.services.studio.webhook_rows[1])
    loop.services.studio.create_webhook(loop.project_id, {**hook, "id": 2, "url": "http://127.0.0.1:9090/webhook"})

    loop.assert_finding("webhook", State.WARNING, "2 webhooks lead here,")


def test_the_webhook_of_a_deleted_backend_is_a_warning_without_its_password(loop: Loop) -> None:
    loop.services.studio.create_webhook(loop.project_id, {"url": "http://u:secret@gone.test:9090/webhook"})

    message = "webhook 2 leads to http://gone.test:9090/webhook, where the project has no backend"
    loop.assert_finding("webhook", State.WARNING, message)
    assert "secret" not in loop.finding("webhook").found


def test_blocked_private_addresses_are_found_out(loop: Loop) -> None:
    loop.services.studio.blocks_webhooks = True

    loop.assert_finding("private_addresses", State.BROKEN, fix="LABEL_STUDIO_ML_BLOCK_LOCAL_IP=false")


def test_a_webhook_that_may_not_be_changed_is_not_mistaken_for_a_blocked_address(loop: Loop) -> None:
    loop.services.studio.refusals["update_webhook"] = StudioRejected("no permission", status=403)

    loop.assert_finding("private_addresses", State.BROKEN, "no permission")


def test_a_test_event_shows_whether_the_webhooks_password_is_right(loop: Loop) -> None:
    loop.transport = app_transport(loop.services, password=ACCESS.password, webhook_password="changed-since")

    loop.assert_finding("webhook", State.OK)
    loop.assert_finding("delivery", State.BROKEN, fix="LABELLOOP_WEBHOOK_PASSWORD")

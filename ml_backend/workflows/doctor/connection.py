"""Checks of a project's connection: what Label Studio holds of this backend, and whether events can arrive."""

from collections.abc import Mapping
from typing import Any

from ...errors import LabelConfigError, StudioRejected
from ...labelstudio.plans import plan_of
from ..connecting.config_history import changes_between
from ..connecting.connect import ANSWERING_STATES
from ..connecting.webhook import SSRF_FIX, is_address_refusal, same_address, webhook_faults, webhook_url
from .examination import Check, Examination, Finding

__all__ = ["CHECKS"]

_TEST_ACTION = "LABELLOOP_DOCTOR"
"""An event that no Label Studio sends and that the backend only notes in its log."""


def _project(exam: Examination) -> Finding:
    try:
        info = exam.info
    except StudioRejected as error:
        if error.status not in (403, 404):
            raise
        return Finding.broken(
            f"Label Studio shows the token's owner no project {exam.project_id}",
            f"take the number from the project's address, {exam.services.studio.url}/projects/NUMBER/data, or let "
            "the owner of the token join the workspace",
        )
    return Finding.fine(f"{info.title!r} with {info.task_count} tasks")


def _label_config(exam: Examination) -> Finding:
    try:
        record = exam.services.database.projects.find(exam.project_id)
        plan = plan_of(exam.info.label_config, None if record is None else record.fields)
    except LabelConfigError as error:
        return Finding.broken(
            str(error),
            "correct it under Settings, Labeling Interface; label_config/ holds working templates",
        )
    if record is not None and record.label_config_fingerprint != plan.config.fingerprint:
        changes = changes_between(record.label_config, plan.config.xml, record.fields) or (
            "controls or labels stand in another order.",
        )
        return Finding.warning(
            f"it has changed since this backend last read it: {' '.join(changes)}",
            f"run `labelloop connect {exam.project_id}`",
        )
    counts = ((each.name, len(each.control.labels)) for each in plan.controls)
    served = ", ".join(f"{name!r} with {count} label{'s' * (count != 1)}" for name, count in counts)
    if plan.notices:
        return Finding.warning(
            f"serves {served}; {'; '.join(plan.notices)}",
            "leave it so where nothing should be learned from these; docs/label-configs.md says how to write what is "
            "served, and Settings, Labeling Interface is the place to change it",
        )
    return Finding.fine(f"serves {served}")


def _connected(exam: Examination) -> Finding:
    if exam.services.database.projects.find(exam.project_id) is None:
        return Finding.broken("this backend's database does not know the project", _connect(exam))
    project = exam.project
    return Finding.fine(f"as {project.ref.key} since {project.connected_at:%Y-%m-%d %H:%M} UTC, split {project.split}")


def _registration(exam: Examination) -> Finding:
    row, access = exam.row, exam.services.options.backend
    if row is None:
        others = "".join(f"; it has {each['title']!r} at {each['url']}" for each in exam.rows)
        return Finding.broken(f"the project has no backend at {access.url}{others}", _connect(exam))
    if not same_address(row["url"], access.url):
        return Finding.broken(f"the project has this backend at its former address {row['url']}", _connect(exam))
    if bool(access.password) != (row.get("auth_method") == "BASIC_AUTH"):
        return Finding.broken(
            "Label Studio was given no credentials, or has some that are not needed now", _connect(exam)
        )
    if row.get("state") not in ANSWERING_STATES:
        return _not_answering(exam, row)
    if exam.rows[0]["id"] != row["id"]:
        return Finding.warning(
            f"Label Studio asks only the first backend of a project, which is {exam.rows[0]['title']!r} at "
            f"{exam.rows[0]['url']}",
            "delete that one under Settings, Model",
        )
    return Finding.fine(f"{row['title']!r} is connected at {row['url']}")


def _not_answering(exam: Examination, row: Mapping[str, Any]) -> Finding:
    if row.get("state") == "ER":
        return Finding.broken(
            f"Label Studio got an error: {row.get('error_message')}",
            f"look at the log of `labelloop serve`, then {_connect(exam)}",
        )
    if exam.probe.get("/health").status == 200:
        return Finding.broken(
            f"this machine reaches {row['url']}, and Label Studio does not",
            "set LABELLOOP_PUBLIC_URL to an address that Label Studio's machine or container reaches (from Docker: "
            "http://host.docker.internal:9090 with LABELLOOP_HOST=0.0.0.0), restart `labelloop serve`, then "
            f"{_connect(exam)}",
        )
    return Finding.broken(f"Label Studio cannot reach {row['url']}", f"start `labelloop serve`, then {_connect(exam)}")


def _webhook(exam: Examination) -> Finding:
    access, ours = exam.services.options.backend, exam.own_webhooks
    if not ours:
        hint = f"; if that is refused, {SSRF_FIX}" if exam.row else ""
        return Finding.broken(
            f"no webhook leads to {webhook_url(access)}, so no event arrives", f"{_connect(exam)}{hint}"
        )
    if faults := webhook_faults(ours[0], access):
        return Finding.broken(f"the webhook {' and '.join(faults)}", _connect(exam))
    if len(ours) > 1:
        return Finding.warning(f"{len(ours)} webhooks lead here, and each makes annotators wait", _connect(exam))
    if orphans := _orphans(exam):
        return Finding.warning(
            f"webhook {orphans[0]['id']} leads to {_without_user_info(orphans[0]['url'])}, where the project has no "
            "backend, and makes annotators wait",
            "delete it under Settings, Webhooks, unless it is meant for another service",
        )
    return Finding.fine(f"one, to {webhook_url(access)}")


def _orphans(exam: Examination) -> list[Mapping[str, Any]]:
    """Label Studio makes a webhook with each backend, and keeps it when the backend is deleted."""
    places = [f"{row['url'].rstrip('/')}/webhook" for row in exam.rows] + [webhook_url(exam.services.options.backend)]
    return [
        hook
        for hook in exam.webhooks
        if hook["url"].rstrip("/").endswith("/webhook") and not any(same_address(hook["url"], each) for each in places)
    ]


def _private_addresses(exam: Examination) -> Finding:
    """Label Studio checks the address at every change of a webhook as it does before every delivery."""
    hook = exam.own_webhooks[0]
    unchanged = {
        name: hook[name]
        for name in ("url", "send_payload", "send_for_all_actions", "actions", "headers", "is_active")
        if name in hook
    }
    try:
        exam.services.studio.update_webhook(int(hook["id"]), unchanged)
    except StudioRejected as error:
        if not is_address_refusal(str(error)):
            raise
        return Finding.broken("Label Studio refuses to send events to private addresses", SSRF_FIX)
    return Finding.fine(f"Label Studio may call {hook['url']}")


def _delivery(exam: Examination) -> Finding:
    hook = exam.own_webhooks[0]
    answer = exam.probe.post("/webhook", {"action": _TEST_ACTION}, headers=hook.get("headers") or {})
    if answer.status == 401:
        return Finding.broken(
            "the running backend refuses the credentials that Label Studio sends with events",
            "restart `labelloop serve` with the LABELLOOP_WEBHOOK_PASSWORD that is set here",
        )
    if answer.status != 200:
        return Finding.broken(
            f"the running backend answers an event with {answer.status} {answer.reason}",
            "look at the log of `labelloop serve`",
        )
    return Finding.fine("a test event with Label Studio's headers was accepted")


def _connect(exam: Examination) -> str:
    return f"run `labelloop connect {exam.project_id}`"


def _without_user_info(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"


CHECKS = (
    Check("project", _project, needs=("token",)),
    Check("label_config", _label_config, needs=("project",)),
    Check("connected", _connected, needs=("database",)),
    Check("registration", _registration, needs=("project",)),
    Check("webhook", _webhook, needs=("project",)),
    Check("private_addresses", _private_addresses, needs=("webhook",)),
    Check("delivery", _delivery, needs=("webhook", "backend")),
)

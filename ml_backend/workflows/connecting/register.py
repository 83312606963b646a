"""Make and repair the backend's row and its event webhook in Label Studio."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from ...domain.project import Project
from ...errors import StudioError, StudioRejected
from ...options import BackendOptions
from ..services import Services
from .webhook import SSRF_FIX, is_address_refusal, same_address, wanted_webhook, webhook_url

__all__ = ["ANSWERING_STATES", "Log", "own_row", "register"]

BACKEND_TITLE = "labelloop"
ANSWERING_STATES = frozenset({"CO", "TR", "PR"})
BASIC_AUTH, NO_AUTH = "BASIC_AUTH", "NONE"


@dataclass(slots=True)
class Log:
    """Sentences on what connecting did, and on what a person should know of it, in the order of the steps."""

    changes: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)


def register(services: Services, project: Project, log: Log) -> int:
    """Make or repair webhook and backend row of a project; returns the row's id.

    The webhook comes first, so that nothing is left behind when Label Studio refuses the address: where it blocks
    private addresses for webhooks alone, adding a backend would fail after its row was made. A webhook that is
    there already spares Label Studio making one without credentials.

    Raises:
        StudioError: Label Studio refuses the address, or cannot reach the backend.
    """
    row = own_row(services.studio.backends(project.id), project, services.options.backend)
    made_id: int | None = None
    try:
        made_id = _repair_webhooks(services, project.id, row, log)
        backend_id = _repair_row(services, project.id, row, log)
    except StudioError as error:
        if made_id is not None:
            with suppress(StudioError):  # what went wrong first is the news
                services.studio.delete_webhook(made_id)
        raise _explained(error, services) from error
    _warn_of_others(services, project.id, backend_id, log)
    return backend_id


def own_row(
    rows: Sequence[Mapping[str, Any]], project: Project | None, access: BackendOptions
) -> Mapping[str, Any] | None:
    """Return this backend's row among a project's: at its address, or the one it had before its address changed."""
    here = [row for row in rows if same_address(row["url"], access.url)]
    before = [row for row in rows if project is not None and row["id"] == project.backend_id]
    return next(iter(here + before), None)


def _repair_webhooks(services: Services, project_id: int, row: Mapping[str, Any] | None, log: Log) -> int | None:
    """Exactly one webhook to this backend, as it should be; returns its id where it had to be made."""
    access, studio = services.options.backend, services.studio
    url = webhook_url(access)
    places = [url] + ([f"{row['url'].rstrip('/')}/webhook"] if row else [])
    ours = [hook for hook in studio.webhooks(project_id) if any(same_address(hook["url"], each) for each in places)]
    ours.sort(key=lambda hook: hook["url"] != url)
    if not ours:
        made = studio.create_webhook(project_id, wanted_webhook(access))
        log.changes.append(f"Made the webhook to {url}.")
        return int(made["id"])
    first, *others = ours
    wanted = wanted_webhook(access, first)
    if not _is_like(first, wanted):
        studio.update_webhook(int(first["id"]), wanted)
        log.changes.append(f"Repaired the webhook to {url}.")
    for hook in others:
        studio.delete_webhook(int(hook["id"]))
        log.changes.append(f"Deleted webhook {hook['id']}, which pointed at this backend too.")
    return None


def _is_like(webhook: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """True where nothing has to change. Label Studio returns actions in another order than it got them."""
    found = {name: webhook.get(name) for name in wanted} | {"actions": sorted(webhook.get("actions") or ())}
    return found == {**wanted, "actions": sorted(wanted["actions"])}


def _repair_row(services: Services, project_id: int, row: Mapping[str, Any] | None, log: Log) -> int:
    access = services.options.backend
    settings: dict[str, Any] = {"url": access.url, "auth_method": NO_AUTH}
    if access.password:
        settings |= {
            "auth_method": BASIC_AUTH,
            "basic_auth_user": access.user,
            "basic_auth_pass": access.password.get_secret_value(),
        }
    if row is None:
        made = services.studio.create_backend(project_id, {**settings, "title": BACKEND_TITLE})
        log.changes.append(f"Added the backend {access.url} to the project.")
        return int(made["id"])
    if not _is_registered_like(row, settings):
        services.studio.update_backend(int(row["id"]), {**settings, "project": project_id})
        log.changes.append(f"Brought the backend {row['title']!r} up to date: {access.url}.")
    return int(row["id"])


def _is_registered_like(row: Mapping[str, Any], settings: Mapping[str, Any]) -> bool:
    """The password is write-only; Label Studio has just tried it, so a wrong one shows as a state."""
    if row["url"].rstrip("/") != settings["url"] or row.get("state") not in ANSWERING_STATES:
        return False
    if settings["auth_method"] == NO_AUTH:
        return bool(row.get("auth_method", NO_AUTH) == NO_AUTH)
    found = (row.get("auth_method"), row.get("basic_auth_user"), bool(row.get("basic_auth_pass_is_set")))
    return found == (BASIC_AUTH, settings["basic_auth_user"], True)


def _warn_of_others(services: Services, project_id: int, backend_id: int, log: Log) -> None:
    rows = services.studio.backends(project_id)
    if rows and rows[0]["id"] != backend_id:
        log.notices.append(
            f"Label Studio asks only the first backend of a project, which is {rows[0]['title']!r} at "
            f"{rows[0]['url']}; delete that one under Settings, Model."
        )
    for row in rows:
        if row["id"] != backend_id and same_address(row["url"], services.options.backend.url):
            log.notices.append(f"This backend is listed twice; delete {row['title']!r} under Settings, Model.")


def _explained(error: StudioError, services: Services) -> StudioError:
    """Add advice to a refusal by Label Studio, whose message alone distinguishes the cases."""
    url, message = services.options.backend.url, str(error)
    if not isinstance(error, StudioRejected):
        return error
    if is_address_refusal(message):
        advice = f"Label Studio at {services.studio.url} refuses to call {url}, a private address: {SSRF_FIX}"
    elif "authentication parameters" in message:
        advice = (
            f"the backend at {url} takes other credentials than LABELLOOP_USER and LABELLOOP_PASSWORD say here; "
            "give `labelloop serve` and this command the same settings"
        )
    elif "Can't connect to ML backend" in message:
        advice = (
            f"Label Studio tried {url} and got no good answer: start `labelloop serve`; where Label Studio runs on "
            "another machine or in a container, set LABELLOOP_PUBLIC_URL to the address that it can reach"
        )
    elif "valid ML backend" in message:
        advice = f"what answers at {url} is another service, or its /setup failed: look at the log of `labelloop serve`"
    else:
        return error
    return StudioRejected(f"{advice}. {message}", status=error.status)

"""The event webhook as it should be: what `connect` makes of it, and what `doctor` compares it with."""

import base64
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from ...domain.addresses import LOOPBACK_HOSTS, WEBHOOK_USER
from ...options import BackendOptions

__all__ = [
    "SSRF_FIX",
    "basic_auth",
    "is_address_refusal",
    "same_address",
    "wanted_webhook",
    "webhook_faults",
    "webhook_url",
]

_USED_ACTIONS = (
    "ANNOTATIONS_CREATED",
    "ANNOTATIONS_DELETED",
    "ANNOTATION_CREATED",
    "ANNOTATION_UPDATED",
    "PROJECT_UPDATED",
    "TASKS_CREATED",
)
SSRF_FIX = (
    "start Label Studio again with both LABEL_STUDIO_ML_BLOCK_LOCAL_IP=false and "
    "LABEL_STUDIO_SSRF_PROTECTION_ENABLED=false in its environment"
)
AUTHORIZATION = "Authorization"
DEFAULT_PORTS = {"http": 80, "https": 443}


def webhook_url(access: BackendOptions) -> str:
    """Return the URL to which Label Studio sends events, which it also derives by itself when a backend is added."""
    return f"{access.url.rstrip('/')}/webhook"


def same_address(url: str, other: str) -> bool:
    """True where two URLs lead to the same place; the names of loopback count as one, user info does not count."""
    return _place(url) == _place(other)


def basic_auth(user: str, password: str) -> str:
    """Value of an Authorization header."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def wanted_webhook(access: BackendOptions, existing: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The webhook's settings, headers that somebody added for a proxy kept.

    Actions are always named: Label Studio empties them on a change that does not.
    """
    headers = {
        name: value
        for name, value in ((existing or {}).get("headers") or {}).items()
        if name.lower() != AUTHORIZATION.lower()
    }
    if access.webhook_password:
        headers[AUTHORIZATION] = basic_auth(WEBHOOK_USER, access.webhook_password.get_secret_value())
    return {
        "url": webhook_url(access),
        "send_payload": True,
        "send_for_all_actions": False,
        "actions": list(_USED_ACTIONS),
        "headers": headers,
        "is_active": True,
    }


def webhook_faults(webhook: Mapping[str, Any], access: BackendOptions) -> list[str]:
    """Return what keeps events from arriving, as clauses that follow "the webhook". No secret is repeated in them."""
    faults = []
    if webhook.get("is_active") is False:
        faults.append("is switched off")
    if webhook.get("send_payload") is False:
        faults.append("sends no payload")
    missing = sorted(set(_USED_ACTIONS) - set(webhook.get("actions") or ()))
    if missing and not webhook.get("send_for_all_actions"):
        faults.append(f"is not sent for {', '.join(missing)}")
    header, wanted = _authorization(webhook), _authorization(wanted_webhook(access))
    if wanted and not header:
        faults.append("carries no Authorization header")
    elif wanted and header != wanted:
        faults.append("carries other credentials than this backend takes")
    return faults


def is_address_refusal(message: str) -> bool:
    """True for Label Studio's refusal of private addresses, which it tells by its words alone."""
    return "reserved network address" in message


def _authorization(webhook: Mapping[str, Any]) -> str | None:
    headers = webhook.get("headers") or {}
    return next((value for name, value in headers.items() if name.lower() == AUTHORIZATION.lower()), None)


def _place(url: str) -> tuple[str, str, int | None, str]:
    try:
        parts = urlsplit(url.strip())
        port = parts.port or DEFAULT_PORTS.get(parts.scheme)
    except ValueError:
        return ("", url, None, "")
    host = parts.hostname or ""
    return (parts.scheme, "localhost" if host in LOOPBACK_HOSTS else host, port, parts.path.rstrip("/"))

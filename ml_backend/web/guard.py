"""Who may ask for what.

Off loopback, everything needs the backend's credentials, but for a bare `/health`. The webhook's credentials open
`/webhook` alone, and only for events: every member of a project can read webhook headers in Label Studio.
On loopback without a password, a page in the user's browser is the danger: the Host header is checked against
DNS rebinding, and bodies must be JSON, which a foreign page cannot send without being asked first.
"""

import hmac
from urllib.parse import urlsplit

from flask import Flask, abort, g, request

from ..config import LOOPBACK_HOSTS, Settings
from ..workflows.services import WEBHOOK_USER

__all__ = ["Guard", "refuse_training_by_events"]

CHALLENGE = {"WWW-Authenticate": 'Basic realm="labelloop"'}


class Guard:
    """Checks every request before its view runs."""

    def __init__(self, settings: Settings) -> None:
        self._user = settings.user
        self._password = settings.password.get_secret_value()
        self._webhook_password = settings.webhook_password.get_secret_value()
        public = urlsplit(settings.backend_url).hostname
        self._hosts = LOOPBACK_HOSTS | ({public} if public else frozenset())
        self._is_loopback = settings.is_loopback

    def protect(self, app: Flask) -> None:
        """Put the checks before all views of the application."""
        app.before_request(self._check)

    def _check(self) -> None:
        if self._is_loopback and _host_name(request.host) not in self._hosts:
            abort(403, f"Host {request.host!r} found; wanted one of {', '.join(sorted(self._hosts))}")
        if request.method == "POST" and request.mimetype != "application/json":
            abort(415, f"Content-Type {request.mimetype!r} found; wanted application/json")
        g.may_only_post_events = False
        if self._password:
            self._authenticate()

    def _authenticate(self) -> None:
        if "Authorization" not in request.headers and request.path == "/health":
            g.is_anonymous = True
            return  # container probes carry none; Label Studio does, and theirs are checked
        credentials = request.authorization
        name = (credentials.username or "") if credentials else ""
        password = (credentials.password or "") if credentials else ""
        if _same(name, self._user) and _same(password, self._password):
            return
        if _same(name, WEBHOOK_USER) and _same(password, self._webhook_password):
            if request.path != "/webhook":
                abort(403, "the webhook's credentials may only post events; this needs the backend's")
            g.may_only_post_events = True
            return
        # Label Studio shows its hint about credentials for 401 alone.
        abort(401, "the credentials are missing or wrong; set those of LABELLOOP_USER and LABELLOOP_PASSWORD")


def refuse_training_by_events() -> None:
    """Answer 403 where the request carries the webhook's credentials."""
    if g.get("may_only_post_events", False):
        abort(403, "the webhook's credentials may only post events; START_TRAINING needs the backend's")


def _host_name(host: str) -> str:
    return (urlsplit(f"//{host}").hostname or "").lower()


def _same(found: str, wanted: str) -> bool:
    return hmac.compare_digest(found.encode(), wanted.encode())

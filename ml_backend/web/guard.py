"""Who may ask for what.

Off loopback, everything needs the backend's credentials, but for a bare `/health`. The webhook's credentials open
`/webhook` alone, and only for events: every member of a project can read webhook headers in Label Studio.
On loopback without a password, a page in the user's browser is the danger: the Host header is checked against
DNS rebinding, and bodies must be JSON, which a foreign page cannot send without being asked first.

The admin's page and its API are for people: a request for them may come without the backend's credentials, and may be
a form. `Access` then asks for a session, and for a token that no foreign page knows.
"""

import hmac
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from flask import Flask, Request, abort, g, request
from gunicorn.util import unquote_to_wsgi_str

from ..domain.addresses import LOOPBACK_HOSTS, WEBHOOK_USER
from ..options import BackendOptions
from .limits import BODY_LIMIT, body_limit, limit_requests
from .mount import Mounted

if TYPE_CHECKING:
    from gunicorn.http.message import Request as Head

__all__ = ["FORM", "Guard", "peer", "refuse_training_by_events"]

log = logging.getLogger(__name__)

FAILED_LOGINS_PER_MINUTE = 10
"""Failed logins that are logged, as many as a person can read; all are counted."""
FORM = "application/x-www-form-urlencoded"
"""The content type of forms on pages; Label Studio never sends it."""


@dataclass(frozen=True, slots=True)
class _Refusal:
    """Why a request is not allowed, and the answer to it.

    Attributes:
        failed_login: why its credentials are refused; empty where the request is refused for another reason.
    """

    status: HTTPStatus
    message: str
    failed_login: str = ""


class Guard:
    """Checks every request before its view runs, and before the server waits for its body.

    Args:
        count_failed_login: called with the reason for each failed login.
        is_for_people: tells paths that are checked further by the views' side.
    """

    def __init__(
        self,
        access: BackendOptions,
        count_failed_login: Callable[[str], None] = lambda _reason: None,
        clock: Callable[[], float] = time.monotonic,
        is_for_people: Callable[[str], bool] = lambda _path: False,
    ) -> None:
        self._is_for_people = is_for_people
        self._user = access.user
        self._password = access.password.get_secret_value()
        self._webhook_password = access.webhook_password.get_secret_value()
        public = urlsplit(access.url).hostname
        self._prefix = urlsplit(access.url).path.rstrip("/")
        self._hosts = LOOPBACK_HOSTS | ({public} if public else frozenset())
        self._is_loopback = access.is_loopback
        self._failed_logins = _FailedLogins(count_failed_login, clock)

    def protect(self, app: Flask) -> None:
        """Put the checks before all views of the application, and limit what a request may hold."""
        app.before_request(self._check)
        app.extensions[BODY_LIMIT] = self._body_limit
        limit_requests(app)

    def _body_limit(self, head: "Head") -> int:
        """Return how many bytes of the body to read after this head; 0 where the head alone refuses the request."""
        request = Request(_environ(head, self._prefix))
        return 0 if self._refusal(request) else body_limit(request.path)

    def _check(self) -> None:
        refusal = self._refusal(request)
        if refusal is not None:
            if refusal.failed_login:
                self._failed_logins.note(request, refusal.failed_login)
            abort(refusal.status, refusal.message)
        g.may_only_post_events = self._is_from_webhook(request)
        g.has_backend_credentials = bool(self._password) and _has_credentials(request, self._user, self._password)
        g.is_anonymous = bool(self._password) and "Authorization" not in request.headers

    def _refusal(self, request: Request) -> _Refusal | None:
        host = (urlsplit(f"//{request.host}").hostname or "").lower()
        if self._is_loopback and host not in self._hosts:
            wanted = ", ".join(sorted(self._hosts))
            return _Refusal(HTTPStatus.FORBIDDEN, f"Host {request.host!r} found; wanted one of {wanted}")
        is_form = request.mimetype == FORM and self._is_for_people(request.path)
        if request.method == "POST" and request.mimetype != "application/json" and not is_form:
            return _Refusal(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                f"Content-Type {request.mimetype!r} found; wanted application/json",
            )
        return self._refusal_by_credentials(request) if self._password else None

    def _refusal_by_credentials(self, request: Request) -> _Refusal | None:
        if "Authorization" not in request.headers and request.path == "/health":
            return None  # container probes send no credentials; Label Studio does, and these are checked
        if "Authorization" not in request.headers and self._is_for_people(request.path):
            return None
        if _has_credentials(request, self._user, self._password):
            return None
        if self._is_from_webhook(request):
            if request.path == "/webhook":
                return None
            return _Refusal(
                HTTPStatus.FORBIDDEN,
                "the webhook's credentials may only post events; this needs the backend's",
                "the webhook's credentials",
            )
        # Label Studio shows its hint about credentials for 401 alone.
        return _Refusal(
            HTTPStatus.UNAUTHORIZED,
            "the credentials are missing or wrong; set those of LABELLOOP_USER and LABELLOOP_PASSWORD",
            "wrong credentials" if "Authorization" in request.headers else "no credentials",
        )

    def _is_from_webhook(self, request: Request) -> bool:
        return bool(self._password) and _has_credentials(request, WEBHOOK_USER, self._webhook_password)


class _FailedLogins:
    """Counts failed logins and logs the first ones of every minute, with how many went unlogged before."""

    def __init__(self, count: Callable[[str], None], clock: Callable[[], float]) -> None:
        self._count, self._clock = count, clock
        self._lock = threading.Lock()
        self._minute_ends = 0.0
        self._lines = self._unlogged = 0

    def note(self, request: Request, reason: str) -> None:
        """Count and perhaps log a failed login, without the given password and name, since people mix these up."""
        self._count(reason)
        with self._lock:
            unlogged = self._unlogged_before()
        if unlogged is not None:
            more = f"; {unlogged} more went unlogged before" if unlogged else ""
            log.warning("failed login from %s, %s %s: %s%s", peer(request), request.method, request.path, reason, more)

    def _unlogged_before(self) -> int | None:
        """Return how many were left out before this one; None where this one is left out as well."""
        now = self._clock()
        if now >= self._minute_ends:
            self._minute_ends, self._lines = now + 60, 0
        if self._lines == FAILED_LOGINS_PER_MINUTE:
            self._unlogged += 1
            return None
        self._lines += 1
        unlogged, self._unlogged = self._unlogged, 0
        return unlogged


def refuse_training_by_events() -> None:
    """Answer 403 where the request carries the webhook's credentials."""
    if g.get("may_only_post_events", False):
        abort(403, "the webhook's credentials may only post events; START_TRAINING needs the backend's")


def _environ(head: "Head", prefix: str) -> dict[str, str]:
    """Return the WSGI variables that the checks read; a request without a host is checked later, by the socket's."""
    path = Mounted.inner_path(unquote_to_wsgi_str(head.path), prefix)
    environ = {"REQUEST_METHOD": head.method, "PATH_INFO": path, "HTTP_HOST": "localhost"}
    for name, value in head.headers:
        environ["CONTENT_TYPE" if name == "CONTENT-TYPE" else f"HTTP_{name.replace('-', '_')}"] = value
    return environ


def _has_credentials(request: Request, user: str, password: str) -> bool:
    """True where the request has exactly these credentials, in the scheme that was asked for."""
    try:
        credentials = request.authorization
    except ValueError:  # the header is not even ASCII
        return False
    if credentials is None or credentials.type != "basic":
        return False
    return _same(credentials.username or "", user) and _same(credentials.password or "", password)


def _same(text: str, wanted: str) -> bool:
    return hmac.compare_digest(text.encode(), wanted.encode())


def peer(request: Request) -> str:
    """Return the address that the request came from, and the client's address that a proxy gave."""
    forwarded = request.headers.get("X-Forwarded-For")
    address = request.remote_addr or "unknown"
    return f"{address} (forwarded for {forwarded!r:.100})" if forwarded else address

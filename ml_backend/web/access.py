"""Who looks at the admin's page, and what that role lets them do. All of it is checked here, on the server.

A user has a session, or a name that a trusted proxy sends. The backend's credentials act as an admin. Whatever changes
something needs a token against forged requests, unless it is JSON that comes with the backend's credentials: a foreign
page can send neither.
"""

from http import HTTPStatus
from ipaddress import ip_address
from urllib.parse import quote, urlsplit

from flask import Flask, Request, Response, abort, g, has_request_context, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import LoginManager, UserMixin, current_user
from flask_wtf import CSRFProtect

from ..domain.access import AuditEntry, Role, User
from ..workflows.accounts import Accounts
from ..workflows.services import Services
from .guard import FORM, peer

__all__ = ["Access", "Visitor", "is_for_people", "own_path", "wants_html"]

FOR_MACHINES = frozenset({"/health", "/setup", "/predict", "/versions", "/webhook", "/metrics"})
READING = frozenset({"GET", "HEAD", "OPTIONS"})
NOBODY = "nobody is signed in; sign in at /login, or send the credentials of LABELLOOP_USER and LABELLOOP_PASSWORD"
LIVE_HEADER = "X-Labelloop-Live"
"""Sent by requests that an open page makes by itself, which keep no session alive."""


def is_for_people(path: str) -> bool:
    """Return whether a path belongs to the admin's page and its API, as all do that Label Studio does not call."""
    return path not in FOR_MACHINES


class Visitor(UserMixin):  # type: ignore[misc]  # flask-login has no types
    """Whoever a request comes from.

    Attributes:
        via: how that is known, as `AuditEntry.via`.
        token: of the session; empty where there is none.
    """

    def __init__(self, name: str, role: Role, via: str, token: str = "") -> None:
        self.name, self.role, self.via, self.token = name, role, via, token

    def get_id(self) -> str:
        """Return what flask-login keeps in the signed cookie: a token that the database can forget."""
        return self.token

    def entry(self, action: str, subject: str = "", *, outcome: str = "done", detail: str = "") -> AuditEntry:
        """Return an entry of the audit log about this request."""
        return AuditEntry(self.name, self.via, action, subject, peer(request), outcome, detail)


class Access:
    """Lets each request for people through or not.

    Attributes:
        roles: the least role per endpoint, None where strangers may look as well. An endpoint that is not here is for
            admins.
    """

    def __init__(self, services: Services) -> None:
        self.roles: dict[str, Role | None] = {"static": None}
        self._services = services
        self._accounts = Accounts(services)
        self._csrf = CSRFProtect()

    def protect(self, app: Flask) -> None:
        """Put the checks before all views; call this after those of `Guard`."""
        backend = self._services.options.backend
        app.secret_key = self._services.database.users.signing_key()
        app.config.update(
            # Browsers send a cookie to all ports of a host, where several backends may listen.
            SESSION_COOKIE_NAME=f"labelloop_{backend.port}",
            SESSION_COOKIE_HTTPONLY=True,
            SESSION_COOKIE_SAMESITE="Lax",
            SESSION_COOKIE_SECURE=backend.url.startswith("https://"),
            WTF_CSRF_CHECK_DEFAULT=False,
            WTF_CSRF_TIME_LIMIT=None,  # as long as the session
        )
        manager = LoginManager(app)
        # The session's row decides; an address may change on the way, as of a phone.
        manager.session_protection = None
        manager.user_loader(self._of_session)
        manager.request_loader(self._of_request)
        self._csrf.init_app(app)
        app.before_request(self._check)

        @app.after_request
        def keep_out_of_caches(response: Response) -> Response:
            if is_for_people(request.path) and request.endpoint != "static":
                response.headers.setdefault("Cache-Control", "no-store")
            return response

    def _check(self) -> ResponseReturnValue | None:
        if not is_for_people(request.path):
            return None
        wanted = self.roles.get(request.endpoint or "", Role.ADMIN)
        visitor: Visitor | None = None
        if wanted is not None:
            if not current_user.is_authenticated:
                return self._ask_to_sign_in()
            visitor = current_user
        if request.method not in READING:
            self._check_token(visitor)
        # An unknown address is answered by what comes next, to whoever is signed in.
        if visitor is not None and request.endpoint and not visitor.role.includes(wanted or Role.VIEWER):
            message = f"{visitor.name} is {_a(visitor.role)}; this needs {_a(wanted or Role.ADMIN)}"
            if request.method not in READING:
                action = request.endpoint.rpartition(".")[2]
                self._accounts.note(visitor.entry(action, request.path, outcome="refused", detail=message))
            abort(HTTPStatus.FORBIDDEN, message)
        return None

    def _check_token(self, visitor: Visitor | None) -> None:
        if visitor is None or visitor.via != "basic auth" or request.mimetype != "application/json":
            self._csrf.protect()

    def _ask_to_sign_in(self) -> ResponseReturnValue:
        if not wants_html() or request.method not in READING:
            abort(HTTPStatus.UNAUTHORIZED, NOBODY)
        here = request.full_path.rstrip("?")
        login = url_for("sign_in.login")
        target = login if here == "/" else f"{login}?next={quote(request.script_root + here)}"
        return redirect(target, HTTPStatus.SEE_OTHER)

    def _of_session(self, token: str) -> Visitor | None:
        user = self._accounts.of_session(token, is_use=LIVE_HEADER not in request.headers)
        return Visitor(user.name, user.role, "session", token) if user else None

    def _of_request(self, request: Request) -> Visitor | None:
        if g.get("has_backend_credentials", False):
            return Visitor(self._services.options.backend.user, Role.ADMIN, "basic auth")
        access = self._services.options.access
        name = request.headers.get(access.proxy_user_header) if access.proxy_user_header else None
        if not name or not self._is_proxy(request.remote_addr):
            return None
        user = self._services.database.users.find(User.normal_name(name) or "")
        if user is None:
            abort(HTTPStatus.FORBIDDEN, "the proxy names a user that is not known here; an admin can add users")
        return Visitor(user.name, user.role, "proxy")

    def _is_proxy(self, address: str | None) -> bool:
        try:
            sender = ip_address(address or "")
        except ValueError:
            return False
        return any(sender in network for network in self._services.options.access.proxy_networks)


def own_path(target: str | None) -> str:
    """Return a path of this site to go on to: the given one, or the first page where that leads anywhere else."""
    first = f"{request.script_root}/" if has_request_context() else "/"
    # Browsers read a backslash as a slash, and leave out tabs and line ends.
    if not target or not target.startswith("/") or "\\" in target or any(ord(each) < 32 for each in target):
        return first
    try:
        parts = urlsplit(target)
    except ValueError:
        return first
    return first if parts.scheme or parts.netloc or target.startswith("//") else target


def wants_html() -> bool:
    """Return whether the request comes from a browser that shows a page."""
    # Scripts accept anything; browsers ask for pages by name.
    is_page = not request.path.startswith("/api/") and "text/html" in request.headers.get("Accept", "")
    return is_page or (request.method == "POST" and request.mimetype == FORM)


def _a(role: Role) -> str:
    return f"an {role}" if role.value[0] == "a" else f"a {role}"

"""Signing in and out: the only views that strangers may see."""

import logging
from collections.abc import Mapping
from typing import Any, ClassVar

from flask import Blueprint, Flask, abort, flash, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_limiter import Limiter
from flask_login import current_user, login_user, logout_user
from flask_wtf import FlaskForm
from wtforms import HiddenField, PasswordField, StringField
from wtforms.validators import DataRequired, Length

from ..domain.access import AuditEntry, Role, User
from ..errors import AccessError
from ..workflows.accounts import Accounts
from ..workflows.services import Services
from .access import Access, Visitor, own_path
from .guard import peer
from .metrics import Metrics

__all__ = ["SignIn"]

log = logging.getLogger(__name__)

LONGEST_PASSWORD = 256
TOO_MANY = "too many tries; wait a minute, then try again"


class SignIn:
    """The views, and how often strangers may try."""

    TRIES: ClassVar[Mapping[str, str]] = {"an address": "20 per minute", "a name": "10 per minute"}

    def __init__(self, services: Services, access: Access, metrics: Metrics) -> None:
        self._accounts, self._metrics, self._access = Accounts(services), metrics, access

    def register(self, app: Flask) -> None:
        """Add the views to the application."""
        limiter = Limiter(_address, app=app, storage_uri="memory://", strategy="fixed-window")
        blueprint = Blueprint("sign_in", __name__)
        by_address = limiter.shared_limit(
            self.TRIES["an address"], scope="sign in", key_func=_address, methods=["POST"], error_message=TOO_MANY
        )
        by_name = limiter.limit(self.TRIES["a name"], key_func=_name, methods=["POST"], error_message=TOO_MANY)
        for path, name, view in (("/login", "login", by_name(self._login)), ("/link/<token>", "link", self._link)):
            blueprint.add_url_rule(path, name, by_address(view), methods=["GET", "POST"])
            self._access.roles[f"sign_in.{name}"] = None
        view = by_address(self._password)
        blueprint.add_url_rule("/password", "password", view, methods=["GET", "POST"])
        self._access.roles["sign_in.password"] = Role.VIEWER
        blueprint.add_url_rule("/logout", "logout", self._logout, methods=["POST"])
        self._access.roles["sign_in.logout"] = Role.VIEWER
        app.register_blueprint(blueprint)

    def _login(self) -> ResponseReturnValue:
        form = _LoginForm()
        target = own_path(form.next.data or request.args.get("next"))
        if request.method == "GET" and current_user.is_authenticated:
            return redirect(target, 303)
        error = ""
        if form.validate_on_submit():
            user = self._accounts.by_password(str(form.name.data), str(form.password.data))
            if user is not None:
                return self._let_in(user, "password", target)
            self._refuse(str(form.name.data), "wrong name or password")
            error = "Name or password is wrong."
        elif request.method == "POST":
            error = "Give your name and your password."
        form.next.data = target
        return render_template("login.html", form=form, error=error), 401 if error else 200

    def _link(self, token: str) -> ResponseReturnValue:
        user = self._accounts.of_link(token)
        if user is None:
            if current_user.is_authenticated:
                return redirect(own_path(None), 303)
            if request.method == "POST":
                self._refuse("unknown", "a link that was used, has expired or never was")
            abort(404, "this link was used already, or is older than a day; `labelloop users link NAME` makes another")
        form, error = _LinkForm(), ""
        if form.validate_on_submit():
            password = str(form.password.data or "")
            if password and len(password) < self._accounts.LEAST_PASSWORD:
                error = f"A password needs at least {self._accounts.LEAST_PASSWORD} characters."
            elif self._accounts.use_link(token) is None:
                abort(404, "this link was used a moment ago; `labelloop users link NAME` makes another")
            else:
                if password:
                    self._accounts.set_password(user, password)
                return self._let_in(user, "link", own_path(None))
        shown = {"user": user, "least": self._accounts.LEAST_PASSWORD, "longest": LONGEST_PASSWORD}
        return render_template("link.html", form=form, error=error, **shown), 422 if error else 200

    def _password(self) -> ResponseReturnValue:
        """Let a user choose a password; whoever has one must know it, so that an open page alone is not enough."""
        visitor: Visitor = current_user
        if visitor.via == "basic auth":
            abort(403, "these are the backend's credentials, LABELLOOP_USER and LABELLOOP_PASSWORD, and no user's")
        user, form, error = self._accounts.get(visitor.name), _PasswordForm(), ""
        if form.validate_on_submit():
            new = str(form.password.data or "")
            if user.password_hash and self._accounts.by_password(user.name, str(form.current.data or "")) is None:
                self._refuse(user.name, "wrong password when changing it")
                error = "The present password is wrong."
            elif len(new) < self._accounts.LEAST_PASSWORD:
                error = f"A password needs at least {self._accounts.LEAST_PASSWORD} characters."
            else:
                self._accounts.set_password(user, new)
                self._accounts.note(visitor.entry("change password", f"user {user.name}"))
                answer = self._let_in(user, "password", "/") if visitor.token else redirect("/", 303)
                flash("Your password is changed; wherever else you were signed in, you are signed out.")
                return answer
        shown = {"user": user, "least": self._accounts.LEAST_PASSWORD, "longest": LONGEST_PASSWORD}
        page = render_template("password.html", form=form, error=error, page_shown="", project_shown=None, **shown)
        return page, 422 if error else 200

    def _logout(self) -> ResponseReturnValue:
        visitor: Visitor = current_user
        if visitor.token:
            self._accounts.end_session(visitor.token)
        self._accounts.note(visitor.entry("sign out"))
        logout_user()
        session.clear()
        return redirect(url_for("sign_in.login"), 303)

    def _let_in(self, user: User, via: str, target: str) -> ResponseReturnValue:
        # A new cookie with a new token: whatever somebody may have planted before is worth nothing.
        session.clear()
        login_user(Visitor(user.name, user.role, "session", self._accounts.begin_session(user)))
        self._accounts.note(AuditEntry(user.name, via, "sign in", address=peer(request)))
        return redirect(target, 303)

    def _refuse(self, name: str, reason: str) -> None:
        self._metrics.failed_logins.labels(reason).inc()
        log.warning("failed sign-in from %s: %s", peer(request), reason)
        try:
            shown = self._accounts.get(name).name
        except AccessError:
            shown = "unknown"  # people type passwords into the wrong field
        self._accounts.note(AuditEntry(shown, "password", "sign in", "", peer(request), "refused", reason))


class _LoginForm(FlaskForm):  # type: ignore[misc]  # flask-wtf has no types
    name = StringField(validators=[DataRequired(), Length(max=64)])
    password = PasswordField(validators=[DataRequired(), Length(max=LONGEST_PASSWORD)])
    next = HiddenField()


class _LinkForm(FlaskForm):  # type: ignore[misc]  # flask-wtf has no types
    password = PasswordField(validators=[Length(max=LONGEST_PASSWORD)])


class _PasswordForm(FlaskForm):  # type: ignore[misc]  # flask-wtf has no types
    current = PasswordField(validators=[Length(max=LONGEST_PASSWORD)])
    password = PasswordField(validators=[DataRequired(), Length(max=LONGEST_PASSWORD)])


def _address() -> str:
    return request.remote_addr or "unknown"


def _name() -> Any:
    return User.normal_name(request.form.get("name", "")) or "nobody"

"""Users of the admin's page: who they are, how they get in, and how long they stay."""

import hashlib
import secrets
from datetime import datetime, timedelta
from functools import cache
from typing import ClassVar

from werkzeug.security import check_password_hash, generate_password_hash

from ..domain.access import AuditEntry, Role, User
from ..errors import AccessError
from .services import Services

__all__ = ["Accounts"]

LINK_LIFE = timedelta(hours=24)
FIRST_ADMIN = "admin"
TOUCH_EVERY = timedelta(minutes=1)
"""A session's row is written at most this often."""


class Accounts:
    """The users of one database.

    Tokens of sessions and links are random, and only their digests are stored.
    """

    LEAST_PASSWORD: ClassVar = 10
    """Characters of the shortest password."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._rows = services.database.users
        self._idle = timedelta(seconds=services.options.access.session_idle_s)
        self._longest = timedelta(seconds=services.options.access.session_longest_s)

    def get(self, name: str) -> User:
        """Return the user.

        Raises:
            AccessError: there is none of this name.
        """
        user = self._rows.find(User.normal_name(name) or "")
        if user is None:
            raise AccessError(f"there is no user {name!r}; `labelloop users list` shows those there are")
        return user

    def all(self) -> list[User]:
        """Return all users by name."""
        return self._rows.all()

    def by_id(self, user_id: int) -> User:
        """Return the user.

        Raises:
            AccessError: there is none any more.
        """
        user = next((each for each in self._rows.all() if each.id == user_id), None)
        if user is None:
            raise AccessError("there is no such user any more; load the page again")
        return user

    def add(self, name: str, role: Role) -> User:
        """Add a user, who gets in by a link or a proxy until there is a password.

        Raises:
            AccessError: the name is taken, or none.
        """
        normal = User.normal_name(name)
        if normal is None:
            raise AccessError(f"{name!r} found as a name; wanted up to 64 letters, digits and . _ @ + -")
        user = self._rows.add(normal, role)
        if user is None:
            raise AccessError(f"there is a user {normal} already; `labelloop users role` changes the role")
        return user

    def set_role(self, user: User, role: Role) -> None:
        """Change the role, which ends the user's sessions.

        Raises:
            AccessError: no admin would be left.
        """
        if not self._rows.set_role(user, role):
            raise AccessError(f"{user.name} is the last admin; make somebody else an admin first")

    def set_password(self, user: User, password: str) -> None:
        """Replace the password, which ends the user's sessions.

        Raises:
            AccessError: it is too short.
        """
        if len(password) < self.LEAST_PASSWORD:
            raise AccessError(
                f"a password of {len(password)} characters found; wanted at least {self.LEAST_PASSWORD}, such as four "
                "words that do not belong together"
            )
        self._rows.set_password(user, generate_password_hash(password, method="scrypt"))

    def remove(self, user: User) -> None:
        """Remove a user; what the user did stays in the audit log.

        Raises:
            AccessError: no admin would be left.
        """
        if not self._rows.remove(user):
            raise AccessError(f"{user.name} is the last admin; make somebody else an admin first")

    def link(self, user: User) -> str:
        """Return a URL that lets the user in once, within a day."""
        token = secrets.token_urlsafe(32)
        self._rows.add_link(user, _digest(token), self._services.clock() + LINK_LIFE)
        return f"{self._services.options.backend.url.rstrip('/')}/link/{token}"

    def first_link(self) -> str | None:
        """Return a link for the first admin, who is added if need be; None once anybody has signed in."""
        users = self._rows.all()
        if any(user.password_hash or user.signed_in_at for user in users):
            return None
        admins = [user for user in users if user.role is Role.ADMIN]
        return self.link(admins[0] if admins else self.add(FIRST_ADMIN, Role.ADMIN))

    def by_password(self, name: str, password: str) -> User | None:
        """Return the user with this name and password; None takes as long to find out."""
        user = self._rows.find(User.normal_name(name) or "")
        known = user.password_hash if user else None
        is_right = check_password_hash(known or _nobodys_hash(), password)
        return user if known and is_right else None

    def of_link(self, token: str) -> User | None:
        """Return whom a link would let in."""
        return self._rows.of_link(_digest(token))

    def use_link(self, token: str) -> User | None:
        """Return whom a link lets in, once; None where it was used, has expired or never was."""
        return self._rows.use_link(_digest(token))

    def begin_session(self, user: User) -> str:
        """Return the token of a new session."""
        now = self._services.clock()
        self._rows.end_old_sessions(began_before=now - self._longest, seen_before=now - self._idle)
        token = secrets.token_urlsafe(32)
        self._rows.begin_session(user, _digest(token))
        return token

    def of_session(self, token: str, *, is_use: bool = True) -> User | None:
        """Return the user of a session; None once it is over.

        Args:
            is_use: somebody uses it; False for what a page asks by itself, which does not keep a session alive.
        """
        now, digest = self._services.clock(), _digest(token)
        found = self._rows.of_session(digest, began_after=now - self._longest, seen_after=now - self._idle)
        if found is None:
            return None
        user, seen_at = found
        if is_use and _is_due(now, seen_at):
            self._rows.touch(digest)
        return user

    def end_session(self, token: str) -> None:
        """End a session, wherever its cookie may still be."""
        self._rows.end_session(_digest(token))

    def note(self, entry: AuditEntry) -> None:
        """Write an action into the audit log."""
        self._services.database.audit_log.add(entry)


@cache
def _nobodys_hash() -> str:
    """Return what is compared where nobody has a name, so that the answer takes as long as for a wrong password."""
    return generate_password_hash(secrets.token_hex(8), method="scrypt")


def _is_due(now: datetime, seen_at: datetime) -> bool:
    return now - seen_at >= TOUCH_EVERY


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()

"""Users of the admin's page, their sessions and their one-time links. Tokens are kept as digests alone."""

import secrets
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Index, Integer, RowMapping, Select, Table, and_, delete, exists, select, update
from sqlalchemy.exc import IntegrityError

from ...domain.access import Role, User
from .base import Repository, String, UtcDateTime, metadata

__all__ = ["UserRepository"]

users = Table(
    "users",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(64), nullable=False),
    Column("role", String(16), nullable=False),
    Column("password_hash", String(255)),
    Column("created_at", UtcDateTime, nullable=False),
    Column("signed_in_at", UtcDateTime),
    Index("uq_users_name", "name", unique=True),
)
sessions = Table(
    "user_sessions",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("user_id", Integer, nullable=False, index=True),
    Column("began_at", UtcDateTime, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),
)
links = Table(
    "login_links",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("user_id", Integer, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("used_at", UtcDateTime),
)
signing_keys = Table(
    "signing_keys",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("secret", String(64), nullable=False),
)


class UserRepository(Repository):
    """Users by name. Taking away a password, a role or the user ends the user's sessions."""

    def all(self) -> list[User]:
        """Return all users by name."""
        return self._users(select(users).order_by(users.c.name))

    def find(self, name: str) -> User | None:
        """Return the user of a name in its normal form."""
        return next(iter(self._users(select(users).where(users.c.name == name))), None)

    def add(self, name: str, role: Role) -> User | None:
        """Add a user without a password; None where there is one of this name."""
        try:
            self._write(users.insert().values(name=name, role=role, created_at=self._now()))
        except IntegrityError:
            return None
        return self.find(name)

    def set_password(self, user: User, password_hash: str) -> None:
        """Replace the password, and end the user's sessions and open links."""
        self._change(user, update(users).where(users.c.id == user.id).values(password_hash=password_hash))

    def set_role(self, user: User, role: Role) -> bool:
        """Change the role; False where no admin would be left."""
        wanted = users.c.id == user.id
        if not role.includes(Role.ADMIN):
            wanted = and_(wanted, _is_no_last_admin(user))
        return self._change(user, update(users).where(wanted).values(role=role))

    def remove(self, user: User) -> bool:
        """Remove the user with all sessions and links; False where no admin would be left."""
        return self._change(user, delete(users).where(users.c.id == user.id, _is_no_last_admin(user)))

    def begin_session(self, user: User, digest: str) -> None:
        """Store a new session."""
        now = self._now()
        with self._engine.begin() as connection:
            connection.execute(sessions.insert().values(digest=digest, user_id=user.id, began_at=now, seen_at=now))
            connection.execute(update(users).where(users.c.id == user.id).values(signed_in_at=now))

    def of_session(self, digest: str, *, began_after: datetime, seen_after: datetime) -> tuple[User, datetime] | None:
        """Return the user of a session and when it was last seen; None where there is none, or it is too old."""
        statement = (
            select(users, sessions.c.seen_at)
            .join(sessions, sessions.c.user_id == users.c.id)
            .where(sessions.c.digest == digest, sessions.c.began_at > began_after, sessions.c.seen_at > seen_after)
        )
        return next(((_user(row), row["seen_at"]) for row in self._rows(statement)), None)

    def touch(self, digest: str) -> None:
        """Record that a session is in use."""
        self._write(update(sessions).where(sessions.c.digest == digest).values(seen_at=self._now()))

    def end_session(self, digest: str) -> None:
        """Forget a session."""
        self._write(delete(sessions).where(sessions.c.digest == digest))

    def end_old_sessions(self, *, began_before: datetime, seen_before: datetime) -> None:
        """Forget sessions that are over anyway, and links that have expired."""
        with self._engine.begin() as connection:
            connection.execute(
                delete(sessions).where((sessions.c.began_at < began_before) | (sessions.c.seen_at < seen_before))
            )
            connection.execute(delete(links).where(links.c.expires_at < began_before))

    def add_link(self, user: User, digest: str, expires_at: datetime) -> None:
        """Store a one-time link."""
        self._write(links.insert().values(digest=digest, user_id=user.id, expires_at=expires_at))

    def of_link(self, digest: str) -> User | None:
        """Return whom a link lets in; None where it is unknown, was used, or has expired."""
        return next(iter(self._users(select(users).where(users.c.id.in_(self._open_link(digest))))), None)

    def use_link(self, digest: str) -> User | None:
        """Use a link, which works once; None as in `of_link`."""
        user = self.of_link(digest)
        now = self._now()
        statement = (
            update(links)
            .where(links.c.digest == digest, links.c.used_at.is_(None), links.c.expires_at > now)
            .values(used_at=now)
        )
        with self._engine.begin() as connection:
            return user if connection.execute(statement).rowcount else None

    def signing_key(self) -> str:
        """Return the secret that cookies are signed with, the same for all processes; made when first needed."""
        new = self._insert(signing_keys).values(id=1, secret=secrets.token_hex(32)).on_conflict_do_nothing()
        key = self._value(select(signing_keys.c.secret))
        if key is None:
            self._write(new)
            key = self._value(select(signing_keys.c.secret))
        return str(key)

    def _open_link(self, digest: str) -> Select[Any]:
        is_open = (links.c.digest == digest, links.c.used_at.is_(None), links.c.expires_at > self._now())
        return select(links.c.user_id).where(*is_open)

    def _change(self, user: User, statement: Any) -> bool:
        """Change a user, and end whatever lets that user in as before; False where the statement met nobody."""
        with self._engine.begin() as connection:
            is_done = connection.execute(statement).rowcount > 0
            if is_done:
                connection.execute(delete(sessions).where(sessions.c.user_id == user.id))
                connection.execute(delete(links).where(links.c.user_id == user.id))
        return is_done

    def _users(self, statement: Select[Any]) -> list[User]:
        return [_user(row) for row in self._rows(statement)]


def _is_no_last_admin(user: User) -> Any:
    """True of users other than the last admin; part of the statement, so that two of them cannot both go."""
    others = users.alias()
    another = exists(select(others.c.id).where(others.c.role == Role.ADMIN, others.c.id != user.id))
    return (users.c.role != Role.ADMIN) | another


def _user(row: RowMapping) -> User:
    values = {name: row[name] for name in ("id", "name", "created_at", "password_hash", "signed_in_at")}
    return User(**values, role=Role(row["role"]))

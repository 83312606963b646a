"""Who may use the admin's page, and what they did there."""

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

__all__ = ["AuditEntry", "Role", "User"]

NAME = re.compile(r"[\w.@+-]{1,64}")


class Role(StrEnum):
    """A user's rights, from the least to the most: each role may do all that the ones before it may.

    A viewer reads, an analyst also starts and cancels jobs, an admin may do everything: connect projects, change
    settings, manage users, and read the audit log.
    """

    VIEWER = "viewer"
    ANALYST = "analyst"
    ADMIN = "admin"

    def includes(self, wanted: "Role") -> bool:
        """Return whether this role may do what `wanted` may."""
        roles = list(Role)
        return roles.index(self) >= roles.index(wanted)


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who may sign in.

    Attributes:
        password_hash: None where only a link, or a proxy, lets the user in.
        signed_in_at: None before the first time.
    """

    id: int
    name: str
    role: Role
    created_at: datetime
    password_hash: str | None = None
    signed_in_at: datetime | None = None

    @staticmethod
    def normal_name(name: str) -> str | None:
        """Return the one form of a name, in lower case; None where it cannot be a name."""
        normal = unicodedata.normalize("NFKC", name).strip().lower()
        return normal if NAME.fullmatch(normal) else None


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One action, as the audit log keeps it.

    Attributes:
        actor: name of the user, or who ran the command.
        via: how the actor was known: `session`, `link`, `password`, `basic auth`, `proxy` or `command`.
        action: name of the endpoint, or of the command.
        subject: what it was done to, such as `job 7`; empty where nothing is named.
        address: where the request came from, with what a proxy said of it; empty for commands.
        outcome: `done`, `refused` or `failed`.
        detail: why it was refused or failed, or what it led to.
    """

    actor: str
    via: str
    action: str
    subject: str = ""
    address: str = ""
    outcome: str = "done"
    detail: str = ""
    at: datetime | None = None
    id: int = 0

"""`labelloop users`: who may sign in to the admin's page, and as what."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from ..domain.access import AuditEntry, Role
from .app import app
from .options import AsJson
from .output import emit, note, table
from .session import open_services, operator

if TYPE_CHECKING:
    from ..domain.access import User
    from ..workflows.accounts import Accounts

__all__: list[str] = []

_users = typer.Typer(help="Say who may sign in to the admin's page, and as what.", no_args_is_help=True)
app.add_typer(_users, name="users")
Name = Annotated[str, typer.Argument(metavar="NAME", help="Such as anna or anna@example.com.")]
ROLES = "A viewer reads, an analyst also starts and cancels jobs, an admin may do everything."


@_users.command()
def add(name: Name, role: Annotated[Role, typer.Option(help=ROLES)] = Role.VIEWER, as_json: AsJson = False) -> None:
    """Add a user, and print a link that lets the user in once, within a day.

    Whoever opens it can choose a password.
    """
    accounts = _accounts()
    user = accounts.add(name, role)
    _note(accounts, "users add", user, f"as {role}")
    link = accounts.link(user)
    emit({"name": user.name, "role": user.role, "link": link}, as_json=as_json, lines=[link])


@_users.command("list")
def list_users(as_json: AsJson = False) -> None:
    """List users with their roles, how they get in, and when they last did."""
    shown = [
        {
            "name": user.name,
            "role": user.role,
            "has_password": bool(user.password_hash),
            "signed_in_at": user.signed_in_at,
        }
        for user in open_services().database.users.all()
    ]
    rows = [
        (each["name"], each["role"], "password" if each["has_password"] else "link", _moment(each["signed_in_at"]))
        for each in shown
    ]
    emit(shown, as_json=as_json, lines=[table(("user", "role", "signs in by", "last (UTC)"), rows)])


@_users.command()
def link(name: Name, as_json: AsJson = False) -> None:
    """Print a link that lets a user in once, within a day, such as after a forgotten password."""
    accounts = _accounts()
    user = accounts.get(name)
    url = accounts.link(user)
    _note(accounts, "users link", user)
    emit({"name": user.name, "link": url}, as_json=as_json, lines=[url])


@_users.command()
def role(name: Name, new: Annotated[Role, typer.Argument(metavar="ROLE", help=ROLES)]) -> None:
    """Change what a user may do, and end the user's sessions."""
    accounts = _accounts()
    user = accounts.get(name)
    accounts.set_role(user, new)
    _note(accounts, "users role", user, f"{user.role} before, {new} now")
    note(f"{user.name} is {new} now")


@_users.command()
def password(name: Name) -> None:
    """Set a user's password, and end the user's sessions.

    It is asked for, or read from the first line of standard input where that is no terminal.
    """
    accounts = _accounts()
    user = accounts.get(name)
    if sys.stdin.isatty():
        new = typer.prompt("New password", hide_input=True, confirmation_prompt=True)
    else:
        new = sys.stdin.readline().rstrip("\n")
    accounts.set_password(user, new)
    _note(accounts, "users password", user)
    note(f"the password of {user.name} is changed")


@_users.command()
def remove(name: Name) -> None:
    """Remove a user and end the user's sessions. What the user did stays in the audit log."""
    accounts = _accounts()
    user = accounts.get(name)
    accounts.remove(user)
    _note(accounts, "users remove", user)
    note(f"{user.name} is removed")


def _accounts() -> "Accounts":
    from ..workflows.accounts import Accounts

    return Accounts(open_services())


def _note(accounts: "Accounts", action: str, user: "User", detail: str = "") -> None:
    accounts.note(AuditEntry(operator(), "command", action, f"user {user.name}", detail=detail))


def _moment(at: object) -> str | None:
    return f"{at:%Y-%m-%d %H:%M}" if at else None

"""Users of the admin's page: who may sign in, and as what."""

from datetime import datetime

from flask import url_for
from pydantic import BaseModel, Field

from ...domain.access import Role
from ...workflows.accounts import Accounts
from ..call import Call
from .base import Endpoint, NoFields

__all__ = ["SomeUsers"]

USER = f"<int(min=1, max={2**31 - 1}):user_id>"


class UserView(BaseModel):
    """A user."""

    id: int
    name: str
    role: Role
    has_password: bool = Field(description="False: a link, or a proxy, lets the user in.")
    created_at: datetime
    signed_in_at: datetime | None


class UserList(BaseModel):
    """All users, by name."""

    users: list[UserView]


class NewUser(BaseModel, extra="forbid"):
    """A user to add."""

    user: str = Field(max_length=64, description="A name, such as anna or anna@example.com.")
    role: Role = Role.VIEWER


class AskedRole(BaseModel, extra="forbid"):
    """A role."""

    role: Role


class UserLink(BaseModel):
    """A link that lets a user in once, within a day."""

    name: str
    role: Role
    link: str


class ChangedUser(BaseModel):
    """A user who was changed or removed."""

    name: str
    role: Role


class SomeUsers(Endpoint):
    """List the users with their roles, how they get in, and when they last did."""

    name = "users"
    path = "/users"
    role = Role.ADMIN

    def answer(self, call: Call, asked: NoFields) -> UserList:
        del asked
        users = [
            UserView(
                id=user.id,
                name=user.name,
                role=user.role,
                has_password=bool(user.password_hash),
                created_at=user.created_at,
                signed_in_at=user.signed_in_at,
            )
            for user in Accounts(call.services).all()
        ]
        return UserList(users=users)


class _OnUsers(Endpoint):
    """Leads back to the page of users."""

    method = "POST"
    role = Role.ADMIN

    def next_path(self, answer: BaseModel) -> str:  # noqa: ARG002 (the base's shape)
        return url_for("pages.users")


class AddUser(_OnUsers):
    """Add a user, and return a link that lets the user in once, within a day."""

    name = "add_user"
    path = "/users"
    subject = "user {user}"
    words = "Add"

    def answer(self, call: Call, asked: NewUser) -> UserLink:
        accounts = Accounts(call.services)
        user = accounts.add(asked.user, asked.role)
        return UserLink(name=user.name, role=user.role, link=accounts.link(user))

    def sentence(self, answer: UserLink) -> str:
        return f"{answer.name} is added, as {answer.role}."

    def secret(self, answer: UserLink) -> str:
        return _once(answer)


class LinkUser(_OnUsers):
    """Return another link that lets a user in once, within a day, such as after a forgotten password."""

    name = "link_user"
    path = f"/users/{USER}/link"
    subject = "user {user_id}"
    words = "New link"

    def answer(self, call: Call, asked: NoFields) -> UserLink:
        del asked
        accounts = Accounts(call.services)
        user = accounts.by_id(call.ids["user_id"])
        return UserLink(name=user.name, role=user.role, link=accounts.link(user))

    def sentence(self, answer: UserLink) -> str:
        return f"{answer.name} has another link."

    def secret(self, answer: UserLink) -> str:
        return _once(answer)


class ChangeRole(_OnUsers):
    """Change what a user may do, and end the user's sessions."""

    name = "change_role"
    path = f"/users/{USER}/role"
    subject = "user {user_id}"
    words = "Change"

    def answer(self, call: Call, asked: AskedRole) -> ChangedUser:
        accounts = Accounts(call.services)
        user = accounts.by_id(call.ids["user_id"])
        if asked.role is not user.role:
            accounts.set_role(user, asked.role)
        return ChangedUser(name=user.name, role=asked.role)

    def sentence(self, answer: ChangedUser) -> str:
        return f"{answer.name} is {answer.role} now."


class RemoveUser(_OnUsers):
    """Remove a user."""

    name = "remove_user"
    path = f"/users/{USER}/remove"
    subject = "user {user_id}"
    words = "Remove"
    loss = (
        "The user is signed out everywhere at once, and the password and open links are gone. What the user did stays "
        "in the audit log."
    )

    def answer(self, call: Call, asked: NoFields) -> ChangedUser:
        del asked
        accounts = Accounts(call.services)
        user = accounts.by_id(call.ids["user_id"])
        accounts.remove(user)
        return ChangedUser(name=user.name, role=user.role)

    def sentence(self, answer: ChangedUser) -> str:
        return f"{answer.name} is removed."


def _once(answer: UserLink) -> str:
    return f"The link for {answer.name}, which works once and within a day, and is not shown again: {answer.link}"

"""Who may use the admin's page."""

from collections.abc import Mapping
from typing import Any

from ...domain.access import Role
from ..api.base import NoFields
from ..api.users import SomeUsers
from ..call import Call
from .base import Page

__all__: list[str] = []


class UsersPage(Page):
    """All users with their roles; add, change and remove them."""

    name = "users"
    path = SomeUsers.path
    role = Role.ADMIN
    heading = "Users"
    place = 8

    def content(self, call: Call) -> Mapping[str, Any]:
        return {"users": SomeUsers().answer(call, NoFields()).users, "roles": list(Role)}

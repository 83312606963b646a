"""The connection of a project to Label Studio, looked at when somebody asks."""

from collections.abc import Mapping
from typing import Any

from ...domain.access import Role
from ..api.base import NoFields
from ..api.projects import CheckConnection
from ..call import Call
from .base import Page

__all__: list[str] = []


class ConnectionPage(Page):
    """Every link of the chain, each with what is wrong with it and what to do."""

    name = "connection"
    below = "overview"
    path = CheckConnection.path
    role = Role.ANALYST

    def content(self, call: Call) -> Mapping[str, Any]:
        project = call.services.database.projects.get(call.ids["project_id"])
        return {"project": project, "findings": CheckConnection().answer(call, NoFields()).findings}

"""Connecting a project: choose it, look at it, and then connect it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from flask import request

from ...domain.access import Role
from ...errors import LabelloopError
from ..api.base import NoFields
from ..api.projects import StudioProject
from ..api.studio_projects import PreviewConnection, SomeStudioProjects
from ..call import Call, fields_of
from .base import Page

__all__: list[str] = []


class ConnectPage(Page):
    """The projects of Label Studio that are not connected; of the chosen one, what connecting it would do."""

    name = "connect"
    below = "overview"
    path = "/connect"
    role = Role.ADMIN

    def content(self, call: Call) -> Mapping[str, Any]:
        shown: dict[str, Any] = {"found": None, "preview": None, "problem": "", "number": None}
        try:
            if request.args.get("project"):
                shown["number"] = fields_of(StudioProject).project
                chosen = replace(call, ids={"project_id": shown["number"]})
                shown["preview"] = PreviewConnection().answer(chosen, NoFields())
            else:
                shown["found"] = SomeStudioProjects().answer(call, NoFields())
        except LabelloopError as error:
            shown["problem"] = str(error)
        return shown

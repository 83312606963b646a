"""The snapshots of a project."""

from collections.abc import Mapping
from typing import Any

from ..api.snapshots import SomeSnapshots
from ..call import Call
from .base import Page

__all__: list[str] = []


class DataPage(Page):
    """Snapshots, newest first: how many rows each has, and which versions learned from it."""

    name = "data"
    path = SomeSnapshots.path
    tab = "Data"
    place = 6

    def content(self, call: Call) -> Mapping[str, Any]:
        project = call.services.database.projects.get(call.ids["project_id"])
        return {"project": project, "found": SomeSnapshots().answer(call, SomeSnapshots.read())}

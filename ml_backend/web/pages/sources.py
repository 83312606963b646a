"""The label sources of a project."""

from collections.abc import Mapping
from typing import Any

from ..api.sources import SourcesOfProject
from ..call import Call
from .base import Page

__all__: list[str] = []

GROUPS_SHOWN, EXAMPLES_SHOWN = 15, 3


class SourcesPage(Page):
    """How good each source is, whether it counts, where it and people differ, and what to write next."""

    name = "sources"
    below = "overview"
    tab = "Sources"
    place = 5
    path = SourcesOfProject.path

    def content(self, call: Call) -> Mapping[str, Any]:
        asked = SourcesOfProject.read()
        found = SourcesOfProject().answer(call, asked)
        groups = found.checked.worklist.get("groups", ()) if found.checked else ()
        return {
            "project": call.services.database.projects.get(call.ids["project_id"]),
            "found": found,
            "checked": found.checked,
            "asked": asked,
            "groups": groups[:GROUPS_SHOWN],
            "group_count": len(groups),
            "examples_shown": EXAMPLES_SHOWN,
        }

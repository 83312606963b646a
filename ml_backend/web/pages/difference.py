"""The difference between two snapshots."""

from collections.abc import Mapping
from typing import Any

from ..api.snapshots import CompareSnapshots
from ..call import Call
from .base import Page

__all__: list[str] = []


class DifferencePage(Page):
    """Rows that were added, removed or labeled otherwise between two snapshots."""

    name = "difference"
    below = "data"
    path = CompareSnapshots.path

    def content(self, call: Call) -> Mapping[str, Any]:
        asked = CompareSnapshots.read()
        return {
            "project": call.services.database.projects.get(call.ids["project_id"]),
            "asked": asked,
            "found": CompareSnapshots().answer(call, asked),
        }

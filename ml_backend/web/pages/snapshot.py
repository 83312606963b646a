"""One snapshot."""

from collections.abc import Mapping
from typing import Any

from ...domain.snapshot import Split
from ..api.snapshots import OneSnapshot
from ..call import Call
from .base import Page

__all__: list[str] = []

LABELS_SHOWN = 30


class SnapshotPage(Page):
    """A snapshot: its rows, where they come from, what was made of them, and downloads."""

    name = "snapshot"
    below = "data"
    path = OneSnapshot.path

    def content(self, call: Call) -> Mapping[str, Any]:
        project = call.services.database.projects.get(call.ids["project_id"])
        snapshot = OneSnapshot().answer(call, OneSnapshot.read())
        totals = [sum(getattr(each, split.value) for split in Split) for each in snapshot.labels]
        return {
            "project": project,
            "snapshot": snapshot,
            "labels": list(zip(snapshot.labels, totals, strict=True)),
            "labels_shown": LABELS_SHOWN,
            "most": max(totals, default=0),
            "controls": list(dict.fromkeys(each.control for each in snapshot.labels)),
        }

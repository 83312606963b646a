"""One project."""

from collections.abc import Mapping
from typing import Any

from ..api.base import NoFields
from ..api.projects import OneProject
from ..call import Call
from ..charts import Chart, Point
from .base import Page

__all__: list[str] = []

LOG_SHOWN = VERSIONS_SHOWN = 10


class ProjectPage(Page):
    """A project: what serves and how it got there, what waits for people, what labels have bought."""

    name = "project"
    below = "overview"
    tab = "Overview"
    place = 1
    path = OneProject.path

    def content(self, call: Call) -> Mapping[str, Any]:
        project = OneProject().answer(call, NoFields())
        points = [
            Point(
                each.labels,
                each.macro_f1,
                f"{each.version}: macro-F1 {each.macro_f1:.3f} with {each.labels:,} labels",
                each.is_champion,
            )
            for each in project.versions
            if each.labels is not None and each.macro_f1 is not None
        ]
        points.sort(key=lambda point: point.x)
        title = "Macro-F1 on validation rows by the number of labels"
        return {
            "project": project,
            "chart": Chart(title, "labels", "macro-F1", points).svg(),
            "versions": [*reversed(project.versions)][:VERSIONS_SHOWN],
            "log": project.log[:LOG_SHOWN],
            "first_served": next((each for each in project.log if each.version == project.serving), None),
        }

"""The labels of a project: which are likely wrong, where people disagree, and what each annotator did."""

from collections.abc import Mapping
from typing import Any

from ..api.labels import LabelsOfProject
from ..call import Call
from .base import Page

__all__: list[str] = []

CLASSES_SHOWN = 10


class LabelsPage(Page):
    """Likely label errors, how often such flags were right, disagreements, and annotators."""

    name = "labels"
    below = "overview"
    tab = "Labels"
    place = 3
    path = LabelsOfProject.path

    def content(self, call: Call) -> Mapping[str, Any]:
        asked = LabelsOfProject.read()
        found = LabelsOfProject().answer(call, asked)
        classes = found.audit.classes if found.audit else []
        noisy = sorted((each for each in classes if each["suspects"]), key=lambda each: -each["suspects"])
        return {
            "project": call.services.database.projects.get(call.ids["project_id"]),
            "labels": found,
            "asked": asked,
            "noisy": noisy[:CLASSES_SHOWN],
            "noisy_count": len(noisy),
        }

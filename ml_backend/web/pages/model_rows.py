"""The tasks behind a figure of a version."""

from collections.abc import Mapping
from typing import Any

from ..api.models import ModelTasks
from ..call import Call
from .base import Page

__all__: list[str] = []


class ModelRowsPage(Page):
    """Held-out rows by what people say and what the version answered, each with a link to its task."""

    name = "model_rows"
    below = "models"
    path = ModelTasks.path

    def content(self, call: Call) -> Mapping[str, Any]:
        asked = ModelTasks.read()
        project = call.services.database.projects.get(call.ids["project_id"])
        number = call.ids["number"]
        return {"project": project, "number": number, "asked": asked, "found": ModelTasks().answer(call, asked)}

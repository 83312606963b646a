"""Two versions side by side."""

from collections.abc import Mapping
from typing import Any

from ..api.model_pairs import OnePair
from ..call import Call
from .base import Page

__all__: list[str] = []


class ModelPairPage(Page):
    """Two versions: figures with intervals, labels, slices, and rows that they answer differently."""

    name = "model_pair"
    below = "models"
    path = OnePair.path

    def content(self, call: Call) -> Mapping[str, Any]:
        asked = OnePair.read()
        project = call.services.database.projects.get(call.ids["project_id"])
        return {"project": project, "asked": asked, "found": OnePair().answer(call, asked)}

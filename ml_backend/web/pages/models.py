"""All versions of a project."""

from collections.abc import Mapping
from typing import Any

from ...domain.access import Role
from ..api.models import SomeModels
from ..call import Call
from .base import Page

__all__: list[str] = []


class ModelsPage(Page):
    """All versions: figures, what became of each and why, and a choice of two to put side by side."""

    name = "models"
    below = "overview"
    tab = "Models"
    place = 2
    path = SomeModels.path

    def content(self, call: Call) -> Mapping[str, Any]:
        asked = SomeModels.read()
        project = call.services.database.projects.get(call.ids["project_id"])
        found = SomeModels().answer(call, asked)
        may_go_back = call.visitor.role.includes(Role.ADMIN) and call.services.database.versions.served(project.ref.key)
        return {"project": project, "asked": asked, "found": found, "may_go_back": bool(may_go_back)}

"""The question before the version that served before serves again."""

from collections.abc import Mapping
from typing import Any

from ...domain.access import Role
from ..api.base import NoFields
from ..api.promotions import RollbackEffects
from ..call import Call
from .base import Page

__all__: list[str] = []


class RollbackPage(Page):
    """The change that annotators would see, and the button that goes back."""

    name = "rollback"
    below = "models"
    role = Role.ADMIN
    path = RollbackEffects.path

    def content(self, call: Call) -> Mapping[str, Any]:
        project = call.services.database.projects.get(call.ids["project_id"])
        return {"project": project, "effects": RollbackEffects().answer(call, NoFields())}

"""The question before a version is promoted: what it changes, and the forms that do it."""

from collections.abc import Mapping
from typing import Any

from ...domain.access import Role
from ..api.base import NoFields
from ..api.promotions import PromotionEffects
from ..call import Call
from .base import Page

__all__: list[str] = []


class PromotionPage(Page):
    """The change that annotators would see, and the choice between the gate and a reason."""

    name = "promotion"
    below = "models"
    role = Role.ADMIN
    path = PromotionEffects.path

    def content(self, call: Call) -> Mapping[str, Any]:
        project = call.services.database.projects.get(call.ids["project_id"])
        effects = PromotionEffects().answer(call, NoFields())
        return {"project": project, "number": call.ids["number"], "effects": effects}

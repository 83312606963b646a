"""Blind votes on two drafts."""

from collections.abc import Mapping
from typing import Any

from ...domain.access import Role
from ..api.votes import VoteSheet
from ..call import Call
from .base import Page

__all__: list[str] = []


class VotePage(Page):
    """Two drafts without names, and then what people said of them."""

    name = "vote"
    below = "models"
    role = Role.ANALYST
    path = VoteSheet.path

    def content(self, call: Call) -> Mapping[str, Any]:
        asked = VoteSheet.read()
        project = call.services.database.projects.get(call.ids["project_id"])
        return {"project": project, "asked": asked, "found": VoteSheet().answer(call, asked)}

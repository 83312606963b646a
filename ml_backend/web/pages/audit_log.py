"""The audit log."""

from collections.abc import Mapping
from typing import Any

from ...domain.access import Role
from ..api.audit_log import SomeEntries
from ..call import Call
from .base import Page

__all__: list[str] = []


class AuditPage(Page):
    """Who did what, when and from where."""

    name = "audit_log"
    path = "/audit-log"
    role = Role.ADMIN
    heading = "Audit log"
    place = 9

    def content(self, call: Call) -> Mapping[str, Any]:
        asked = SomeEntries.read()
        return {"asked": asked, "found": SomeEntries().answer(call, asked)}

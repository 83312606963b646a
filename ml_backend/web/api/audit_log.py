"""The audit log: who did what, when and from where."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from ...domain.access import Role
from ..call import Call
from .base import Endpoint

__all__ = ["SomeEntries"]


class AuditRow(BaseModel):
    """An action."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    at: datetime
    actor: str
    via: str = Field(description="session, link, password, basic auth, proxy or command.")
    action: str
    subject: str
    address: str
    outcome: str
    detail: str


class AuditFilter(BaseModel, extra="forbid"):
    """Which entries."""

    actor: str = Field("", max_length=255)
    before: int | None = Field(None, ge=1, le=2**31 - 1, description="Only entries older than this one.")
    size: int = Field(50, ge=1, le=500)


class AuditEntries(BaseModel):
    """Entries, newest first."""

    entries: list[AuditRow]
    next_before: int | None = Field(description="Ask with this for older ones; null where there is none.")


class SomeEntries(Endpoint):
    """Read the audit log."""

    name = "audit_log"
    path = "/audit-log"
    role = Role.ADMIN

    def answer(self, call: Call, asked: AuditFilter) -> AuditEntries:
        rows = call.services.database.audit_log
        found = list(rows.newest(limit=asked.size + 1, before_id=asked.before, actor=asked.actor))
        shown, has_more = found[: asked.size], len(found) > asked.size
        return AuditEntries(
            entries=[AuditRow.model_validate(entry) for entry in shown],
            next_before=shown[-1].id if has_more else None,
        )

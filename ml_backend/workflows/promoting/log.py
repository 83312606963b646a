"""The log of a project's versions: who let which one serve, and what the gate kept out."""

from typing import Any

from ...domain.model import Promotion, PromotionState
from ...domain.project import Project
from ..services import Services

__all__ = ["promotion_log"]

GATE = "gate"


def promotion_log(services: Services, project: Project) -> list[dict[str, Any]]:
    """Return promotions and refusals of the gate, newest first.

    Returns:
        Objects with `at`, `action` (`promoted`, `forced`, `rolled back` or `kept`, of which only the last one changed
        nothing; `abandoned` and `under way` for promotions that are not done), `version`, `previous` (what served
        before), `by`, `reason` and `job_id`.
    """
    entries: list[dict[str, Any]] = []
    has_served: set[str] = set()
    for promotion in reversed(services.database.promotions.history(project.id)):
        has_served.add(promotion.previous)
        entries.append(
            {
                "at": promotion.created_at,
                "action": _action(promotion, is_back=promotion.version in has_served),
                "version": promotion.version,
                "previous": promotion.previous,
                "by": promotion.actor,
                "reason": promotion.reason,
                "job_id": promotion.job_id,
            }
        )
    entries += [
        {
            "at": verdict["at"],
            "action": "kept",
            "version": verdict["challenger"],
            "previous": verdict["champion"],
            "by": GATE,
            "reason": verdict["reason"],
            "job_id": None,
        }
        for verdict in services.database.gates.verdicts(project.ref.key)
        if not verdict["promote"]
    ]
    return sorted(entries, key=lambda entry: entry["at"], reverse=True)


def _action(promotion: Promotion, *, is_back: bool) -> str:
    if promotion.state is PromotionState.ABANDONED:
        return "abandoned"
    if promotion.state in (PromotionState.INTENT, PromotionState.PUSHED):
        return "under way"
    if not promotion.is_forced:
        return "promoted"
    return "rolled back" if is_back else "forced"

"""The last check of a project's label sources, which pages show: a server runs no source."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...atomic_files import atomic_text
from ...domain.project import Project
from ..services import Services
from ..stored_results import stored_result

__all__ = ["store_check", "stored_check"]


def store_check(services: Services, project: Project, checked: Mapping[str, Any], worklist: Mapping[str, Any]) -> None:
    """Keep a check as the project's last one, in place of the one before.

    Args:
        checked: as `source_check` gives it.
        worklist: as `reasons_worklist` gives it.
    """
    with atomic_text(_file(services, project)) as file:
        # Escaped, because half a surrogate pair, which a text or label may hold, has no other form in UTF-8.
        json.dump({**checked, "worklist": worklist}, file)


def stored_check(services: Services, project: Project) -> dict[str, Any] | None:
    """Return the project's last check, with its time as `stored_at`; None where there is none on this machine."""
    return stored_result(_file(services, project))


def _file(services: Services, project: Project) -> Path:
    return services.options.home / "source-checks" / f"{project.ref.key}.json"

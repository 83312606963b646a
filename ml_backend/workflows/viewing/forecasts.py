"""The newest forecast of what more labels buy."""

from collections.abc import Mapping
from typing import Any

from ...domain.job import JobState
from ...domain.project import Project
from ..services import Services

__all__ = ["newest_forecast"]

KIND = "report"


def newest_forecast(services: Services, project: Project) -> tuple[Mapping[str, Any] | None, int | None]:
    """Return what the last report job found, None where there was none, and the id of one that waits or runs.

    Returns:
        An object with `made_at`, `rows`, `curves` (per control, as the report has them), `without_curve` (objects with
        `control` and `reason`), and `job_id`.
    """
    jobs = services.database.jobs
    done, last = jobs.last(KIND, project.id, JobState.SUCCEEDED), jobs.last(KIND, project.id)
    under_way = last.id if last is not None and not last.state.is_over else None
    return (None if done is None else {**done.result, "job_id": done.id}), under_way

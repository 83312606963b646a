"""All jobs."""

from collections.abc import Mapping
from typing import Any

from ...domain.job import JobState
from ...workflows.jobs.kinds.base import JobKind
from ..api.jobs import SomeJobs
from ..call import Call
from .base import Page

__all__: list[str] = []


class JobsPage(Page):
    """Jobs by kind, state and project, in any order."""

    name = "jobs"
    path = SomeJobs.path
    heading = "Jobs"
    place = 2

    def content(self, call: Call) -> Mapping[str, Any]:
        asked = SomeJobs.read()
        projects = call.services.database.projects.all()
        return {
            "asked": asked,
            "found": SomeJobs().answer(call, asked),
            "kinds": sorted(JobKind.all()),
            "states": [state.value for state in JobState],
            "titles": {project.id: project.title for project in projects},
        }

"""One job."""

from collections.abc import Mapping
from typing import Any

from ..api.base import NoFields
from ..api.jobs import OneJob
from ..call import Call
from ..charts import Chart, Point
from .base import Page

__all__: list[str] = []

STARTERS = {
    "page": "somebody pressed a button on this page",
    "policy": "enough labels were new, by the project's settings",
    "label-studio": "somebody pressed Start Training in Label Studio",
    "command": "somebody ran a command",
    "connect": "the project was connected",
    "training": "a training had ended",
    "promotion": "a version had been promoted",
}


GAP = 10.0
"""Percent of progress without a loss after which a new line begins: two trainings of a job are no single course."""


class JobPage(Page):
    """A job: how far it is, what it has learned, what it says."""

    name = "job"
    below = "jobs"
    path = OneJob.path

    def content(self, call: Call) -> Mapping[str, Any]:
        job = OneJob().answer(call, NoFields())
        project = call.services.database.projects.find(job.project_id) if job.project_id else None
        points = [Point(100 * fraction, loss) for fraction, loss in job.losses]
        end = job.finished_at or call.services.clock()
        return {
            "job": job,
            "project": project,
            "why": STARTERS.get(job.trigger, job.trigger),
            "seconds": (end - job.started_at).total_seconds() if job.started_at else None,
            "chart": Chart("Loss by progress", "progress in %", "loss of the training", points, gap=GAP).svg(),
        }

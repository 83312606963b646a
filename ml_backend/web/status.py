"""The status page for people, `/metrics` for Prometheus, and the buttons of the page."""

from flask import Blueprint, Response, jsonify, render_template
from flask.typing import ResponseReturnValue
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from .. import __version__
from ..domain.job import Job
from ..domain.project import Project
from ..errors import DatabaseUnavailable
from ..workflows.jobs.kinds.train import TrainJob
from ..workflows.services import Services
from ..workflows.status import ProjectStatus, project_status
from .metrics import Metrics

__all__ = ["status_blueprint"]

PROJECT = f"int(min=1, max={Project.GREATEST_ID})"
JOB = f"int(min=1, max={Job.GREATEST_ID})"


def status_blueprint(services: Services, metrics: Metrics) -> Blueprint:
    """Pages that read the database, and actions that write a job's row."""
    blueprint = Blueprint("status", __name__)

    @blueprint.get("/")
    def index() -> ResponseReturnValue:
        alarms, projects = services.alarms.sentences(), list[ProjectStatus]()
        try:
            projects = [project_status(services, project) for project in services.database.projects.all()]
        except DatabaseUnavailable as error:
            # The page itself reports this, also where it is open already.
            alarms = list(dict.fromkeys([*alarms, str(error)]))
        return render_template(
            "status.html", projects=projects, alarms=alarms, studio_url=services.studio.url, version=__version__
        )

    @blueprint.get("/metrics")
    def prometheus() -> ResponseReturnValue:
        return Response(generate_latest(metrics.registry), content_type=CONTENT_TYPE_LATEST)

    @blueprint.post(f"/projects/<{PROJECT}:project_id>/train")
    def train(project_id: int) -> ResponseReturnValue:
        job, is_new = TrainJob.by_settings(services, "page").request(services, project_id)
        return jsonify(job=job.id, state=job.state, is_new=is_new)

    @blueprint.post(f"/jobs/<{JOB}:job_id>/cancel")
    def cancel(job_id: int) -> ResponseReturnValue:
        job = services.database.jobs.cancel(job_id)
        return jsonify(job=job.id, state=job.state)

    @blueprint.post(f"/jobs/<{JOB}:job_id>/resume")
    def resume(job_id: int) -> ResponseReturnValue:
        job = services.database.jobs.resume(job_id)
        return jsonify(job=job.id, state=job.state)

    return blueprint

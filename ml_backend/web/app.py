"""The Flask application: the routes for Label Studio, those for people, and what both share."""

from typing import Any

from flask import Blueprint, Flask, Response, g, jsonify, render_template, request
from flask.typing import ResponseReturnValue
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from .. import __version__
from ..domain.job import Job
from ..domain.project import Project
from ..errors import DatabaseUnavailable, PayloadError
from ..labelstudio.json_text import read_json
from ..labelstudio.payloads import PredictRequest, SetupRequest, parse_webhook
from ..labelstudio.predictions import prediction_to_json
from ..workflows.connecting.projects import announced_version, served_project
from ..workflows.jobs.kinds.train import TrainJob
from ..workflows.labeling.ingest import KNOWN_ACTIONS, START_TRAINING, receive
from ..workflows.labeling.predict import predict_for_studio
from ..workflows.services import Services
from ..workflows.status import ProjectStatus
from .errors import register_errors
from .guard import Guard, refuse_training_by_events
from .metrics import Metrics

__all__ = ["create_app", "versions_answer"]

PROJECT = f"int(min=1, max={Project.GREATEST_ID})"
JOB = f"int(min=1, max={Job.GREATEST_ID})"


def create_app(services: Services) -> Flask:
    """Return the application over these services. No model is loaded here, so `/health` answers at once."""
    app = Flask(__name__)
    metrics = Metrics(services)
    Guard(services.options.backend, lambda reason: metrics.failed_logins.labels(reason).inc()).protect(app)
    app.json.sort_keys = False  # type: ignore[attr-defined]  # flask types the provider by its base class
    metrics.observe(app)
    register_errors(app, metrics, services.alarms)
    app.register_blueprint(_label_studio_blueprint(services, metrics))
    app.register_blueprint(_status_blueprint(services, metrics))

    @app.after_request
    def harden(response: Response) -> Response:
        response.headers.setdefault("Content-Security-Policy", "default-src 'self'; frame-ancestors 'none'")
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        response.headers.setdefault("Referrer-Policy", "no-referrer")
        return response

    return app


def versions_answer(services: Services) -> dict[str, Any]:
    """Return the version that serves each project."""
    return {"versions": [announced_version(services, project) for project in services.database.projects.all()]}


def _label_studio_blueprint(services: Services, metrics: Metrics) -> Blueprint:
    """Return the endpoints that Label Studio calls."""
    blueprint = Blueprint("label_studio", __name__)

    @blueprint.get("/health")
    def health() -> ResponseReturnValue:
        alarms = services.alarms.sentences()
        if not alarms:
            return jsonify(status="UP", model_class="labelloop")
        # Still 200: otherwise Label Studio would consider the backend gone, although it goes on serving.
        shown = {} if g.get("is_anonymous", False) else {"alarms": alarms}
        return jsonify(status="DEGRADED", model_class="labelloop", **shown)

    @blueprint.post("/setup")
    def setup() -> ResponseReturnValue:
        body = SetupRequest.read(_body())
        project = served_project(services, body.project_id, body.label_config)
        services.champions.load_soon(project)
        return jsonify(model_version=announced_version(services, project))

    @blueprint.post("/predict")
    def predict() -> ResponseReturnValue:
        body = PredictRequest.read(_body())
        project = served_project(services, body.project_id, body.label_config)
        prelabels = predict_for_studio(services, project, body.tasks)
        metrics.count_prelabels(prelabels)
        return jsonify(results=[prediction_to_json(each) for each in prelabels.predictions])

    @blueprint.get("/versions")
    def versions() -> ResponseReturnValue:
        return jsonify(versions_answer(services))

    @blueprint.post("/webhook")
    def webhook() -> ResponseReturnValue:
        message = parse_webhook(_body())
        if message.action == START_TRAINING:
            refuse_training_by_events()
        received = receive(services, message)
        metrics.events.labels(message.action if message.action in KNOWN_ACTIONS else "other").inc()
        return jsonify(received)

    return blueprint


def _body() -> object:
    try:
        return read_json(request.get_data())
    except ValueError as error:
        raise PayloadError(
            f"{request.path} got a body that is not JSON ({error}); wanted the JSON object that Label Studio sends"
        ) from None


def _status_blueprint(services: Services, metrics: Metrics) -> Blueprint:
    """Return the pages that read the database, and actions that write a job's row."""
    blueprint = Blueprint("status", __name__)

    @blueprint.get("/")
    def index() -> ResponseReturnValue:
        alarms, projects = services.alarms.sentences(), list[ProjectStatus]()
        try:
            projects = [ProjectStatus.of(services, project) for project in services.database.projects.all()]
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

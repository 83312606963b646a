"""The endpoints that machines call: Label Studio's contract, and the metrics."""

import logging
from typing import Any

from flask import Blueprint, Response, g, jsonify, request
from flask.typing import ResponseReturnValue
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from ..errors import DatabaseUnavailable, PayloadError
from ..labelstudio.json_text import read_json
from ..labelstudio.payloads import PredictRequest, SetupRequest, parse_webhook
from ..labelstudio.predictions import prediction_to_json
from ..workflows.connecting.projects import announced_version, served_project
from ..workflows.labeling.ingest import KNOWN_ACTIONS, START_TRAINING, receive
from ..workflows.labeling.predict import predict_for_studio
from ..workflows.services import Services
from ..workflows.settings.from_studio import take_extra_params
from .guard import refuse_training_by_events
from .metrics import Metrics

__all__ = ["label_studio_blueprint", "versions_answer"]

log = logging.getLogger(__name__)


def versions_answer(services: Services) -> dict[str, Any]:
    """Return the version that serves each project."""
    return {"versions": [announced_version(services, project) for project in services.database.projects.all()]}


def label_studio_blueprint(services: Services, metrics: Metrics) -> Blueprint:
    """Return the endpoints that Label Studio and Prometheus call."""
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
        if body.has_extra_params:
            _keep(services, project.id, body.extra_params)
        services.champions.load_soon(project)
        return jsonify(model_version=announced_version(services, project))

    @blueprint.post("/predict")
    def predict() -> ResponseReturnValue:
        body = PredictRequest.read(_body())
        project = served_project(services, body.project_id, body.label_config)
        prelabels = predict_for_studio(services, project, body.tasks, body.params)
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

    @blueprint.get("/metrics")
    def prometheus() -> ResponseReturnValue:
        return Response(generate_latest(metrics.registry), content_type=CONTENT_TYPE_LATEST)

    return blueprint


def _keep(services: Services, project_id: int, extra_params: object) -> None:
    try:
        take_extra_params(services, project_id, extra_params)
    except DatabaseUnavailable as error:
        log.warning("project %s: its extra params are read again at the next /setup: %s", project_id, error)


def _body() -> object:
    try:
        return read_json(request.get_data())
    except ValueError as error:
        raise PayloadError(
            f"{request.path} got a body that is not JSON ({error}); wanted the JSON object that Label Studio sends"
        ) from None

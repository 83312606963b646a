"""What Label Studio calls: `/health`, `/setup`, `/predict`, `/versions`, `/webhook`."""

from typing import Any

from flask import Blueprint, g, jsonify, request
from flask.typing import ResponseReturnValue

from ..errors import PayloadError
from ..labelstudio.json_text import read_json
from ..labelstudio.payloads import PredictRequest, SetupRequest, parse_webhook, prediction_to_json
from ..workflows.connecting.projects import announced_version, served_project
from ..workflows.labeling.ingest import KNOWN_ACTIONS, START_TRAINING, Received, receive
from ..workflows.labeling.predict import predict_for_studio
from ..workflows.services import Services
from .guard import refuse_training_by_events
from .metrics import Metrics

__all__ = ["label_studio_blueprint", "versions_answer", "webhook_answer"]


def label_studio_blueprint(services: Services, metrics: Metrics) -> Blueprint:
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
        asked = SetupRequest.read(_body())
        project = served_project(services, asked.project_id, asked.label_config)
        services.champions.load_soon(project)
        return jsonify(model_version=announced_version(services, project))

    @blueprint.post("/predict")
    def predict() -> ResponseReturnValue:
        asked = PredictRequest.read(_body())
        project = served_project(services, asked.project_id, asked.label_config)
        prelabels = predict_for_studio(services, project, asked.tasks)
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
        return jsonify(webhook_answer(received))

    return blueprint


def versions_answer(services: Services) -> dict[str, Any]:
    """Return the version that serves each project."""
    return {"versions": [announced_version(services, project) for project in services.database.projects.all()]}


def webhook_answer(received: Received) -> dict[str, Any]:
    """Return the answer to an event."""
    answer: dict[str, Any] = {"status": "ok", "new_events": received.new_events}
    if received.job is not None:
        answer |= {"job": received.job.id, "state": received.job.state}
    return answer


def _body() -> object:
    try:
        return read_json(request.get_data())
    except ValueError as error:
        raise PayloadError(
            f"{request.path} got a body that is not JSON ({error}); wanted the JSON object that Label Studio sends"
        ) from None

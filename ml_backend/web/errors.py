"""Errors as HTTP answers: pages for browsers, JSON for all else.

Nothing but the message leaves: tracebacks go to the log.
"""

import logging
import re
from http import HTTPStatus
from typing import Any

from flask import Flask, Response, jsonify, make_response, render_template, request
from werkzeug.exceptions import HTTPException

from ..errors import (
    AccessError,
    CertificateError,
    ConfigurationError,
    DatabaseUnavailable,
    FlagError,
    JobError,
    JobNotFound,
    LabelConfigError,
    LabelloopError,
    ModelNotFound,
    PayloadError,
    ProjectNotFound,
    PromotionError,
    SnapshotError,
    SnapshotNotFound,
    SourceError,
    StudioError,
    TextServerError,
    TrackingError,
)
from ..serving.alarms import AlarmKind, Alarms
from .access import is_for_people, wants_html
from .metrics import Metrics

__all__ = ["EVENTS", "register_errors", "status_line"]

log = logging.getLogger(__name__)

STATUSES: tuple[tuple[type[LabelloopError], int], ...] = (
    (PayloadError, 400),
    (LabelConfigError, 422),
    (ConfigurationError, 422),
    (ProjectNotFound, 404),
    (JobNotFound, 404),
    (ModelNotFound, 404),
    (SnapshotNotFound, 404),
    (SnapshotError, 409),
    (ConfigurationError, 422),
    (JobError, 409),
    (AccessError, 409),
    (PromotionError, 409),
    (CertificateError, 409),
    (FlagError, 409),
    (SourceError, 409),
    (StudioError, 502),
    (TextServerError, 502),
    (TrackingError, 502),
    (DatabaseUnavailable, 503),
    (LabelloopError, 500),
)
MAX_REASON_LENGTH = 400
RETRY_AFTER_S = 5
EVENTS = "/webhook"
"""Path of events, and subject of the alarm that events cannot be stored."""


def register_errors(app: Flask, metrics: Metrics, alarms: Alarms) -> None:
    """Answer every error as JSON, `{"error": message}`, or to a browser as a page.

    An event that cannot be stored raises an alarm until one is.
    """

    @app.errorhandler(LabelloopError)
    def known(error: LabelloopError) -> Response:
        metrics.errors.labels(type(error).__name__).inc()
        log.warning("%s %s: %s", request.method, request.path, error)
        response = _answer(_status(error), str(error))
        if isinstance(error, DatabaseUnavailable):
            response.retry_after = RETRY_AFTER_S
            if request.path == EVENTS:
                alarms.begin(AlarmKind.STATE, EVENTS, f"events are not stored: {error}")
        return response

    @app.after_request
    def stored(response: Response) -> Response:
        if request.path == EVENTS and response.status_code == HTTPStatus.OK:
            alarms.end(AlarmKind.STATE, EVENTS)
        return response

    @app.errorhandler(HTTPException)
    def http(error: HTTPException) -> Response:
        response = _answer(error.code or 500, error.description or error.name)
        # A script of an open page must not make the browser ask for credentials.
        if error.code == HTTPStatus.UNAUTHORIZED and request.headers.get("Sec-Fetch-Site") != "same-origin":
            response.headers["WWW-Authenticate"] = 'Basic realm="labelloop"'
        return response

    @app.errorhandler(Exception)
    def unknown(error: Exception) -> Response:
        metrics.errors.labels(type(error).__name__).inc()
        log.exception("%s %s failed", request.method, request.path)
        return _answer(500, "labelloop failed here; its log says why")


def status_line(error: LabelloopError) -> str:
    """Return status and reason, such as `404 project 3 was never connected`."""
    return f"{_status(error)} {_one_line(str(error))}"


def _status(error: LabelloopError) -> int:
    return next(status for kind, status in STATUSES if isinstance(error, kind))


def _answer(status: int, message: str) -> Response:
    """Return an answer with the message in its body and its status line, since Label Studio shows only the latter."""
    body: dict[str, Any] = {"error": message}
    if is_for_people(request.path) and wants_html():
        phrase = HTTPStatus(status).phrase
        response = make_response(render_template("error.html", status=status, phrase=phrase, message=message))
    else:
        response = jsonify(body)
    response.status = f"{status} {_one_line(message)}"
    return response


def _one_line(message: str) -> str:
    """Return what a status line can hold: printable ASCII, short enough for the header limits of clients."""
    text = re.sub(r"\s+", " ", message).encode("ascii", "replace").decode()
    text = "".join(character for character in text if character.isprintable())
    return text if len(text) <= MAX_REASON_LENGTH else text[: MAX_REASON_LENGTH - 3] + "..."

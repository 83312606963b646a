"""The Flask application: one blueprint per audience, and what all of them share."""

from flask import Flask, Response

from ..config import Settings
from ..workflows.services import Services
from .errors import register_errors
from .event_bounds import bound_events
from .guard import Guard
from .label_studio import label_studio_blueprint
from .metrics import Metrics
from .status import status_blueprint

__all__ = ["MAX_BODY_BYTES", "create_app"]

MAX_BODY_BYTES = 128 * 1024 * 1024  # 2,500 tasks of 340 characters are 1.2 MB; one text may have 2 MB


def create_app(services: Services, settings: Settings) -> Flask:
    """The application over these services. Nothing is loaded here: `/health` answers at once."""
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    app.json.sort_keys = False  # type: ignore[attr-defined]  # flask types the provider by its base class
    metrics = Metrics(services)
    Guard(settings).protect(app)
    bound_events(app)
    metrics.observe(app)
    register_errors(app, metrics)
    app.register_blueprint(label_studio_blueprint(services, metrics))
    app.register_blueprint(status_blueprint(services, metrics))

    @app.after_request
    def harden(response: Response) -> Response:
        response.headers.setdefault("Content-Security-Policy", "default-src 'self'; frame-ancestors 'none'")
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        response.headers.setdefault("Referrer-Policy", "no-referrer")
        return response

    return app

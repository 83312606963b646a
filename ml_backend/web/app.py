"""The Flask application: one blueprint per audience, and what all of them share."""

from flask import Flask, Response

from ..workflows.services import Services
from .errors import register_errors
from .guard import Guard
from .label_studio import label_studio_blueprint
from .metrics import Metrics
from .status import status_blueprint

__all__ = ["create_app"]


def create_app(services: Services) -> Flask:
    """Return the application over these services. No model is loaded here, so `/health` answers at once."""
    app = Flask(__name__)
    metrics = Metrics(services)
    Guard(services.options.backend, lambda reason: metrics.failed_logins.labels(reason).inc()).protect(app)
    app.json.sort_keys = False  # type: ignore[attr-defined]  # flask types the provider by its base class
    metrics.observe(app)
    register_errors(app, metrics, services.alarms)
    app.register_blueprint(label_studio_blueprint(services, metrics))
    app.register_blueprint(status_blueprint(services, metrics))

    @app.after_request
    def harden(response: Response) -> Response:
        response.headers.setdefault("Content-Security-Policy", "default-src 'self'; frame-ancestors 'none'")
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        response.headers.setdefault("Referrer-Policy", "no-referrer")
        return response

    return app

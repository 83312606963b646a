"""The Flask application: what Label Studio calls, the admin's page with its API, and what all of them share."""

from urllib.parse import urlsplit

from flask import Flask

from ..workflows.services import Services
from .access import Access, is_for_people
from .api.base import api_blueprint
from .compress import compress_answers
from .errors import register_errors
from .guard import Guard
from .label_studio import label_studio_blueprint
from .metrics import Metrics
from .mount import Mounted
from .pages.base import pages_blueprint
from .shell import register_shell
from .sign_in import SignIn
from .streams import Streams

__all__ = ["create_app"]


def create_app(services: Services) -> Flask:
    """Return the application over these services. No model is loaded here, so `/health` answers at once."""
    app = Flask(__name__)
    metrics, access = Metrics(services), Access(services)
    Guard(
        services.options.backend,
        lambda reason: metrics.failed_logins.labels(reason).inc(),
        is_for_people=is_for_people,
    ).protect(app)
    app.json.sort_keys = False  # type: ignore[attr-defined]  # flask types the provider by its base class
    metrics.observe(app)
    compress_answers(app)
    register_errors(app, metrics, services.alarms)
    access.protect(app)
    Streams().register(app)
    register_shell(app, services)
    app.register_blueprint(label_studio_blueprint(services, metrics))
    app.register_blueprint(api_blueprint(services, access))
    app.register_blueprint(pages_blueprint(services, access))
    SignIn(services, access, metrics).register(app)
    if urlsplit(services.options.backend.url).path.strip("/"):
        app.wsgi_app = Mounted(app.wsgi_app, services.options.backend.url)  # type: ignore[method-assign]
    return app

"""The backend as a `LabelStudioMLBase`, for those who deploy with label-studio-ml 2.x.

label-studio-ml makes one instance per request and keeps a class for all of them, so what lasts hangs on the class.
Nothing else needs it: `labelloop serve` speaks the same protocol by itself, and more of it.
"""

import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

from flask import Flask, Response, abort, has_request_context, jsonify

from .bootstrap import build_services, configure_logging
from .config import load_settings
from .domain.project import Project
from .errors import LabelloopError
from .labelstudio.payloads import PredictRequest, SetupRequest, parse_webhook
from .labelstudio.predictions import prediction_to_json
from .models.base.native_threads import NativeThread
from .web.errors import status_line
from .web.guard import Guard, refuse_training_by_events
from .web.label_studio import versions_answer
from .web.watcher import watch_champions
from .workflows.connecting.projects import announced_version, served_project
from .workflows.labeling.ingest import START_TRAINING, receive
from .workflows.labeling.predict import predict_for_studio
from .workflows.services import Services

try:
    # Its import makes a cache there, in the working directory otherwise; nothing is kept in it from here.
    os.environ.setdefault("MODEL_DIR", str(load_settings().home / "label-studio-ml"))
    from label_studio_ml.exceptions import AnswerException
    from label_studio_ml.model import LabelStudioMLBase
except ImportError as error:
    raise ImportError(
        f"ml_backend.model needs label-studio-ml 2.x, which cannot be imported ({error}); `labelloop serve` does "
        "without. To install it: pip install colorama pillow semver, and then "
        "pip install --no-deps git+https://github.com/HumanSignal/label-studio-ml-backend",
        name=error.name,
    ) from error

__all__ = ["LabelloopModel", "wsgi_app"]

log = logging.getLogger(__name__)

MODEL_VERSION = "model_version"


class OncePerProcess:
    """Services that are built at the first call, with a thread that follows the champions.

    Not earlier: threads and database connections do not survive a fork, and `gunicorn --preload` forks after
    the import.
    """

    def __init__(self, build: Callable[[], Services]) -> None:
        self._build = build
        self._lock = threading.Lock()
        self._services: Services | None = None

    def __call__(self) -> Services:
        with self._lock:
            if self._services is None:
                services = self._services = self._build()
                stop = threading.Event()
                NativeThread(lambda: watch_champions(services, stop), name="champions", stop=stop.set).start()
            return self._services


class LabelloopModel(LabelStudioMLBase):  # type: ignore[misc]  # label-studio-ml has no types
    """Answers what label-studio-ml's server asks about one project, by the workflows.

    Attributes:
        services: returns the services; made from the environment, unless `over` gives others.
    """

    services: ClassVar[Callable[[], Services]] = OncePerProcess(lambda: build_services(load_settings()))

    @classmethod
    def over(cls, services: Callable[[], Services]) -> "type[LabelloopModel]":
        """Return the same model over other services."""
        return type(cls.__name__, (cls,), {"services": staticmethod(services)})

    def __init__(self, project_id: str | None = None, label_config: str | None = None) -> None:
        self._values: dict[str, Any] = {}
        self._is_set_up = False
        super().__init__(project_id, label_config)

    def setup(self) -> None:
        """From here on the version is the serving one.

        It is looked up when somebody asks. Events build a model too, and must neither add their project nor fail over
        its label config.
        """
        self._is_set_up = True

    def use_label_config(self, label_config: str) -> None:
        """Keep the label config for this request; labelloop parses it itself, without entities."""
        self.set("label_config", label_config)

    def get(self, key: str) -> Any:
        """Return a value of this request, None where there is none; `model_version` is what `/predict` answers with."""
        if key == MODEL_VERSION and self._is_set_up:
            with _refusals_as_answers():
                return self._announced()
        return self._values.get(key)

    def set(self, key: str, value: Any) -> None:
        """Keep a value for this request. What lasts has one place, and that is labelloop's database."""
        self._values[key] = value

    def has(self, key: str) -> bool:
        """True where this request has such a value."""
        return key in self._values

    def predict(
        self,
        tasks: Sequence[Mapping[str, Any]],
        context: Mapping[str, Any] | None = None,
        **kwargs: Any,  # noqa: ARG002 (login and password of the tasks' files, which are not fetched)
    ) -> list[dict[str, Any]]:
        """One prediction per task, in order, in Label Studio's form.

        Raises:
            LabelloopError: outside a request; inside one, it becomes the answer.
        """
        with _refusals_as_answers():
            body = PredictRequest.read({"project": self.project_id, "label_config": self._config(), "tasks": tasks})
            services = type(self).services()
            project = served_project(services, body.project_id, body.label_config)
            prelabels = predict_for_studio(services, project, body.tasks, {"context": context})
            return [prediction_to_json(each) for each in prelabels.predictions]

    def fit(self, event: str, data: Mapping[str, Any], **kwargs: Any) -> dict[str, Any]:  # noqa: ARG002 (the base's shape)
        """Take in an event; returns the answer. START_TRAINING leaves a job for the worker, so nothing is trained here.

        Raises:
            LabelloopError: outside a request; inside one, it becomes the answer.
        """
        try:
            message = parse_webhook({**data, "action": event})
            if event == START_TRAINING and has_request_context():
                refuse_training_by_events()
            return receive(type(self).services(), message)
        except LabelloopError as error:
            if has_request_context():
                abort(_answer(error))
            raise

    def _announced(self) -> str:
        services, project = type(self).services(), self._project()
        services.champions.load_soon(project)
        return announced_version(services, project)

    def _project(self) -> Project:
        body = SetupRequest.read({"project": self.project_id, "schema": self._config()})
        return served_project(type(self).services(), body.project_id, body.label_config)

    def _config(self) -> str:
        return self.label_config or ""


def wsgi_app(model: type[LabelloopModel] = LabelloopModel) -> Flask:
    """label-studio-ml's application over this model, with labelloop's guard, and `/versions`, which it lacks.

    For a WSGI server: `gunicorn 'ml_backend.model:wsgi_app()'`.

    Raises:
        ConfigurationError: the settings cannot work.
    """
    from label_studio_ml.api import init_app

    settings = load_settings()
    configure_logging(settings.log_level)
    app: Flask = init_app(model_class=model)
    Guard(settings.backend).protect(app)

    @app.get("/versions")
    def versions() -> Response:
        return jsonify(versions_answer(model.services()))

    return app


@contextmanager
def _refusals_as_answers() -> Iterator[None]:
    """For `/setup` and `/predict`, whose views make every other exception a 500 with a traceback in its body."""
    try:
        yield
    except LabelloopError as error:
        if not has_request_context():
            raise
        log.warning("%s", error)
        raise AnswerException(status_line(error), str(error), {"traceback": None}) from None


def _answer(error: LabelloopError) -> Response:
    log.warning("%s", error)
    response = jsonify(error=str(error))
    response.status = status_line(error)
    return response

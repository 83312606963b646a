"""The two applications that Label Studio can talk to, and where they differ."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from ml_backend.config import load_settings
from ml_backend.web.app import create_app
from ml_backend.workflows.services import Services
from tests.services import with_settings

__all__ = ["APPLICATIONS", "LABEL_STUDIO_ML", "OWN", "Application", "need_label_studio_ml"]


@dataclass(frozen=True)
class Application:
    """An application with the settings of the environment.

    Attributes:
        acknowledged: status of its answer to an event.
        deaf_to: recorded calls of the webhook that never reach labelloop, although they are answered with 200.
        refused: recorded calls of the webhook that it fails at.
    """

    name: str
    make: Callable[[Services], Flask]
    acknowledged: int
    event_answer: Callable[[dict[str, Any]], Any]
    deaf_to: frozenset[str] = frozenset()
    refused: frozenset[str] = frozenset()

    def heard(self, response: TestResponse) -> Any:
        """What labelloop said of an event."""
        return self.event_answer(response.get_json())


def need_label_studio_ml() -> None:
    """Skip the test where label-studio-ml is missing."""
    pytest.importorskip(
        "label_studio_ml",
        reason="label-studio-ml is not installed; to get it: pip install colorama pillow semver, and then "
        "pip install --no-deps git+https://github.com/HumanSignal/label-studio-ml-backend",
    )


def _own(services: Services) -> Flask:
    return create_app(with_settings(services, **load_settings().backend.model_dump()))


def _label_studio_ml(services: Services) -> Flask:
    need_label_studio_ml()
    from ml_backend.model import LabelloopModel, wsgi_app

    # It keeps one application per process, and an application that has answered takes no further guard.
    importlib.reload(importlib.import_module("label_studio_ml.api"))
    return wsgi_app(LabelloopModel.over(lambda: services))


OWN = Application("own", _own, 200, lambda body: body)
LABEL_STUDIO_ML = Application(
    "label-studio-ml",
    _label_studio_ml,
    201,
    lambda body: body["result"],
    deaf_to=frozenset(
        {
            "webhook_annotations_created",
            "webhook_annotations_deleted_many",
            "webhook_annotations_deleted_one",
            "webhook_project_updated",
            "webhook_tasks_created",
            "webhook_tasks_created_one",
            "webhook_tasks_deleted",
        }
    ),
    refused=frozenset({"webhook_no_payload"}),
)
APPLICATIONS = (OWN, LABEL_STUDIO_ML)

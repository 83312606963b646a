"""Services over fakes, the application over them, and who asks it."""

from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from ml_backend.web.app import create_app
from ml_backend.workflows.services import Services
from tests.services import build_test_services
from tests.visitors import signed_in


@pytest.fixture
def services(tmp_path: Path) -> Services:
    return build_test_services(tmp_path)


@pytest.fixture
def app(services: Services) -> Flask:
    return create_app(services)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A stranger on this machine, as Label Studio is where no password is set."""
    return app.test_client()


@pytest.fixture
def admin(app: Flask, services: Services) -> FlaskClient:
    """An admin who is signed in."""
    return signed_in(app, services)

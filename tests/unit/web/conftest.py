"""Services over fakes, and the application over them."""

from pathlib import Path

import pytest
from flask.testing import FlaskClient

from ml_backend.web.app import create_app
from ml_backend.workflows.services import Services
from tests.services import build_test_services


@pytest.fixture
def services(tmp_path: Path) -> Services:
    return build_test_services(tmp_path)


@pytest.fixture
def client(services: Services) -> FlaskClient:
    return create_app(services).test_client()

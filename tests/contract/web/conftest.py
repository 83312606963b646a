"""Fixtures shared by the tests of both applications."""

from pathlib import Path

import pytest
from flask.testing import FlaskClient

from ml_backend.workflows.services import Services
from tests.contract.web.applications import APPLICATIONS, Application
from tests.services import build_test_services


@pytest.fixture
def services(tmp_path: Path) -> Services:
    return build_test_services(tmp_path)


@pytest.fixture(params=APPLICATIONS, ids=lambda application: application.name)
def application(request: pytest.FixtureRequest) -> Application:
    chosen: Application = request.param
    return chosen


@pytest.fixture
def client(services: Services, application: Application) -> FlaskClient:
    return application.make(services).test_client()

"""Services over fakes, the application over them, and who asks it."""

from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket

from ml_backend.web.app import create_app
from ml_backend.workflows.services import Services
from tests.services import build_test_services
from tests.visitors import signed_in


@pytest.fixture
def services(tmp_path: Path) -> Services:
    return build_test_services(tmp_path)


class Compiled(BytecodeCache):
    """Templates that an application of an earlier test has compiled: it takes longer than most tests."""

    def __init__(self) -> None:
        self._codes: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if bucket.key in self._codes:
            bucket.bytecode_from_string(self._codes[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._codes[bucket.key] = bucket.bytecode_to_string()


@pytest.fixture(scope="session")
def compiled() -> Compiled:
    return Compiled()


@pytest.fixture
def app(services: Services, compiled: Compiled) -> Flask:
    made = create_app(services)
    made.jinja_env.bytecode_cache = compiled
    return made


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A stranger on this machine, as Label Studio is where no password is set."""
    return app.test_client()


@pytest.fixture
def admin(app: Flask, services: Services) -> FlaskClient:
    """An admin who is signed in."""
    return signed_in(app, services)

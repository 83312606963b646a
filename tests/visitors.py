"""Users of the admin's page in tests: clients that are signed in, and their tokens against forged requests."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from ml_backend.domain.access import Role
from ml_backend.web.app import create_app
from ml_backend.workflows.accounts import Accounts
from ml_backend.workflows.connecting.webhook import basic_auth
from ml_backend.workflows.services import Services
from tests.services import with_settings

__all__ = ["HTML", "PASSWORD", "as_backend", "press", "sign_in", "signed_in", "token_in"]

HTML = {"Accept": "text/html,*/*;q=0.8"}
PASSWORD = "correct horse battery"
TOKEN = re.compile(r'name="csrf_token"[^>]*value="([^"]+)"')


def as_backend(services: Services) -> FlaskClient:
    """A client with the backend's credentials, as Label Studio and scripts have them."""
    guarded = with_settings(services, password="secret-of-backend", webhook_password="secret-of-webhook")
    client = create_app(guarded).test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = basic_auth("labelloop", "secret-of-backend")
    return client


def signed_in(app: Flask, services: Services, role: Role = Role.ADMIN, *, password: str = "") -> FlaskClient:
    """A client with the session of a new user of this role, whose name is the role's.

    Args:
        password: for further sessions; without one, which takes a tenth of a second to hash, the user has none.
    """
    accounts, client = Accounts(services), app.test_client()
    path = urlsplit(accounts.link(accounts.add(role.value, role))).path
    token = token_in(client.get(path, headers=HTML))
    assert client.post(path, data={"csrf_token": token, "password": password}, headers=HTML).status_code == 303
    return client


def sign_in(client: FlaskClient, name: str, password: str = PASSWORD, **fields: str) -> TestResponse:
    """The answer to the form that asks for name and password."""
    token = token_in(client.get("/login", headers=HTML))
    return client.post("/login", data={"name": name, "password": password, "csrf_token": token, **fields}, headers=HTML)


def press(client: FlaskClient, path: str, page: str = "/", **fields: Any) -> TestResponse:
    """The answer to a form that stands on a page."""
    form: Mapping[str, Any] = {"csrf_token": token_in(client.get(page, headers=HTML)), "next": page, **fields}
    return client.post(path, data=form, headers=HTML)


def token_in(page: TestResponse) -> str:
    """The token in a page's first form."""
    found = TOKEN.search(page.get_data(as_text=True))
    assert found is not None, page.status
    return found.group(1)

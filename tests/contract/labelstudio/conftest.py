"""The Label Studio in memory, and the real one."""

from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest

from ml_backend.domain.ports import Studio
from tests.contract.labelstudio.instances import Instance
from tests.fake_studio import FakeStudio
from tests.studio import StubBackend, stub_backend


@pytest.fixture(scope="package", params=["in memory", "real"])
def instance(request: pytest.FixtureRequest) -> Instance:
    if request.param == "in memory":
        fake = FakeStudio()
        return Instance(fake, fake.remove_task, fake.update_annotation)
    running, client = request.getfixturevalue("studio"), request.getfixturevalue("studio_client")
    headers = {"Authorization": f"Token {running.token}"}

    def delete_task(task_id: int) -> None:
        httpx.delete(f"{running.url}/api/tasks/{task_id}/", headers=headers).raise_for_status()

    def update_annotation(annotation_id: int, changes: Mapping[str, Any]) -> None:
        url = f"{running.url}/api/annotations/{annotation_id}/"
        httpx.patch(url, headers=headers, json=dict(changes)).raise_for_status()

    return Instance(client, delete_task, update_annotation)


@pytest.fixture
def port(instance: Instance) -> Studio:
    return instance.port


@pytest.fixture(scope="package")
def stub() -> Iterator[StubBackend]:
    """A backend for Label Studio to connect to; the one in memory never calls it."""
    with stub_backend() as backend:
        yield backend

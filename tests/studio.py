"""One real Label Studio for the whole test run, and what makes projects in it."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from ml_backend.domain.annotation import ProjectInfo
from ml_backend.errors import ConfigurationError
from ml_backend.labelstudio.client import StudioClient
from ml_backend.labelstudio.local import LocalStudio, find_label_studio, free_port
from ml_backend.tasks import template_path

__all__ = ["choice", "project_with_tasks", "studio", "studio_client", "task_ids"]


@pytest.fixture(scope="session")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStudio]:
    """A Label Studio that all tests of the run share (half a minute to start): make a project of your own in it."""
    try:
        executable = find_label_studio()
    except ConfigurationError as error:
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("label-studio")
    with LocalStudio.start(
        folder / "data", free_port(), executable=executable, log_file=folder / "label-studio.log"
    ) as running:
        yield running


@pytest.fixture(scope="session")
def studio_client(studio: LocalStudio) -> Iterator[StudioClient]:
    """A client of that Label Studio, as its first user."""
    client = StudioClient(studio.url, studio.token)
    yield client
    client.close()


def project_with_tasks(
    client: StudioClient,
    texts: Sequence[str] = (),
    *,
    title: str = "Tickets",
    label_config: str | None = None,
    tasks: Sequence[Mapping[str, Any]] = (),
) -> ProjectInfo:
    """A new project with one task per text, and then the given tasks in Label Studio's import format.

    Args:
        label_config: None: the classification template.
    """
    config = label_config or template_path("classification").read_text()
    project = client.create_project(title, config)
    items = [{"data": {"text": text}} for text in texts] + [dict(task) for task in tasks]
    if items:
        assert client.import_tasks(project.id, items) == len(items)
    return project


def task_ids(client: StudioClient, project_id: int) -> list[int]:
    """Ids of a project's unlabeled tasks, in the order of their import."""
    return [task.id for task in client.tasks_without_prediction(project_id, "no such version")]


def choice(label: str, *, control: str = "category") -> list[dict[str, Any]]:
    """A result that ticks one label, as the editor stores it."""
    return [{"from_name": control, "to_name": "text", "type": "choices", "value": {"choices": [label]}}]

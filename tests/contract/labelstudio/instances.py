"""The Label Studios that the tests of the port run against, and what these tests ask of them."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from ml_backend.domain.annotation import Prediction, Task
from ml_backend.domain.ports import Studio
from ml_backend.errors import StudioRejected
from ml_backend.labelstudio.client import StudioClient
from tests.fake_studio import FakeStudio
from tests.studio import choice

__all__ = ["Instance", "missing", "prediction", "prelabel_ids", "refused", "reviewed"]


@dataclass(frozen=True)
class Instance:
    """A Label Studio, and what a person does in its interface.

    Attributes:
        delete_task: deletes a task by id.
        update_annotation: changes an annotation by id, as Update and the star in the editor do.
    """

    port: Studio
    delete_task: Callable[[int], None]
    update_annotation: Callable[[int, Mapping[str, Any]], object]


@contextmanager
def refused(status: int, match: str | None = None) -> Iterator[None]:
    """Expects Label Studio to refuse what the block asks for."""
    with pytest.raises(StudioRejected, match=match) as caught:
        yield
    assert caught.value.status == status


def prediction(version: str, label: str = "Billing", score: float | None = 0.8) -> Prediction:
    """A prediction of one label."""
    return Prediction(tuple(choice(label)), score, version)


def reviewed(port: Studio, project_id: int) -> dict[str, Task]:
    """Reviewed tasks by their text."""
    tasks = list(port.reviewed_tasks(project_id))
    by_text = {str(task.data["text"]): task for task in tasks}
    assert len(by_text) == len(tasks)
    return by_text


def missing(port: Studio, project_id: int, version: str) -> Counter[str]:
    """Texts of the tasks without a prediction of the version, each as often as it came."""
    return Counter(str(task.data["text"]) for task in port.tasks_without_prediction(project_id, version))


def prelabel_ids(port: Studio, project_id: int) -> dict[int, int]:
    """Id of the first prediction per task, which the port does not tell."""
    if isinstance(port, FakeStudio):
        return {row["task"]: number for number, row in reversed(port.predictions.items())}
    assert isinstance(port, StudioClient)
    page = port._http.get("api/tasks", {"project": project_id, "fields": "all"})
    return {
        task["id"]: min(each["id"] for each in task["predictions"]) for task in page["tasks"] if task["predictions"]
    }

"""An annotator's view of a project: the open tasks with their pre-labels, and what the editor sends on Submit."""

import json
import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any

from ..domain.label_config import Control
from ..domain.ports import Studio
from ..domain.project import Project
from ..labelstudio.http import StudioHttp
from ..labelstudio.plans import plan_of
from ..workflows.services import Services
from .expert import Expert
from .tickets import Ticket

__all__ = ["Annotator", "OpenTask"]

PAGE = 1000
STUDIO_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class OpenTask:
    """A task that nobody has labeled or skipped, with its prediction of one model version.

    Attributes:
        label: the pre-label; None where the task is blind.
        score: what uncertainty sampling sorts by.
    """

    id: int
    text: str
    prediction_id: int
    label: str | None
    score: float


class Annotator:
    """A project of single choices as one annotator sees it.

    Args:
        studio: what submits answers.
        http: reads tasks together with their predictions.
        control: the choices of the label config.
    """

    def __init__(self, studio: Studio, http: StudioHttp, project_id: int, control: Control) -> None:
        self._studio, self._http, self._project_id, self._control = studio, http, project_id, control

    @classmethod
    def of(cls, services: Services, project: Project, studio_token: str) -> "Annotator":
        """Return the annotator to whom this token belongs."""
        http = StudioHttp(services.studio.url, studio_token, STUDIO_TIMEOUT_S)
        return cls(services.studio, http, project.id, plan_of(project).controls[0].control)

    def close(self) -> None:
        """Close idle connections."""
        self._http.close()

    def open_tasks(self, model_version: str) -> list[OpenTask]:
        """Return the tasks without an annotation that hold a prediction of this version, by id."""
        tasks = []
        for task in self._unanswered():
            predictions = (each for each in task["predictions"] if each["model_version"] == model_version)
            if (prediction := next(predictions, None)) is not None:
                tasks.append(_open_task(task, prediction))
        return tasks

    def label(
        self,
        expert: Expert,
        tickets: Mapping[str, Ticket],
        on_answer: Callable[[Ticket, str | None], None],
        *,
        leave: Collection[str] = (),
    ) -> None:
        """Let the expert answer the open tasks, in the order in which uncertainty sampling serves them.

        Args:
            tickets: by text.
            on_answer: called with each answer once Label Studio has stored it; None: the task was skipped.
            leave: texts to pass over.
        """
        open_tasks = self.open_tasks(self._studio.project(self._project_id).model_version)
        for task in sorted(open_tasks, key=lambda each: (each.score, each.id)):
            if task.text not in leave:
                ticket = tickets[task.text]
                label, seconds = expert.answer(ticket, task.label)
                self._studio.submit_annotation(task.id, self._annotation(task, label, seconds))
                on_answer(ticket, label)

    def _unanswered(self) -> list[Mapping[str, Any]]:
        columns = ("total_annotations", "cancelled_annotations")
        none = [
            {"filter": f"filter:tasks:{column}", "operator": "equal", "type": "Number", "value": 0}
            for column in columns
        ]
        query = {"filters": {"conjunction": "and", "items": none}, "ordering": ["tasks:id"]}
        params = {"project": self._project_id, "query": json.dumps(query), "page_size": PAGE}
        params |= {"fields": "all", "include": "id,data,predictions"}
        tasks: list[Mapping[str, Any]] = []
        for number in count(1):
            page = self._http.get("api/tasks", {**params, "page": number})
            tasks += page["tasks"]
            if len(tasks) >= page["total"]:
                break
        return tasks

    def _annotation(self, task: OpenTask, answer: str | None, seconds: float) -> dict[str, Any]:
        """Return what the editor sends: it starts from the pre-label, and says what became of it."""
        annotation: dict[str, Any] = {
            "result": [],
            "lead_time": seconds,
            "was_cancelled": answer is None,
            "parent_prediction": task.prediction_id if task.label else None,
        }
        # A skipped task carries the untouched pre-label.
        label = answer or task.label
        if label is not None:
            origin = "manual" if task.label is None else "prediction" if label == task.label else "prediction-changed"
            region = {
                "id": secrets.token_urlsafe(8),
                "type": "choices",
                "value": {"choices": [label]},
                "origin": origin,
            }
            names = {"from_name": self._control.name, "to_name": self._control.object.name}
            annotation["result"] = [region | names]
        return annotation


def _open_task(task: Mapping[str, Any], prediction: Mapping[str, Any]) -> OpenTask:
    choices = [choice for region in prediction["result"] for choice in region["value"]["choices"]]
    return OpenTask(
        id=int(task["id"]),
        text=str(task["data"]["text"]),
        prediction_id=int(prediction["id"]),
        label=choices[0] if choices else None,
        score=float(prediction["score"] or 0.0),
    )

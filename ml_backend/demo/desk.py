"""The expert's desk: what the expert sees of Label Studio's tasks, and what the editor sends on Submit."""

import json
import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from ..domain.ports import Studio
from ..labelstudio.http import StudioHttp
from .expert import Answer, Expert
from .tickets import Ticket

__all__ = ["Desk", "OpenTask", "ShownPrelabel", "by_uncertainty"]

PAGE = 1000


@dataclass(frozen=True, slots=True)
class ShownPrelabel:
    """A stored prediction.

    Attributes:
        label: None where the task is blind.
        score: what uncertainty sampling sorts by.
    """

    id: int
    model_version: str
    label: str | None
    score: float


@dataclass(frozen=True, slots=True)
class OpenTask:
    """A task that nobody has labeled or skipped."""

    id: int
    text: str
    prelabels: tuple[ShownPrelabel, ...]

    def prelabel_of(self, model_version: str) -> ShownPrelabel | None:
        """What the label stream shows when this version is selected."""
        return next((each for each in self.prelabels if each.model_version == model_version), None)


class Desk:
    """A project as one annotator sees it.

    Args:
        studio: what submits answers.
        http: reads tasks together with their predictions.
        control_name, object_name: of the choices and of the text in the label config.
    """

    def __init__(
        self, studio: Studio, http: StudioHttp, project_id: int, *, control_name: str, object_name: str
    ) -> None:
        self._studio = studio
        self._http = http
        self._project_id = project_id
        self._control_name = control_name
        self._object_name = object_name

    def close(self) -> None:
        """Close idle connections."""
        self._http.close()

    def open_tasks(self) -> list[OpenTask]:
        """All tasks without an annotation, with their predictions, by id."""
        unanswered = [_is_zero("total_annotations"), _is_zero("cancelled_annotations")]
        query = {"filters": {"conjunction": "and", "items": unanswered}, "ordering": ["tasks:id"]}
        found: list[OpenTask] = []
        for page_number in count(1):
            params = {
                "project": self._project_id,
                "query": json.dumps(query),
                "page": page_number,
                "page_size": PAGE,
                "fields": "all",
                "include": "id,data,predictions",
            }
            page = self._http.get("api/tasks", params)
            found += [_open_task(task) for task in page["tasks"]]
            if len(found) >= page["total"]:
                break
        return found

    def label(
        self,
        expert: Expert,
        tickets: Mapping[str, Ticket],
        on_answer: Callable[[Ticket, Answer], None],
        *,
        leave: Collection[str] = (),
    ) -> None:
        """Let the expert answer the open tasks, in the order in which uncertainty sampling serves them.

        Args:
            tickets: by text.
            on_answer: told of each answer once Label Studio has stored it.
            leave: texts to pass over.
        """
        version = self._studio.project(self._project_id).model_version
        for task in by_uncertainty(self.open_tasks(), version):
            if task.text in leave:
                continue
            ticket = tickets[task.text]
            shown = task.prelabel_of(version)
            answer = expert.answer(ticket, shown.label if shown else None)
            self._studio.submit_annotation(task.id, self._annotation(answer, shown))
            on_answer(ticket, answer)

    def _annotation(self, answer: Answer, shown: ShownPrelabel | None) -> dict[str, Any]:
        """What the editor sends: it starts from the pre-label, and says what became of it."""
        prelabel = shown.label if shown else None
        annotation: dict[str, Any] = {
            "result": [],
            "lead_time": answer.lead_time_s,
            "was_cancelled": answer.label is None,
            "parent_prediction": shown.id if shown and prelabel else None,
        }
        # A skipped task carries the untouched pre-label.
        label = answer.label or prelabel
        if label is not None:
            origin = "manual" if prelabel is None else "prediction" if label == prelabel else "prediction-changed"
            annotation["result"] = [self._region(label, origin)]
        return annotation

    def _region(self, label: str, origin: str) -> dict[str, Any]:
        return {
            "id": secrets.token_urlsafe(8),
            "from_name": self._control_name,
            "to_name": self._object_name,
            "type": "choices",
            "value": {"choices": [label]},
            "origin": origin,
        }


def by_uncertainty(tasks: Sequence[OpenTask], model_version: str) -> list[OpenTask]:
    """Tasks that hold a prediction of the version, least certain first: Label Studio's own order."""
    scored = [(shown.score, task) for task in tasks if (shown := task.prelabel_of(model_version))]
    return [task for _, task in sorted(scored, key=lambda pair: (pair[0], pair[1].id))]


def _is_zero(column: str) -> dict[str, Any]:
    return {"filter": f"filter:tasks:{column}", "operator": "equal", "type": "Number", "value": 0}


def _open_task(task: Mapping[str, Any]) -> OpenTask:
    return OpenTask(int(task["id"]), str(task["data"]["text"]), tuple(_shown(each) for each in task["predictions"]))


def _shown(prediction: Mapping[str, Any]) -> ShownPrelabel:
    choices = [choice for region in prediction["result"] for choice in region["value"]["choices"]]
    return ShownPrelabel(
        int(prediction["id"]),
        str(prediction["model_version"]),
        choices[0] if choices else None,
        float(prediction["score"] or 0.0),
    )

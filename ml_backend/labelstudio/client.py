"""Label Studio's API, as the Studio port wants it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from ..domain.annotation import Prediction, ProjectInfo, Task
from ..errors import StudioRejected
from .exports import exported_tasks
from .http import StudioHttp
from .payloads import parse_project, region_list

if TYPE_CHECKING:
    import httpx

__all__ = ["StudioClient"]

IMPORT_BATCH = 1000
"""Tasks per import call: about a second of Label Studio's time."""
PREDICTION_BATCH = 5000
"""Predictions per call. Each call makes Label Studio count the predictions of all tasks in the project again, so few
large ones are faster: 3,000 predictions take 10 s in calls of 500, and 2 s in one."""
BULK_TIMEOUT_S = 3600.0
"""Storing predictions takes Label Studio about 1 ms each, and deleting them 4 ms, all inside the request."""
PAGE = 500
Item = TypeVar("Item")
VERSIONS_COLUMN = "filter:tasks:predictions_model_versions"


class StudioClient:
    """A Label Studio instance. Safe to use from several threads.

    Args:
        token: a personal access token or a legacy token.
        timeout_s: longest wait for one answer; exports may take longer.
        transport: what carries the calls; the network unless a test says otherwise.
        retry_wait_s: pause before the second attempt of a read.
    """

    def __init__(
        self,
        url: str,
        token: str,
        timeout_s: float = 60.0,
        *,
        transport: "httpx.BaseTransport | None" = None,
        retry_wait_s: float = 0.5,
    ) -> None:
        self._http = StudioHttp(url, token, timeout_s, transport=transport, retry_wait_s=retry_wait_s)
        self.url = self._http.url

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"

    def close(self) -> None:
        """Close idle connections."""
        self._http.close()

    def version(self) -> str:
        """Version of Label Studio, such as `1.23.2`."""
        return str(_object(self._http.get("api/version")).get("release", "unknown"))

    def current_user(self) -> str:
        """Email address of the token's owner."""
        return str(_object(self._http.get("api/current-user/whoami")).get("email", "unknown"))

    def project(self, project_id: int) -> ProjectInfo:
        """Settings of a project."""
        return parse_project(self._http.get(f"api/projects/{project_id}/"))

    def create_project(self, title: str, label_config: str) -> ProjectInfo:
        """Make a project. Label Studio wants at least three characters of title."""
        return parse_project(self._http.send("POST", "api/projects/", {"title": title, "label_config": label_config}))

    def update_project(self, project_id: int, settings: Mapping[str, Any]) -> None:
        """Change a project's settings, `model_version` and `sampling` among them."""
        self._http.send("PATCH", f"api/projects/{project_id}/", dict(settings))

    def import_tasks(self, project_id: int, tasks: Sequence[Mapping[str, Any]]) -> int:
        """Import tasks; annotations among them get `ground_truth: false` unless they say otherwise.

        Returns the number of tasks that Label Studio says it made.
        """
        made = 0
        for batch in _batches([_without_ground_truth(task) for task in tasks], IMPORT_BATCH):
            made += _count(self._http.send("POST", f"api/projects/{project_id}/import", batch), "task_count")
        return made

    def reviewed_tasks(self, project_id: int) -> Iterator[Task]:
        """Every task that has an annotation, as a stream in flat memory.

        Label Studio can export tasks with a submitted annotation, or tasks with a skipped one, but not both at once:
        tasks that were only skipped come from a second export.
        """
        yield from exported_tasks(self._http, project_id, {"annotated": "only"})
        if _object(self._http.get(f"api/projects/{project_id}/")).get("skipped_annotations_number"):
            for task in exported_tasks(self._http, project_id, {"skipped": "only"}):
                if all(annotation.was_cancelled for annotation in task.annotations):
                    yield task

    def tasks_without_prediction(self, project_id: int, model_version: str) -> Iterator[Task]:
        """Unlabeled tasks that hold no prediction of this version, without annotations, page by page.

        Each page starts after the last id seen rather than at a page number, so predictions pushed in between
        shift nothing. Label Studio compares versions by substring (and SQLite without case), so `x-v1` would hide
        tasks that hold `x-v10` alone: those are read a second time, with their predictions, and compared here.
        """
        for task in self._unlabeled(project_id, "not_contains", [model_version]):
            yield _bare_task(task)
        lookalikes = [
            version
            for version in self.prediction_counts(project_id)
            if version != model_version and model_version.casefold() in version.casefold()
        ]
        if not lookalikes:
            return
        for task in self._unlabeled(project_id, "contains", lookalikes, with_predictions=True):
            if all(prediction.get("model_version") != model_version for prediction in task["predictions"]):
                yield _bare_task(task)

    def push_predictions(self, project_id: int, predictions: Sequence[tuple[int, Prediction]]) -> int:
        """Store predictions given as (task id, prediction); those of deleted tasks are left out.

        Returns how many Label Studio says it created: it drops invalid ones without a word.
        """
        created = 0
        for batch in _batches(predictions, PREDICTION_BATCH):
            try:
                created += self._push(project_id, batch)
            except StudioRejected as error:
                # One unknown task fails the whole call, with nothing stored; tasks may be deleted while predictions
                # are computed.
                if error.status != 400:
                    raise
                existing = self._existing(project_id, [task_id for task_id, _ in batch])
                rest = [item for item in batch if item[0] in existing]
                if len(rest) == len(batch):
                    raise
                created += self._push(project_id, rest) if rest else 0
        return created

    def prediction_counts(self, project_id: int) -> Mapping[str, int]:
        """Stored predictions per model version."""
        versions = self._http.get(f"api/projects/{project_id}/model-versions/", {"extended": "true"})
        return {str(each["model_version"]): int(each["count"]) for each in versions["static"]}

    def delete_predictions(self, project_id: int, model_version: str) -> int:
        """Delete all predictions of a version; returns how many there were."""
        path = f"api/projects/{project_id}/model-versions/"
        answer = self._http.send("DELETE", path, {"model_version": model_version}, timeout_s=BULK_TIMEOUT_S)
        return _count(answer, "deleted_predictions")

    def backends(self, project_id: int) -> Sequence[Mapping[str, Any]]:
        """ML backends of a project, in the order in which Label Studio uses them: by id."""
        return _by_id(self._http.get("api/ml", {"project": project_id}))

    def create_backend(self, project_id: int, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        """Register an ML backend; Label Studio calls its `/health` and `/setup` meanwhile."""
        return _object(self._http.send("POST", "api/ml", {**settings, "project": project_id}))

    def update_backend(self, backend_id: int, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        """Change an ML backend. `settings` must hold url, project and, with basic auth, user and password."""
        return _object(self._http.send("PATCH", f"api/ml/{backend_id}", dict(settings)))

    def start_training(self, backend_id: int) -> None:
        """What the Start Training button does. Label Studio answers 200 with an empty body, whatever happened."""
        self._http.send("POST", f"api/ml/{backend_id}/train", {})

    def webhooks(self, project_id: int) -> Sequence[Mapping[str, Any]]:
        """Webhooks of a project as JSON objects, by id."""
        return _by_id(self._http.get("api/webhooks/", {"project": project_id}))

    def create_webhook(self, project_id: int, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        """Make a webhook."""
        return _object(self._http.send("POST", "api/webhooks/", {**settings, "project": project_id}))

    def update_webhook(self, webhook_id: int, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        """Change a webhook."""
        return _object(self._http.send("PATCH", f"api/webhooks/{webhook_id}/", dict(settings)))

    def delete_webhook(self, webhook_id: int) -> None:
        """Delete a webhook."""
        self._http.send("DELETE", f"api/webhooks/{webhook_id}/")

    def submit_annotation(self, task_id: int, annotation: Mapping[str, Any]) -> Mapping[str, Any]:
        """Submit an annotation for a task; returns it as stored.

        Label Studio takes `result`, `lead_time`, `parent_prediction`, `was_cancelled`, `ground_truth` and
        `completed_by` as they come. Unlike the editor, it sets no `origin` on regions.
        """
        return _object(self._http.send("POST", f"api/tasks/{task_id}/annotations/", dict(annotation)))

    def _push(self, project_id: int, batch: Sequence[tuple[int, Prediction]]) -> int:
        items = [
            {
                "task": task_id,
                "result": region_list(prediction),
                "score": prediction.score,
                "model_version": prediction.model_version,
            }
            for task_id, prediction in batch
        ]
        path = f"api/projects/{project_id}/import/predictions"
        return _count(self._http.send("POST", path, items, timeout_s=BULK_TIMEOUT_S), "created")

    def _unlabeled(
        self, project_id: int, operator: str, versions: Sequence[str], *, with_predictions: bool = False
    ) -> Iterator[Mapping[str, Any]]:
        filters: list[Mapping[str, Any]] = [
            {"filter": "filter:tasks:completed_at", "operator": "empty", "type": "Datetime", "value": True},
            {"filter": VERSIONS_COLUMN, "operator": operator, "type": "List", "value": list(versions)},
        ]
        return self._tasks(project_id, filters, with_predictions=with_predictions)

    def _existing(self, project_id: int, task_ids: Sequence[int]) -> set[int]:
        span = {"min": min(task_ids), "max": max(task_ids)}
        filters: list[Mapping[str, Any]] = [
            {"filter": "filter:tasks:id", "operator": "in", "type": "Number", "value": span}
        ]
        return {int(task["id"]) for task in self._tasks(project_id, filters)}

    def _tasks(
        self, project_id: int, filters: Sequence[Mapping[str, Any]], *, with_predictions: bool = False
    ) -> Iterator[Mapping[str, Any]]:
        """Tasks that pass the filters, by id."""
        last_id = 0
        while True:
            after = {"filter": "filter:tasks:id", "operator": "greater", "type": "Number", "value": last_id}
            query = {"filters": {"conjunction": "and", "items": [*filters, after]}, "ordering": ["tasks:id"]}
            params = {
                "project": project_id,
                "query": json.dumps(query),
                "page_size": PAGE,
                "resolve_uri": "false",
                "fields": "all" if with_predictions else "task_only",
                "include": "id,data,predictions" if with_predictions else "id,data",
            }
            page = self._http.get("api/tasks", params)
            yield from page["tasks"]
            # An instance may cap pages below what was asked; the total counts what this query still matched.
            if not page["tasks"] or len(page["tasks"]) >= page["total"]:
                return
            last_id = page["tasks"][-1]["id"]


def _batches(items: Sequence[Item], size: int) -> Iterator[list[Item]]:
    source = iter(items)
    while batch := list(islice(source, size)):
        yield batch


def _without_ground_truth(task: Mapping[str, Any]) -> dict[str, Any]:
    """The task with `ground_truth: false` where an annotation does not say; Label Studio's own default is true."""
    annotations = task.get("annotations")
    if not annotations:
        return dict(task)
    return {**task, "annotations": [{"ground_truth": False, **annotation} for annotation in annotations]}


def _bare_task(task: Mapping[str, Any]) -> Task:
    return Task(int(task["id"]), task["data"])


def _by_id(items: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return sorted(items, key=lambda item: int(item["id"]))


def _object(answer: object) -> Mapping[str, Any]:
    if isinstance(answer, dict):
        return answer
    raise StudioRejected(
        f"a JSON object was wanted of Label Studio, and {type(answer).__name__} came; "
        "check that LABELLOOP_STUDIO_URL is the address of Label Studio itself",
        status=200,
    )


def _count(answer: object, key: str) -> int:
    value = _object(answer).get(key)
    if isinstance(value, int):
        return value
    raise StudioRejected(
        f"Label Studio's answer lacks a number under {key!r}; "
        "labelloop is made for Label Studio Community, whose imports are over when they are answered",
        status=200,
    )

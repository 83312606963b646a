"""Label Studio's API, as the Studio port wants it."""

import json
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from ..domain.annotation import Prediction, ProjectInfo, Task
from ..errors import StudioRejected, StudioUnreachable
from .export_file import stream_objects
from .http import StudioHttp
from .payloads import parse_project, region_list, task_from_export

if TYPE_CHECKING:
    import httpx

__all__ = ["StudioClient"]

IMPORT_BATCH = 1000
"""Tasks per import call: about a second of Label Studio's time."""
PREDICTION_BATCH = 500
"""Predictions per call. Label Studio stores them in blocks of 500 and stops at the first unknown task; with one
block per call a refused call has stored nothing."""
PAGE = 500
EXPORT_TIMEOUT_S = 3600.0
"""Label Studio builds an export inside the request that asks for it, at about 500 tasks a second."""
EXPORT_POLL_S = 1.0
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
        return str(self._http.get("api/version").get("release", "unknown"))

    def current_user(self) -> str:
        """Email address of the token's owner."""
        return str(self._http.get("api/current-user/whoami").get("email", "unknown"))

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
            made += int(self._http.send("POST", f"api/projects/{project_id}/import", batch)["task_count"])
        return made

    def reviewed_tasks(self, project_id: int) -> Iterator[Task]:
        """Every task that has an annotation, as a stream in flat memory; the text waits in an unnamed temporary file.

        Label Studio can export tasks with a submitted annotation, or tasks with a skipped one, but not both at once:
        tasks that were only skipped come from a second export.
        """
        yield from self._export(project_id, {"annotated": "only"})
        if self._http.get(f"api/projects/{project_id}/").get("skipped_annotations_number"):
            for task in self._export(project_id, {"skipped": "only"}):
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
        path = f"api/projects/{project_id}/import/predictions"
        created = 0
        for batch in _batches(predictions, PREDICTION_BATCH):
            try:
                created += int(self._http.send("POST", path, _prediction_items(batch))["created"])
            except StudioRejected as error:
                # One unknown task fails the whole call; tasks may be deleted while predictions are computed.
                existing = (
                    self._existing(project_id, [task_id for task_id, _ in batch]) if error.status == 400 else None
                )
                if existing is None or all(task_id in existing for task_id, _ in batch):
                    raise
                rest = [item for item in batch if item[0] in existing]
                created += int(self._http.send("POST", path, _prediction_items(rest))["created"]) if rest else 0
        return created

    def prediction_counts(self, project_id: int) -> Mapping[str, int]:
        """Stored predictions per model version."""
        versions = self._http.get(f"api/projects/{project_id}/model-versions/", {"extended": "true"})
        return {str(each["model_version"]): int(each["count"]) for each in versions["static"]}

    def delete_predictions(self, project_id: int, model_version: str) -> int:
        """Delete all predictions of a version; returns how many there were."""
        answer = self._http.send(
            "DELETE", f"api/projects/{project_id}/model-versions/", {"model_version": model_version}
        )
        return int(answer["deleted_predictions"])

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

    def _export(self, project_id: int, task_filter: Mapping[str, str]) -> Iterator[Task]:
        with tempfile.TemporaryFile() as target:
            path = f"api/projects/{project_id}/exports"
            title = f"labelloop {uuid.uuid4().hex}"
            try:
                export_id = self._finished_export(path, title, task_filter)
                self._http.download(f"{path}/{export_id}/download", {"exportType": "JSON"}, target)
            finally:
                self._delete_export(path, title)
            target.seek(0)
            for item in stream_objects(target):
                yield task_from_export(item)

    def _finished_export(self, path: str, title: str, task_filter: Mapping[str, str]) -> int:
        """Id of a new export, once it is complete."""
        wish = {
            "title": title,
            "task_filter_options": dict(task_filter),
            # With whole predictions an annotation can be compared with the pre-label it started from.
            "serialization_options": {"predictions": {"only_id": False}},
        }
        try:
            export = self._http.send("POST", f"{path}/", wish, timeout_s=EXPORT_TIMEOUT_S)
        except StudioRejected as error:
            # A proxy may give up on the long request while Label Studio carries on.
            if error.status not in (502, 504):
                raise
            export = self._find_export(path, title)
        deadline = time.monotonic() + EXPORT_TIMEOUT_S
        while export is None or export["status"] in ("created", "in_progress"):
            if time.monotonic() > deadline:
                raise StudioUnreachable(
                    f"Label Studio at {self.url} did not finish an export in {EXPORT_TIMEOUT_S:g} s; look at its log"
                )
            time.sleep(EXPORT_POLL_S)
            export = self._find_export(path, title)
        if export["status"] != "completed":
            raise StudioRejected(
                f"Label Studio's export {title!r} ended as {export['status']}; look at Label Studio's log", status=500
            )
        return int(export["id"])

    def _find_export(self, path: str, title: str) -> Mapping[str, Any] | None:
        return next((each for each in self._http.get(f"{path}/") if each.get("title") == title), None)

    def _delete_export(self, path: str, title: str) -> None:
        try:
            export = self._find_export(path, title)
            if export is not None:
                self._http.send("DELETE", f"{path}/{export['id']}")
        except (StudioRejected, StudioUnreachable):
            # What went wrong before, if anything, is the news; a leftover export is only untidy.
            return

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
            if len(page["tasks"]) >= page["total"]:
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


def _prediction_items(batch: Sequence[tuple[int, Prediction]]) -> list[dict[str, Any]]:
    return [
        {
            "task": task_id,
            "result": region_list(prediction),
            "score": prediction.score,
            "model_version": prediction.model_version,
        }
        for task_id, prediction in batch
    ]


def _bare_task(task: Mapping[str, Any]) -> Task:
    return Task(int(task["id"]), task["data"])


def _by_id(items: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return sorted(items, key=lambda item: int(item["id"]))


def _object(answer: Any) -> Mapping[str, Any]:
    return answer if isinstance(answer, dict) else {}

"""A client for Label Studio's API."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

from ..batches import in_batches
from ..domain.annotation import Prediction, ProjectInfo, Task
from ..errors import StudioRejected
from .exports import exported_tasks
from .filters import UNLABELED, filter_by, labeled_after, without_label
from .http import StudioHttp
from .payloads import project_from_api, task_from_export
from .predictions import prediction_from_api, prediction_to_json, store_prediction

if TYPE_CHECKING:
    import httpx

__all__ = ["StudioClient"]

IMPORT_BATCH = 1000
"""Tasks per import call: about a second of Label Studio's time."""
PREDICTION_BATCH = 20_000
"""Predictions per call. Each call makes Label Studio count the predictions of all tasks in the project again, about
1 ms for each, so few large ones are faster: 20,000 predictions take 80 s in calls of 5,000, and 20 s in one."""
REGIONS_PER_CALL = 100_000
"""Regions are some 250 bytes each, and Label Studio takes 250 MB."""
TOO_LARGE, GONE = 413, 404
BULK_TIMEOUT_S = 3600.0
"""Storing predictions takes Label Studio about 1 ms each, and deleting them 4 ms, all inside the request."""
PAGE = 500
BARE_PAGE = 2000
"""Tasks without annotations and predictions: 20,000 take 9 s in pages of 500, and 5.5 s in these."""
IDS_PER_QUERY = 200
"""Ids travel in the address, which must stay below 4 KiB for the strictest proxies."""
BARE = "id,data"


class StudioClient:
    """A Label Studio instance. Safe to use from several threads.

    The port `Studio` says what the methods do; the docstrings here add what is particular to Label Studio's API.

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
        self._http.close()

    def version(self) -> str:
        return str(_object(self._http.get("api/version")).get("release", "unknown"))

    def current_user(self) -> str:
        return str(_object(self._http.get("api/current-user/whoami")).get("email", "unknown"))

    def project(self, project_id: int) -> ProjectInfo:
        return project_from_api(self._http.get(f"api/projects/{project_id}/"))

    def newest_projects(self, limit: int) -> Sequence[ProjectInfo]:
        asked = {"page_size": limit, "include": "id,title,task_number", "ordering": "-id"}
        return list(map(project_from_api, _object(self._http.get("api/projects/", asked))["results"]))

    def create_project(self, title: str, label_config: str) -> ProjectInfo:
        """Make a project. Label Studio wants at least three characters of title."""
        wanted = {"title": title, "label_config": label_config}
        return project_from_api(self._http.send("POST", "api/projects/", wanted))

    def update_project(self, project_id: int, settings: Mapping[str, Any]) -> None:
        self._http.send("PATCH", f"api/projects/{project_id}/", dict(settings))

    def import_tasks(self, project_id: int, tasks: Sequence[Mapping[str, Any]]) -> int:
        count = 0
        for batch in in_batches([_without_ground_truth(task) for task in tasks], IMPORT_BATCH):
            count += _count(self._http.send("POST", f"api/projects/{project_id}/import", batch), "task_count")
        return count

    def reviewed_tasks(self, project_id: int) -> Iterator[Task]:
        """Yield every task that has an annotation.

        Label Studio can export tasks with a submitted annotation, or tasks with a skipped one, but not both at once:
        tasks that were only skipped come from a second export.
        """
        yield from exported_tasks(self._http, project_id, {"annotated": "only"})
        if _object(self._http.get(f"api/projects/{project_id}/")).get("skipped_annotations_number"):
            for task in exported_tasks(self._http, project_id, {"skipped": "only"}):
                if all(annotation.was_cancelled for annotation in task.annotations):
                    yield task

    def tasks_without_prediction(self, project_id: int, model_version: str) -> Iterator[Task]:
        """Yield unlabeled tasks that hold no prediction of this version, page by page.

        Each page starts after the last id seen rather than at a page number, so predictions pushed in between
        shift nothing. Label Studio compares versions by substring (and SQLite without case), so `x-v1` would hide
        tasks that hold `x-v10` alone: those are read a second time, with their predictions, and compared here.
        """
        for task in self._tasks(project_id, without_label("not_contains", [model_version])):
            yield _bare_task(task)
        lookalikes = self._lookalikes(project_id, model_version)
        if not lookalikes:
            return
        unlabeled = without_label("contains", lookalikes)
        for task in self._tasks(project_id, unlabeled, fields="id,data,predictions"):
            if all(prediction.get("model_version") != model_version for prediction in task["predictions"]):
                yield _bare_task(task)

    def count_without_prediction(self, project_id: int, model_version: str) -> int:
        """Count unlabeled tasks without a prediction of this version.

        Tasks that hold it beside a version that looks like it are counted as well.
        """
        count = self._count_unlabeled(project_id, "not_contains", [model_version])
        lookalikes = self._lookalikes(project_id, model_version)
        return count + (self._count_unlabeled(project_id, "contains", lookalikes) if lookalikes else 0)

    def unlabeled_tasks(self, project_id: int, model_version: str | None) -> Iterator[tuple[Task, Prediction | None]]:
        fields = BARE if model_version is None else "id,data,predictions"
        for task in self._tasks(project_id, [UNLABELED], fields=fields):
            stored = map(prediction_from_api, task.get("predictions") or ())
            held = [each for each in stored if each.model_version == model_version]
            yield _bare_task(task), held[-1] if held else None

    def first_tasks(self, project_id: int, count: int) -> Sequence[Task]:
        return [_bare_task(task) for task in islice(self._tasks(project_id, [], page_size=count), count)]

    def tasks_by_id(self, project_id: int, task_ids: Collection[int]) -> Sequence[Task]:
        """Return these tasks.

        They are never read from a task's own address: there, Label Studio first asks a backend for the prediction that
        the task lacks.
        """
        tasks: list[Task] = []
        for batch in in_batches(sorted(task_ids), IDS_PER_QUERY):
            tasks += map(task_from_export, self._tasks(project_id, [], fields=None, task_ids=batch))
        return tasks

    def labeled_since(self, project_id: int, moment: datetime, limit: int) -> Sequence[tuple[int, datetime]]:
        items = labeled_after(moment)
        query = {"ordering": ["tasks:updated_at"], "filters": {"conjunction": "and", "items": items}}
        params = {"project": project_id, "page_size": limit, "fields": "task_only", "include": "id,updated_at"}
        page = self._http.get("api/tasks", params | {"query": json.dumps(query)})
        return [(int(task["id"]), datetime.fromisoformat(task["updated_at"])) for task in page["tasks"]]

    def tasks_with(self, project_id: int, field: str, value: str) -> Iterator[Task]:
        holding = filter_by(f"data.{field}", "equal", "String", value)
        yield from map(task_from_export, self._tasks(project_id, [holding], fields=None))

    def replace_data(self, task_id: int, data: Mapping[str, Any]) -> None:
        self._http.send("PATCH", f"api/tasks/{task_id}/", {"data": dict(data)})

    def columns(self, project_id: int) -> Mapping[str, bool]:
        columns = _object(self._http.get("api/dm/columns", {"project": project_id}))["columns"]
        return {
            _column_name(column): bool(column["visibility_defaults"]["explore"])
            for column in columns
            if "children" not in column
        }

    def views(self, project_id: int) -> Sequence[Mapping[str, Any]]:
        return _by_id(self._http.get("api/dm/views/", {"project": project_id}))

    def create_view(self, project_id: int, data: Mapping[str, Any]) -> Mapping[str, Any]:
        return _object(self._http.send("POST", "api/dm/views/", {"project": project_id, "data": dict(data)}))

    def update_view(self, project_id: int, view_id: int, data: Mapping[str, Any]) -> Mapping[str, Any]:
        body = {"project": project_id, "data": dict(data)}
        return _object(self._http.send("PATCH", f"api/dm/views/{view_id}/", body))

    def push_predictions(self, project_id: int, predictions: Sequence[tuple[int, Prediction]]) -> int:
        return sum(self._push(project_id, batch) for batch in _calls(predictions))

    def push_prediction(self, task_id: int, prediction: Prediction) -> bool:
        return store_prediction(self._http, task_id, prediction)

    def prediction_counts(self, project_id: int) -> Mapping[str, int]:
        versions = self._http.get(f"api/projects/{project_id}/model-versions/", {"extended": "true"})
        return {str(each["model_version"]): int(each["count"]) for each in versions["static"]}

    def delete_predictions(self, project_id: int, model_version: str) -> int:
        path = f"api/projects/{project_id}/model-versions/"
        answer = self._http.send("DELETE", path, {"model_version": model_version}, timeout_s=BULK_TIMEOUT_S)
        return _count(answer, "deleted_predictions")

    def delete_predictions_of(self, project_id: int, task_ids: Sequence[int]) -> None:
        self._act(project_id, "delete_tasks_predictions", task_ids)

    def accept_predictions(self, project_id: int, task_ids: Sequence[int], model_version: str) -> None:
        self._act(project_id, "predictions_to_annotations", task_ids, model_version=model_version)

    def backends(self, project_id: int) -> Sequence[Mapping[str, Any]]:
        return _by_id(self._http.get("api/ml", {"project": project_id}))

    def create_backend(self, project_id: int, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        return _object(self._http.send("POST", "api/ml", {**settings, "project": project_id}))

    def update_backend(self, backend_id: int, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        return _object(self._http.send("PATCH", f"api/ml/{backend_id}", dict(settings)))

    def start_training(self, backend_id: int) -> None:
        self._http.send("POST", f"api/ml/{backend_id}/train", {})

    def webhooks(self, project_id: int) -> Sequence[Mapping[str, Any]]:
        return _by_id(self._http.get("api/webhooks/", {"project": project_id}))

    def create_webhook(self, project_id: int, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        return _object(self._http.send("POST", "api/webhooks/", {**settings, "project": project_id}))

    def update_webhook(self, webhook_id: int, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        return _object(self._http.send("PATCH", f"api/webhooks/{webhook_id}/", dict(settings)))

    def delete_webhook(self, webhook_id: int) -> None:
        self._http.send("DELETE", f"api/webhooks/{webhook_id}/")

    def submit_annotation(self, task_id: int, annotation: Mapping[str, Any]) -> Mapping[str, Any]:
        return _object(self._http.send("POST", f"api/tasks/{task_id}/annotations/", dict(annotation)))

    def delete_annotation(self, annotation_id: int) -> bool:
        try:
            self._http.send("DELETE", f"api/annotations/{annotation_id}/")
        except StudioRejected as error:
            if error.status != GONE:
                raise
            return False
        return True

    def _act(self, project_id: int, action: str, task_ids: Sequence[int], **settings: Any) -> None:
        """Let the Data Manager act on tasks. Without a task it would act on all of them."""
        if task_ids:
            body = {"selectedItems": {"all": False, "included": list(task_ids)}, **settings}
            path = f"api/dm/actions?id={action}&project={project_id}"
            self._http.send("POST", path, body, timeout_s=BULK_TIMEOUT_S)

    def _push(self, project_id: int, batch: Sequence[tuple[int, Prediction]]) -> int:
        try:
            return self._push_at_once(project_id, batch)
        except StudioRejected as error:
            if error.status == TOO_LARGE and len(batch) > 1:  # a proxy in front may take less than Label Studio does
                half = len(batch) // 2
                return self._push(project_id, batch[:half]) + self._push(project_id, batch[half:])
            # One unknown task fails the whole call, with nothing stored; tasks may be deleted while predictions are
            # computed.
            if error.status != 400:
                raise
            existing = self._existing(project_id, [task_id for task_id, _ in batch])
            rest = [item for item in batch if item[0] in existing]
            if len(rest) == len(batch):
                raise
            return self._push_at_once(project_id, rest) if rest else 0

    def _push_at_once(self, project_id: int, batch: Sequence[tuple[int, Prediction]]) -> int:
        items = [{"task": task_id, **prediction_to_json(prediction)} for task_id, prediction in batch]
        path = f"api/projects/{project_id}/import/predictions"
        return _count(self._http.send("POST", path, items, timeout_s=BULK_TIMEOUT_S), "created")

    def _lookalikes(self, project_id: int, model_version: str) -> list[str]:
        """Return other versions that Label Studio mistakes for this one, comparing by substring and without case."""
        part = model_version.casefold()
        stored = self.prediction_counts(project_id)
        return [version for version in stored if version != model_version and part in version.casefold()]

    def _count_unlabeled(self, project_id: int, operator: str, versions: Sequence[str]) -> int:
        items = without_label(operator, versions)
        query = json.dumps({"filters": {"conjunction": "and", "items": items}})
        params = {"project": project_id, "page_size": 1, "fields": "task_only", "include": "id", "query": query}
        return _count(self._http.get("api/tasks", params), "total")

    def _existing(self, project_id: int, task_ids: Sequence[int]) -> set[int]:
        between = filter_by("id", "in", "Number", {"min": min(task_ids), "max": max(task_ids)})
        return {int(task["id"]) for task in self._tasks(project_id, [between])}

    def _tasks(
        self,
        project_id: int,
        items: Sequence[Mapping[str, Any]],
        *,
        fields: str | None = BARE,
        task_ids: Sequence[int] | None = None,
        page_size: int = 0,
    ) -> Iterator[Mapping[str, Any]]:
        """Yield the tasks that pass the filters, in the order of their ids.

        Args:
            items: the filters.
            fields: the fields to read of each task; None: all. Annotations are complete only with None.
            task_ids: only these; None: all.
            page_size: tasks per request; 0: as suits the fields.
        """
        params: dict[str, Any] = {
            "project": project_id,
            "page_size": page_size or (BARE_PAGE if fields == BARE else PAGE),
            "resolve_uri": "false",
            "fields": "task_only" if fields == BARE else "all",
        }
        if fields is not None:
            params["include"] = fields
        query: dict[str, Any] = {"ordering": ["tasks:id"]}
        if task_ids is not None:
            query["selectedItems"] = {"all": False, "included": list(task_ids)}
        last_id = 0
        while True:
            query["filters"] = {"conjunction": "and", "items": [*items, filter_by("id", "greater", "Number", last_id)]}
            page = self._http.get("api/tasks", params | {"query": json.dumps(query)})
            yield from page["tasks"]
            # An instance may cap pages below what was asked; the total counts what this query still matched.
            if not page["tasks"] or len(page["tasks"]) >= page["total"]:
                return
            last_id = page["tasks"][-1]["id"]


def _calls(predictions: Sequence[tuple[int, Prediction]]) -> Iterator[list[tuple[int, Prediction]]]:
    """Yield the predictions in parts that one call can carry."""
    batch: list[tuple[int, Prediction]] = []
    regions = 0
    for item in predictions:
        more = len(item[1].result)
        if batch and (len(batch) == PREDICTION_BATCH or regions + more > REGIONS_PER_CALL):
            yield batch
            batch, regions = [], 0
        batch.append(item)
        regions += more
    if batch:
        yield batch


def _without_ground_truth(task: Mapping[str, Any]) -> dict[str, Any]:
    """Return the task with `ground_truth: false` where an annotation does not say; Label Studio's default is true."""
    annotations = task.get("annotations")
    if not annotations:
        return dict(task)
    return {**task, "annotations": [{"ground_truth": False, **annotation} for annotation in annotations]}


def _bare_task(task: Mapping[str, Any]) -> Task:
    return Task(int(task["id"]), task["data"])


def _column_name(column: Mapping[str, Any]) -> str:
    parent = f"{column['parent']}." if column.get("parent") else ""
    return f"{column['target']}:{parent}{column['id']}"


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

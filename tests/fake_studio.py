"""Label Studio in memory: what its API does with projects, tasks, predictions, backends and webhooks."""
# Longer than 400 lines because one class implements the whole Studio port.

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from ml_backend.domain.annotation import Prediction, ProjectInfo, Task
from ml_backend.domain.label_config import LabelConfig
from ml_backend.errors import LabelConfigError, StudioError, StudioRejected
from ml_backend.labelstudio.config.parse import parse_label_config
from ml_backend.labelstudio.payloads import project_from_api, task_from_export
from ml_backend.labelstudio.predictions import prediction_from_api, prediction_to_json

__all__ = ["ALL_ACTIONS", "FakeStudio"]

ALL_ACTIONS = (
    "ANNOTATION_CREATED",
    "ANNOTATIONS_CREATED",
    "ANNOTATION_UPDATED",
    "ANNOTATIONS_DELETED",
    "LABEL_LINK_CREATED",
    "LABEL_LINK_DELETED",
    "LABEL_LINK_UPDATED",
    "PROJECT_UPDATED",
    "TASKS_CREATED",
    "TASKS_DELETED",
)
STANDARD_COLUMNS = (
    "id",
    "inner_id",
    "completed_at",
    "total_annotations",
    "cancelled_annotations",
    "total_predictions",
    "annotators",
    "annotations_results",
    "annotations_ids",
    "predictions_score",
    "predictions_model_versions",
    "predictions_results",
    "file_upload",
    "storage_filename",
    "created_at",
    "updated_at",
    "updated_by",
    "avg_lead_time",
    "draft_exists",
)
VISIBLE_COLUMNS = frozenset(
    {"id", "completed_at", "total_annotations", "cancelled_annotations", "total_predictions", "annotators"}
)
BLOCKED = "URL resolves to a reserved network address (block: 127.0.0.0/8)"
FIRST_TIME = datetime(2026, 1, 1, 12, tzinfo=UTC)


class FakeStudio:
    """Implements the Studio port. It calls no backend and sends no event; `event` makes the body of one.

    Attributes:
        changes: every call that changed something or tried to, as (method, arguments).
        refusals: error per method name, raised by that method instead of doing anything.
        hiccups: errors per method name, one of which is raised by each of its next calls.
        blocks_backends: `ML_BLOCK_LOCAL_IP` is on, so backends at private addresses are refused.
        blocks_webhooks: `SSRF_PROTECTION_ENABLED` is on, so webhooks to private addresses are refused. With this
            one alone, adding a backend is refused but leaves its row behind.
        dropped_tasks: tasks whose predictions the bulk call drops, as it does with invalid ones.
        projects: settings by id, as the API's JSON has them; likewise the other dictionaries.
    """

    def __init__(self, url: str = "http://studio.test:8080") -> None:
        self.url = url
        self.release = "1.23.2"
        self.changes: list[tuple[str, Any]] = []
        self.refusals: dict[str, StudioError] = {}
        self.hiccups: dict[str, list[StudioError]] = {}
        self.blocks_backends = False
        self.blocks_webhooks = False
        self.dropped_tasks: set[int] = set()
        self.projects: dict[int, dict[str, Any]] = {}
        self.tasks: dict[int, dict[str, Any]] = {}
        self.predictions: dict[int, dict[str, Any]] = {}
        self.annotations: dict[int, dict[str, Any]] = {}
        self.backend_rows: dict[int, dict[str, Any]] = {}
        self.webhook_rows: dict[int, dict[str, Any]] = {}
        self.view_rows: dict[int, dict[str, Any]] = {}
        self._ticks = 0
        self._last_ids: dict[str, int] = {}

    def close(self) -> None:
        pass

    def version(self) -> str:
        self._refuse_if_told("version")
        return self.release

    def current_user(self) -> str:
        self._refuse_if_told("current_user")
        return "admin@example.com"

    def project(self, project_id: int) -> ProjectInfo:
        self._refuse_if_told("project")
        return project_from_api(self.project_json(project_id))

    def newest_projects(self, limit: int) -> Sequence[ProjectInfo]:
        self._refuse_if_told("projects")
        newest = sorted(self.projects, reverse=True)[:limit]
        return [replace(self.project(each), label_config="") for each in newest]

    def create_project(self, title: str, label_config: str) -> ProjectInfo:
        self._change("create_project", title)
        if len(title) < 3:
            raise _rejected(400, "title: Ensure this field has at least 3 characters.")
        project_id = self._next_id("projects")
        self.projects[project_id] = {
            "id": project_id,
            "title": title,
            "label_config": _checked(label_config).xml,
            "model_version": "",
            "sampling": "Sequential sampling",
            "show_collab_predictions": True,
        }
        return self.project(project_id)

    def update_project(self, project_id: int, settings: Mapping[str, Any]) -> None:
        self._change("update_project", dict(settings))
        project = self._project(project_id)
        version = settings.get("model_version")
        live = [row["title"] for row in self.backends(project_id)]
        if version and version not in self.prediction_counts(project_id) and version not in live:
            raise _rejected(400, "Model version doesn't exist either as live model or as static predictions.")
        project |= settings

    def import_tasks(self, project_id: int, tasks: Sequence[Mapping[str, Any]]) -> int:
        self._change("import_tasks", len(tasks))
        items = [item if "data" in item else {"data": item} for item in tasks]
        shown = [control.object for control in _checked(self._project(project_id)["label_config"]).controls]
        for number, item in enumerate(items):
            if missing := [tag.field for tag in shown if not tag.is_in(item["data"])]:
                raise _rejected(400, f"Error at item {number}: {missing[0]} key is expected in task data")
        for item in items:
            self._import_task(project_id, item)
        return len(items)

    def reviewed_tasks(self, project_id: int) -> Iterator[Task]:
        self._ask("reviewed_tasks", project_id)
        for task in self._tasks_of(project_id):
            body = self.task_json(task["id"])
            if body["annotations"]:
                yield task_from_export(body)

    def tasks_without_prediction(self, project_id: int, model_version: str) -> Iterator[Task]:
        self._ask("tasks_without_prediction", project_id)
        # A copy, since predictions are pushed by another thread meanwhile.
        held = {p["task"] for p in list(self.predictions.values()) if p["model_version"] == model_version}
        for task in self._tasks_of(project_id):
            if not self._is_labeled(task["id"]) and task["id"] not in held:
                yield Task(task["id"], task["data"])

    def unlabeled_tasks(self, project_id: int, model_version: str | None) -> Iterator[tuple[Task, Prediction | None]]:
        self._ask("unlabeled_tasks", project_id)
        held = {p["task"]: p for p in self.predictions.values() if p["model_version"] == model_version}
        for task in self._tasks_of(project_id):
            if not self._is_labeled(task["id"]):
                stored = held.get(task["id"])
                yield Task(task["id"], task["data"]), prediction_from_api(stored) if stored else None

    def count_without_prediction(self, project_id: int, model_version: str) -> int:
        self._refuse_if_told("count_without_prediction")
        return sum(1 for _ in self.tasks_without_prediction(project_id, model_version))

    def first_tasks(self, project_id: int, count: int) -> Sequence[Task]:
        self._ask("first_tasks", project_id)
        return [Task(task["id"], task["data"]) for task in self._tasks_of(project_id)[:count]]

    def tasks_by_id(self, project_id: int, task_ids: Collection[int]) -> Sequence[Task]:
        self._ask("tasks_by_id", project_id)
        wanted = set(task_ids)
        return [task_from_export(self.task_json(t["id"])) for t in self._tasks_of(project_id) if t["id"] in wanted]

    def labeled_since(self, project_id: int, moment: datetime, limit: int) -> Sequence[tuple[int, datetime]]:
        self._ask("labeled_since", project_id)
        changes: dict[int, datetime] = {}
        for annotation in self.annotations.values():
            if annotation["project"] == project_id and self._is_labeled(annotation["task"]):
                at = datetime.fromisoformat(annotation["updated_at"])
                changes[annotation["task"]] = max(at, changes.get(annotation["task"], at))
        found = sorted(((task_id, at) for task_id, at in changes.items() if at > moment), key=lambda each: each[1])
        return found[:limit]

    def tasks_with(self, project_id: int, field: str, value: str) -> Iterator[Task]:
        self._ask("tasks_with", project_id)
        for task in self._tasks_of(project_id):
            held = task["data"].get(field)
            if (held if isinstance(held, str) else json.dumps(held)) == value and field in task["data"]:
                yield task_from_export(self.task_json(task["id"]))

    def replace_data(self, task_id: int, data: Mapping[str, Any]) -> None:
        self._change("replace_data", task_id)
        if task_id not in self.tasks:
            raise _rejected(404, "No Task matches the given query.")
        self.tasks[task_id]["data"] = dict(data)

    def columns(self, project_id: int) -> Mapping[str, bool]:
        self._ask("columns", project_id)
        keys = dict.fromkeys(key for task in self._tasks_of(project_id) for key in task["data"])
        standard = {f"tasks:{name}": name in VISIBLE_COLUMNS for name in STANDARD_COLUMNS}
        return {f"tasks:data.{key}": True for key in keys} | standard

    def views(self, project_id: int) -> Sequence[Mapping[str, Any]]:
        self._refuse_if_told("views")
        return [dict(row) for row in self.view_rows.values() if row["project"] == project_id]

    def create_view(self, project_id: int, data: Mapping[str, Any]) -> Mapping[str, Any]:
        self._change("create_view", dict(data))
        self._project(project_id)
        view_id = self._next_id("view_rows")
        self.view_rows[view_id] = {"id": view_id, "data": dict(data), "order": 0, "user": 1, "project": project_id}
        return dict(self.view_rows[view_id])

    def update_view(self, project_id: int, view_id: int, data: Mapping[str, Any]) -> Mapping[str, Any]:
        self._change("update_view", dict(data))
        self._project(project_id)
        if view_id not in self.view_rows:
            raise _rejected(404, "No View matches the given query.")
        row = self.view_rows[view_id]
        kept = {key: row["data"][key] for key in ("filters", "ordering") if key in row["data"]}
        row["data"] = kept | dict(data)
        return dict(row)

    def push_predictions(self, project_id: int, predictions: Sequence[tuple[int, Prediction]]) -> int:
        self._change("push_predictions", [task_id for task_id, _ in predictions])
        config = _checked(self._project(project_id)["label_config"])
        created = 0
        for task_id, prediction in predictions:
            if task_id in self.tasks and task_id not in self.dropped_tasks and _is_valid(prediction, config):
                self._store_prediction(task_id, prediction)
                created += 1
        return created

    def push_prediction(self, task_id: int, prediction: Prediction) -> bool:
        self._change("push_prediction", task_id)
        if task_id not in self.tasks:
            return False
        self._store_prediction(task_id, prediction)
        return True

    def prediction_counts(self, project_id: int) -> Mapping[str, int]:
        self._ask("prediction_counts", project_id)
        counts: dict[str, int] = {}
        for prediction in self.predictions.values():
            if self.tasks[prediction["task"]]["project"] == project_id:
                version = prediction["model_version"]
                counts[version] = counts.get(version, 0) + 1
        return counts

    def delete_predictions(self, project_id: int, model_version: str) -> int:
        self._change("delete_predictions", model_version)
        gone = [
            number
            for number, prediction in self.predictions.items()
            if prediction["model_version"] == model_version and self.tasks[prediction["task"]]["project"] == project_id
        ]
        self._delete(gone)
        return len(gone)

    def delete_predictions_of(self, project_id: int, task_ids: Sequence[int]) -> None:
        self._change("delete_predictions_of", list(task_ids))
        self._delete([number for number, each in self.predictions.items() if each["task"] in task_ids])

    def accept_predictions(self, project_id: int, task_ids: Sequence[int], model_version: str) -> None:
        self._change("accept_predictions", list(task_ids))
        used = {annotation["parent_prediction"] for annotation in self.annotations.values()}
        for number, each in self.predictions.items():
            if each["task"] in task_ids and each["model_version"] == model_version and number not in used:
                copied = {"result": each["result"], "parent_prediction": number, "updated_by": None, "prediction": {}}
                self._store_annotation(each["task"], copied)

    def backends(self, project_id: int) -> Sequence[Mapping[str, Any]]:
        self._ask("backends", project_id)
        return [dict(row) for row in self.backend_rows.values() if row["project"] == project_id]

    def create_backend(self, project_id: int, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        self._change("create_backend", dict(settings))
        project = self._project(project_id)
        if self.blocks_backends:
            raise _rejected(403, BLOCKED)
        _check_basic_auth(settings)
        backend_id = self._next_id("backend_rows")
        row = self.backend_rows[backend_id] = {
            "id": backend_id,
            "project": project_id,
            "state": "CO",
            "error_message": None,
            "title": "default",
            "model_version": "v1",
        } | _stored_backend(settings)
        hook_url = row["url"].rstrip("/") + "/webhook"
        if all(hook["url"] != hook_url for hook in self.webhooks(project_id)):
            if self.blocks_webhooks:
                raise _rejected(403, BLOCKED)
            self._store_webhook(project_id, {"url": hook_url})
        if project["show_collab_predictions"] and not project["model_version"]:
            project["model_version"] = row["title"]
        return dict(row)

    def update_backend(self, backend_id: int, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        self._change("update_backend", dict(settings))
        if "url" not in settings or "project" not in settings:
            raise _rejected(500, "MLBackend.healthcheck_() missing 1 required positional argument: 'url'")
        if self.blocks_backends:
            raise _rejected(403, BLOCKED)
        _check_basic_auth(settings)
        row = self.backend_rows[backend_id]
        project = self._project(row["project"])
        if project["model_version"] == row["title"] and settings.get("title"):
            project["model_version"] = settings["title"]
        row |= _stored_backend(settings) | {"state": "CO", "error_message": None}
        return dict(row)

    def start_training(self, backend_id: int) -> None:
        self._change("start_training", backend_id)

    def webhooks(self, project_id: int) -> Sequence[Mapping[str, Any]]:
        self._refuse_if_told("webhooks")
        return [dict(row) for row in self.webhook_rows.values() if row["project"] == project_id]

    def create_webhook(self, project_id: int, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        self._change("create_webhook", dict(settings))
        self._project(project_id)
        _check_headers(settings)
        if self.blocks_webhooks:
            raise _rejected(403, BLOCKED)
        return dict(self._store_webhook(project_id, settings))

    def update_webhook(self, webhook_id: int, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        """A PATCH that does not name actions empties them."""
        self._change("update_webhook", dict(settings))
        _check_headers(settings)
        if self.blocks_webhooks and "url" in settings:
            raise _rejected(403, BLOCKED)
        row = self.webhook_rows[webhook_id]
        row |= {"actions": [], **settings}
        return dict(row)

    def delete_webhook(self, webhook_id: int) -> None:
        self._change("delete_webhook", webhook_id)
        if self.webhook_rows.pop(webhook_id, None) is None:
            raise _rejected(404, "No Webhook matches the given query.")

    def submit_annotation(self, task_id: int, annotation: Mapping[str, Any]) -> Mapping[str, Any]:
        self._change("submit_annotation", task_id)
        if task_id not in self.tasks:
            raise _rejected(404, "No Task matches the given query.")
        return dict(self._store_annotation(task_id, annotation))

    def delete_annotation(self, annotation_id: int) -> bool:
        self._change("delete_annotation", annotation_id)
        if annotation_id not in self.annotations:
            return False
        self.remove_annotation(annotation_id)
        return True

    def update_annotation(self, annotation_id: int, changes: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """What Update in the editor does, and with `ground_truth` the star."""
        annotation = self.annotations[annotation_id]
        annotation |= {**(changes or {}), "updated_by": 1, "updated_at": self._now()}
        return annotation

    def remove_annotation(self, annotation_id: int) -> None:
        """What Delete in the editor does."""
        task = self.tasks[self.annotations.pop(annotation_id)["task"]]
        task["is_labeled"] = self._is_labeled(task["id"])

    def remove_backend(self, backend_id: int) -> None:
        """What Delete in the interface does: the webhook stays."""
        row = self.backend_rows.pop(backend_id)
        project = self._project(row["project"])
        if project["model_version"] == row["title"]:
            project["model_version"] = ""

    def remove_task(self, task_id: int) -> None:
        """What deleting a task in the Data Manager does."""
        del self.tasks[task_id]
        self.annotations = {k: a for k, a in self.annotations.items() if a["task"] != task_id}
        self.predictions = {k: p for k, p in self.predictions.items() if p["task"] != task_id}

    def predict_in_editor(self, task_id: int, prediction: Prediction) -> int:
        """Store a prediction as Label Studio does with what a backend answers: unchecked. Returns its id."""
        return int(self._store_prediction(task_id, prediction)["id"])

    def project_json(self, project_id: int) -> dict[str, Any]:
        """The project as the API shows it, counters and the invite token included."""
        project = self._project(project_id)
        return {
            **project,
            "created_at": _iso(FIRST_TIME),
            "task_number": len(self._tasks_of(project_id)),
            "token": "PROJECT_TOKEN_EXAMPLE",
        }

    def task_json(self, task_id: int) -> dict[str, Any]:
        """The task with its annotations and whole predictions."""
        return {
            **self.tasks[task_id],
            "annotations": [a for a in self.annotations.values() if a["task"] == task_id],
            "predictions": [p for p in self.predictions.values() if p["task"] == task_id],
        }

    def event(self, action: str, *annotation_ids: int) -> dict[str, Any]:
        """Body of the webhook call that tells of annotations, one or several as the action has it."""
        annotations = [self.annotations[number] for number in annotation_ids]
        tasks = [self.tasks[annotation["task"]] for annotation in annotations]
        project = self.project_json(annotations[0]["project"])
        is_one = action in ("ANNOTATION_CREATED", "ANNOTATION_UPDATED")
        return {
            "action": action,
            "annotation": annotations[0] if is_one else annotations,
            "task": tasks[0] if is_one else tasks,
            "project": project,
        }

    def _project(self, project_id: int) -> dict[str, Any]:
        if project_id not in self.projects:
            raise _rejected(404, "No Project matches the given query.")
        return self.projects[project_id]

    def _tasks_of(self, project_id: int) -> list[dict[str, Any]]:
        return [task for task in self.tasks.values() if task["project"] == project_id]

    def _is_labeled(self, task_id: int) -> bool:
        return any(a["task"] == task_id and not a["was_cancelled"] for a in self.annotations.values())

    def _import_task(self, project_id: int, item: Mapping[str, Any]) -> None:
        task_id = self._next_id("tasks")
        self.tasks[task_id] = {"id": task_id, "project": project_id, "data": dict(item["data"]), "is_labeled": False}
        for annotation in item.get("annotations", ()):
            self._store_annotation(task_id, {"ground_truth": False, "updated_by": None, **annotation})
        for prediction in item.get("predictions", ()):
            result = tuple(prediction["result"])
            version = prediction.get("model_version", "undefined")
            self._store_prediction(task_id, Prediction(result, prediction.get("score"), version))

    def _store_prediction(self, task_id: int, prediction: Prediction) -> dict[str, Any]:
        number = self._next_id("predictions")
        self.predictions[number] = {
            "id": number,
            "task": task_id,
            **prediction_to_json(prediction),
        }
        return self.predictions[number]

    def _delete(self, predictions: Sequence[int]) -> None:
        for number in predictions:
            del self.predictions[number]
        for annotation in self.annotations.values():
            if annotation["parent_prediction"] in predictions:
                annotation["parent_prediction"] = None

    def _store_annotation(self, task_id: int, annotation: Mapping[str, Any]) -> dict[str, Any]:
        number, now = self._next_id("annotations"), self._now()
        task = self.tasks[task_id]
        prelabel = self.predictions.get(annotation.get("parent_prediction") or 0)
        selected = self._project(task["project"])["model_version"]
        self.annotations[number] = {
            "id": number,
            "task": task_id,
            "project": task["project"],
            "completed_by": 1,
            "updated_by": 1,
            "result": [],
            "was_cancelled": False,
            "ground_truth": False,
            "lead_time": None,
            "parent_prediction": None,
            # The copy is filled where a prediction of the selected version exists.
            "prediction": dict(prelabel) if prelabel and prelabel["model_version"] == selected else {},
            "created_at": now,
            "updated_at": now,
            **annotation,
        }
        task["is_labeled"] = self._is_labeled(task_id)
        return self.annotations[number]

    def _store_webhook(self, project_id: int, settings: Mapping[str, Any]) -> dict[str, Any]:
        number = self._next_id("webhook_rows")
        self.webhook_rows[number] = {
            "id": number,
            "organization": 1,
            "project": project_id,
            "send_payload": True,
            "send_for_all_actions": True,
            "headers": {},
            "is_active": True,
            "actions": [],
            **settings,
        }
        return self.webhook_rows[number]

    def _next_id(self, table: str) -> int:
        """Ids are never given twice, those of deleted rows included."""
        self._last_ids[table] = self._last_ids.get(table, 0) + 1
        return self._last_ids[table]

    def _now(self) -> str:
        self._ticks += 1
        return _iso(FIRST_TIME + timedelta(seconds=self._ticks))

    def _ask(self, method: str, project_id: int) -> None:
        self._refuse_if_told(method)
        self._project(project_id)

    def _change(self, method: str, argument: Any) -> None:
        self.changes.append((method, argument))
        self._refuse_if_told(method)

    def _refuse_if_told(self, method: str) -> None:
        if self.hiccups.get(method):
            raise self.hiccups[method].pop(0)
        if method in self.refusals:
            raise self.refusals[method]


def _rejected(status: int, detail: str) -> StudioRejected:
    return StudioRejected(f"Label Studio refused the call with {status}: {detail}", status=status)


def _iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _checked(label_config: str) -> LabelConfig:
    try:
        return parse_label_config(label_config)
    except LabelConfigError as error:
        raise _rejected(400, f"Validation error: {error}") from None


def _is_valid(prediction: Prediction, config: LabelConfig) -> bool:
    if prediction.score is not None and not 0 <= prediction.score <= 1:
        return False
    controls = {control.name: control for control in config.controls}
    for region in prediction.result:
        control = controls.get(region.get("from_name", ""))
        if control is None or "toname" not in control.attributes or region.get("to_name") != control.object.name:
            return False
        if not set(region.get("value", {}).get(region.get("type"), [])) <= set(control.label_values):
            return False
    return True


def _check_basic_auth(settings: Mapping[str, Any]) -> None:
    wants_both = settings.get("auth_method") == "BASIC_AUTH"
    if wants_both and not (settings.get("basic_auth_user") and settings.get("basic_auth_pass")):
        raise _rejected(400, "Authentication username and password is required for Basic Authentication.")


def _stored_backend(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The password is write-only."""
    values = {"auth_method": "NONE", "basic_auth_user": "", **settings}
    is_set = bool(values.pop("basic_auth_pass", ""))
    return values | {"basic_auth_pass_is_set": is_set}


def _check_headers(settings: Mapping[str, Any]) -> None:
    headers = settings.get("headers", {})
    if len(headers) > 10 or not all(isinstance(value, str) for value in headers.values()):
        raise _rejected(400, "headers: does not fit the schema")

"""Files of tasks: JSON exports of Label Studio and files made for its import, read as streams."""

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from ...domain.annotation import Prediction, Task
from ...errors import PayloadError, StudioExportError
from ..json_stream import stream_objects
from ..payloads import task_from_export
from ..predictions import prediction_to_json
from .notes import FileNotes
from .text import open_text
from .values import given_id, given_seconds, given_text, shown_names

__all__ = ["read_export", "read_items", "read_tasks", "with_prediction"]

WANTED = "wanted a JSON list of tasks, as Label Studio's Export > JSON writes it"
OF_ANNOTATION = {
    "task": given_id,
    "parent_prediction": given_id,
    "lead_time": given_seconds,
    "created_at": given_text,
    "updated_at": given_text,
}
OF_PREDICTION = {"id": given_id, "model_version": given_text}


def read_export(path: Path, notes: FileNotes | None = None) -> Iterator[Task]:
    """Yield every task of a JSON export, or of a labeled file made for an import, in constant memory.

    A task or annotation whose id is not a whole number gets a new id, unique in the file and the same each time.

    Raises:
        StudioExportError: the file is missing, not JSON, cut short, JSON_MIN or another format; raised when the reading
            gets there.
    """
    notes = notes or FileNotes()
    ids = _Ids(path, notes)
    for number, item in read_items(path, notes):
        if not isinstance(item.get("data"), dict):
            raise StudioExportError(_not_a_task(path, number, item))
        if not isinstance(item.get("annotations"), list):
            raise StudioExportError(_not_labeled(path, number, item))
        yield _task(path, number, ids.completed(item, number))


def read_tasks(path: Path, notes: FileNotes | None = None) -> Iterator[tuple[Mapping[str, Any], Task]]:
    """Yield every item of a file with the task that it describes, in constant memory and in the file's order.

    An item is an object with `data` (as exported or as prepared for an import), or a plain object, which is then taken
    as the data itself and comes out as `{"data": …}`. The tasks have no annotations; one without an id gets its number
    in the file, from 1.

    Raises:
        StudioExportError: the file is missing, not a JSON list of objects, or cut short; raised while reading.
    """
    for number, item in read_items(path, notes):
        whole = item if isinstance(item.get("data"), dict) else {"data": item}
        task_id = given_id(item.get("id"))
        yield whole, Task(number if task_id is None else task_id, whole["data"])


def with_prediction(item: Mapping[str, Any], prediction: Prediction) -> dict[str, Any]:
    """Return an item of a file of tasks unchanged, except that this prediction replaces all others."""
    return {**item, "predictions": [prediction_to_json(prediction)]}


def read_items(path: Path, notes: FileNotes | None = None) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield the objects of a JSON list, or of JSON lines, each with its number from 1, in constant memory.

    Raises:
        StudioExportError: the file is missing, holds no objects, or is cut short; raised when the reading gets there.
    """
    number = 0
    with open_text(path, notes) as source:
        try:
            for number, item in enumerate(stream_objects(source, notes), start=1):
                yield number, item
        except PayloadError as error:
            raise StudioExportError(f"{path}, after item {number}: {error}; {WANTED}") from None


class _Ids:
    """Gives ids to tasks and annotations without a whole number for an id; the new ids are above all in the file."""

    def __init__(self, path: Path, notes: FileNotes) -> None:
        self._path, self._notes = path, notes

    def completed(self, item: Mapping[str, Any], number: int) -> Mapping[str, Any]:
        """Return an item in which the task and every annotation has an id."""
        task_id = given_id(item.get("id"))
        if task_id is None:
            self._notes.numbered_tasks += 1
            task_id = self._largest[0] + number
        completed = {**item, "id": task_id, "annotations": [self._annotation(each) for each in item["annotations"]]}
        if isinstance(item.get("predictions"), list):
            completed["predictions"] = [_read(OF_PREDICTION, each) for each in item["predictions"]]
        return completed

    def _annotation(self, annotation: object) -> object:
        if not isinstance(annotation, dict):
            return annotation
        annotation_id = given_id(annotation.get("id"))
        if annotation_id is None:
            self._notes.numbered_annotations += 1
            annotation_id = self._largest[1] + self._notes.numbered_annotations
        return {**_read(OF_ANNOTATION, annotation), "id": annotation_id}

    @cached_property
    def _largest(self) -> tuple[int, int]:
        """Return the largest ids of tasks and of annotations, for which the whole file is read."""
        largest_task = largest_annotation = 0
        for _, item in read_items(self._path):
            largest_task = max(largest_task, given_id(item.get("id")) or 0)
            annotations = item.get("annotations")
            for each in annotations if isinstance(annotations, list) else ():
                if isinstance(each, dict):
                    largest_annotation = max(largest_annotation, given_id(each.get("id")) or 0)
        return largest_task, largest_annotation


def _read(readers: Mapping[str, Callable[[object], object]], values: Any) -> Any:
    """Convert the minor values of an item from a file made for an import to Label Studio's form, or leave them out."""
    if not isinstance(values, dict):
        return values
    return {**values, **{name: read(values[name]) for name, read in readers.items() if name in values}}


def _task(path: Path, number: int, item: Mapping[str, Any]) -> Task:
    try:
        return task_from_export(item)
    except PayloadError as error:
        raise StudioExportError(f"{path}, item {number}: {error}") from None


def _not_a_task(path: Path, number: int, item: Mapping[str, Any]) -> str:
    if "annotation_id" in item or "annotator" in item:
        return (
            f"{path}, item {number}: this is the JSON_MIN format, which leaves out skipped annotations and "
            "pre-labels; export the project again and choose JSON"
        )
    return f"{path}, item {number}: no object under `data` (keys found: {shown_names(sorted(item))}); {WANTED}"


def _not_labeled(path: Path, number: int, item: Mapping[str, Any]) -> str:
    if "completions" in item:
        return f"{path}, item {number}: written by Label Studio before 1.0; import it into 1.x and export it again"
    return (
        f"{path}, item {number}: a task without a list of annotations, so this is no export of labeled tasks; {WANTED}"
    )

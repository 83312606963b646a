"""Files of tasks: JSON exports of Label Studio and files made for its import, read as streams."""

import codecs
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import ijson
from ijson.common import ObjectBuilder

from ..domain.annotation import Task
from ..errors import PayloadError, StudioExportError
from .payloads import task_from_export

__all__ = ["read_export", "read_items", "read_tasks", "stream_objects"]

MAX_DEPTH = 200
DEPTH_CHANGES = {"start_map": 1, "start_array": 1, "end_map": -1, "end_array": -1}
WANTED = "wanted a JSON list of tasks, as Label Studio's Export > JSON writes it"


def read_export(path: Path) -> Iterator[Task]:
    """Every task of a JSON export, with its annotations, in flat memory.

    Raises:
        StudioExportError: not there, no JSON, cut short, JSON_MIN or another format; raised when the reading
            gets there.
    """
    for number, item in read_items(path):
        if not isinstance(item.get("data"), dict):
            raise StudioExportError(_not_a_task(path, number, item))
        if not isinstance(item.get("annotations"), list):
            raise StudioExportError(_not_labeled(path, number, item))
        yield _task(path, number, item)


def read_tasks(path: Path) -> Iterator[Task]:
    """Every task of a file in Label Studio's format, in flat memory and in the file's order.

    An item is an object with `data` (as exported or as prepared for an import), or a plain object, which then is
    the data itself. A task without an id gets its number in the file, from 1.

    Raises:
        StudioExportError: not there, no JSON list of objects, or cut short; raised when the reading gets there.
    """
    for number, item in read_items(path):
        task: dict[str, Any] = dict(item) if isinstance(item.get("data"), dict) else {"data": dict(item)}
        # Import files name annotations' authors and leave ids out; only the data counts here.
        task["annotations"] = [each for each in task.get("annotations") or () if _has_id(each)]
        if not _has_id(task):
            task["id"] = number
        yield _task(path, number, task)


def stream_objects(source: IO[bytes]) -> Iterator[Any]:
    """Items of a JSON list one after another, floats as floats.

    Raises:
        ijson.JSONError: no list, not well-formed, cut short, or more than `MAX_DEPTH` levels deep.
    """
    # `ijson.items` would do, but spends gigabytes on a small file of nested brackets.
    events = ijson.basic_parse(source, use_float=True)
    if next(events)[0] != "start_array":
        raise ijson.JSONError("not a list")
    depth, builder = 0, ObjectBuilder()
    for event, value in events:
        depth += DEPTH_CHANGES.get(event, 0)
        if depth < 0:
            continue
        if depth > MAX_DEPTH:
            raise ijson.JSONError(f"more than {MAX_DEPTH} levels inside one another")
        builder.event(event, value)
        if depth == 0:
            yield builder.value
            builder = ObjectBuilder()


def read_items(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The objects of a JSON list, each with its number from 1, in flat memory.

    Raises:
        StudioExportError: not there, no JSON list of objects, or cut short; raised when the reading gets there.
    """
    number = 0
    try:
        with path.open("rb") as source:
            _check_start(path, source)
            for number, item in enumerate(stream_objects(source), start=1):
                if not isinstance(item, dict):
                    raise StudioExportError(f"{path}, item {number}: {_shown(item)} found; {WANTED}")
                yield number, item
    except OSError as error:
        raise StudioExportError(f"{path}: cannot be read ({error.strerror}); give the path of a JSON file") from None
    except ijson.JSONError as error:
        raise StudioExportError(
            f"{path}, after item {number}: not well-formed JSON ({_reason(error)}); the file may be cut short or not "
            "UTF-8: export it anew"
        ) from None


def _check_start(path: Path, source: IO[bytes]) -> None:
    """Leave the source at the list's bracket, or say what stands there instead."""
    head = source.read(4096)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise StudioExportError(f"{path}: UTF-16 text found; save it as UTF-8")
    skipped = len(codecs.BOM_UTF8) if head.startswith(codecs.BOM_UTF8) else 0
    text = head[skipped:].lstrip()
    if not text:
        raise StudioExportError(f"{path}: the file is empty; {WANTED}")
    if text.startswith(b"{"):
        raise StudioExportError(
            f"{path}: a JSON object found (one task, or one task per line); {WANTED}: put the tasks between [ and ]"
        )
    if not text.startswith(b"["):
        raise StudioExportError(f"{path}: it starts with {_shown(text[:20].decode(errors='replace'))}; {WANTED}")
    source.seek(skipped)


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
    keys = ", ".join(sorted(map(str, item))[:8]) or "none"
    return f"{path}, item {number}: no object under `data` (keys found: {keys}); {WANTED}"


def _not_labeled(path: Path, number: int, item: Mapping[str, Any]) -> str:
    if "completions" in item:
        return f"{path}, item {number}: written by Label Studio before 1.0; import it into 1.x and export it again"
    return (
        f"{path}, item {number}: a task without a list of annotations, so this is no export of labeled tasks; {WANTED}"
    )


def _has_id(item: object) -> bool:
    value = item.get("id") if isinstance(item, Mapping) else None
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}..."


def _reason(error: ijson.JSONError) -> str:
    """The parser's first line: the others quote the file."""
    found = error.args[0] if error.args else ""
    text = found.decode(errors="replace") if isinstance(found, bytes) else str(found)
    return (text.splitlines() or ["unknown error"])[0].rstrip(".")

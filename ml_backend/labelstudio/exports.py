"""Label Studio's export snapshots: the fastest way to read a project, and the only one that shows all at one time."""

import io
import logging
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from typing import IO, Any

from ..domain.annotation import Task
from ..errors import PayloadError, StudioRejected, StudioUnreachable
from .files.notes import FileNotes
from .http import StudioHttp
from .json_stream import stream_objects
from .payloads import task_from_export

__all__ = ["exported_tasks"]

logger = logging.getLogger(__name__)

EXPORT_TIMEOUT_S = 3600.0
"""Label Studio builds an export inside the request that asks for it, at about 500 tasks a second."""
POLL_S = 1.0
PEEKED_BYTES = 64


def exported_tasks(http: StudioHttp, project_id: int, task_filter: Mapping[str, str]) -> Iterator[Task]:
    """Yield tasks with their annotations, in flat memory; the text waits in an unnamed temporary file.

    Args:
        task_filter: Label Studio's `task_filter_options`, such as `{"annotated": "only"}`.

    Raises:
        StudioError: the export cannot be made or read.
        PayloadError: a task in it is none.
    """
    path = f"api/projects/{project_id}/exports"
    title = f"labelloop {uuid.uuid4().hex}"
    with tempfile.TemporaryFile() as target:
        try:
            export_id = _finished(http, path, title, task_filter)
            http.download(f"{path}/{export_id}/download", {"exportType": "JSON"}, target)
        finally:
            _delete(http, path, title)
        target.seek(0)
        yield from map(task_from_export, _items(http, target))


def _items(http: StudioHttp, export: IO[bytes]) -> Iterator[Mapping[str, Any]]:
    notes = FileNotes()
    try:
        if not export.read(PEEKED_BYTES).lstrip().startswith(b"["):
            raise PayloadError("it starts with something else")
        export.seek(0)
        with io.TextIOWrapper(export, "utf-8", newline="") as text:
            yield from stream_objects(text, notes)
    except (PayloadError, UnicodeDecodeError) as error:
        raise StudioRejected(
            f"the export that {http.url} sent is no JSON list, or was cut short ({error}); try again, and look at what "
            "stands between labelloop and Label Studio",
            status=200,
        ) from None
    for sentence in notes.sentences:
        logger.warning("the export of %s: %s", http.url, sentence)


def _finished(http: StudioHttp, path: str, title: str, task_filter: Mapping[str, str]) -> int:
    """Make an export, and return its id once it is complete."""
    request = {
        "title": title,
        "task_filter_options": dict(task_filter),
        # With whole predictions an annotation can be compared with the pre-label it started from.
        "serialization_options": {"predictions": {"only_id": False}},
    }
    try:
        export = http.send("POST", f"{path}/", request, timeout_s=EXPORT_TIMEOUT_S)
    except StudioRejected as error:
        # A proxy may give up on the long request while Label Studio carries on.
        if error.status not in (502, 504):
            raise
        export = _find(http, path, title)
    deadline = time.monotonic() + EXPORT_TIMEOUT_S
    while export is None or export["status"] in ("created", "in_progress"):
        if time.monotonic() > deadline:
            raise StudioUnreachable(
                f"Label Studio at {http.url} did not finish an export in {EXPORT_TIMEOUT_S:g} s; look at its log",
                is_passing=False,
            )
        time.sleep(POLL_S)
        export = _find(http, path, title)
    if export["status"] != "completed":
        raise StudioRejected(
            f"Label Studio's export {title!r} ended as {export['status']}; look at Label Studio's log", status=500
        )
    return int(export["id"])


def _find(http: StudioHttp, path: str, title: str) -> Mapping[str, object] | None:
    return next((each for each in http.get(f"{path}/") if each.get("title") == title), None)


def _delete(http: StudioHttp, path: str, title: str) -> None:
    try:
        export = _find(http, path, title)
        if export is not None:
            http.send("DELETE", f"{path}/{export['id']}")
    except (StudioRejected, StudioUnreachable):
        # An earlier error matters more than this one; a leftover export is only untidy.
        return

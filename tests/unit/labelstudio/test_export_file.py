"""Files of tasks: exports, import files, and what is neither."""

import io
import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ijson
import pytest

from ml_backend.domain.annotation import Task
from ml_backend.errors import StudioExportError
from ml_backend.labelstudio.export_file import MAX_DEPTH, read_export, read_tasks, stream_objects
from tests.recordings import recorded, recorded_names, recording_path

Write = Callable[[Any], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes bytes as they are, and everything else as JSON."""

    def written(content: Any) -> Path:
        path = tmp_path / "tasks.json"
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        return path

    return written


def labeled(number: int = 1, **changes: Any) -> dict[str, Any]:
    annotation = {"id": 10 + number, "completed_by": 1, "result": []}
    return {"id": number, "data": {"text": f"text {number}"}, "annotations": [annotation], **changes}


@pytest.mark.parametrize("name", [name for name in recorded_names("export_") if name != "export_json_min"])
def test_recorded_exports_can_be_read(name: str) -> None:
    tasks = list(read_export(recording_path(name)))

    assert [task.id for task in tasks] == [each["id"] for each in recorded(name)]
    assert [len(task.annotations) for task in tasks] == [len(each["annotations"]) for each in recorded(name)]


def test_a_recorded_json_min_export_is_called_by_its_name() -> None:
    with pytest.raises(StudioExportError, match=r"item 1: this is the JSON_MIN format, .* choose JSON"):
        list(read_export(recording_path("export_json_min")))


def test_numbers_in_data_stay_numbers(write: Write) -> None:
    (task,) = read_export(write([labeled(data={"text": 5, "price": 1.5, "none": None, "on": True})]))

    assert task.data == {"text": 5, "price": 1.5, "none": None, "on": True}
    assert [type(value) for value in task.data.values()] == [int, float, type(None), bool]


def test_an_export_may_be_empty(write: Write) -> None:
    assert list(read_export(write([]))) == []


def test_an_export_may_start_with_a_byte_order_mark_and_space(write: Write) -> None:
    assert len(list(read_export(write(b"\xef\xbb\xbf \n" + json.dumps([labeled()]).encode())))) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty; wanted a JSON list of tasks"),
        (b" \n\t ", "the file is empty"),
        (b'{"id": 1}', "a JSON object found .* put the tasks between"),
        (b'{"id": 1}\n{"id": 2}', "one task per line"),
        (b"text,sentiment\na,b\n", "it starts with 'text,sentiment"),
        (b"-DOCSTART- -X- O\n", "it starts with '-DOCSTART-"),
        ("[1]".encode("utf-16"), "UTF-16 text found; save it as UTF-8"),
        (b"[", "after item 0: not well-formed JSON"),
        (b'[{"id": 1', "after item 0: not well-formed JSON .* cut short"),
        (json.dumps([labeled(1), labeled(2)]).encode()[:-20], "after item 1: not well-formed JSON .* cut short"),
        (b'[{"text": "caf\xe9"}]', "after item 0: not well-formed JSON .* not UTF-8"),
        (b"[1]", "item 1: 1 found; wanted a JSON list of tasks"),
        (b'["' + b"x" * 500 + b'"]', r"item 1: '" + "x" * 39 + r"\.\.\. found"),
        (b"[[]]", r"item 1: \[\] found"),
        (b"[null]", "item 1: None found"),
        (b"[{}]", r"item 1: no object under `data` \(keys found: none\)"),
        (b'[{"id": 1, "text": "a"}]', r"item 1: no object under `data` \(keys found: id, text\)"),
        (b'[{"id": 1, "data": "a", "annotations": []}]', "item 1: no object under `data`"),
        (b'[{"id": 1, "data": {}}]', "item 1: a task without a list of annotations, so this is no export of labeled"),
        (b'[{"id": 1, "data": {}, "annotations": null}]', "item 1: a task without a list of annotations"),
        (b'[{"id": 1, "data": {}, "completions": []}]', "item 1: written by Label Studio before 1.0"),
        (b'[{"data": {}, "annotations": []}]', "item 1: task: not what Label Studio sends: id: Field required"),
        (b'[{"id": 1, "data": {}, "annotations": [{}]}]', r"item 1: .* annotations\.0\.id: Field required"),
        (b'[{"id": 1, "text": "a", "annotator": 1}]', "item 1: this is the JSON_MIN format"),
    ],
)
def test_what_is_no_export_is_refused_with_what_was_found(write: Write, content: bytes, message: str) -> None:
    path = write(content)

    with pytest.raises(StudioExportError, match=message) as caught:
        list(read_export(path))

    assert str(caught.value).startswith(str(path))


def test_the_number_of_the_bad_item_is_told_after_the_good_ones_were_read(write: Write) -> None:
    tasks = read_export(write([labeled(1), labeled(2), {"id": 3}]))

    assert [next(tasks).id, next(tasks).id] == [1, 2]
    with pytest.raises(StudioExportError, match="item 3: no object under `data`"):
        next(tasks)


def test_a_message_does_not_quote_the_texts_of_the_file(write: Write) -> None:
    with pytest.raises(StudioExportError) as caught:
        list(read_export(write(b'[{"text": "a secret story" oops')))

    assert "secret" not in str(caught.value)


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(StudioExportError, match=r"missing\.json: cannot be read \(No such file or directory\)"):
        list(read_export(tmp_path / "missing.json"))
    with pytest.raises(StudioExportError, match=r"cannot be read \(Is a directory\)"):
        list(read_tasks(tmp_path))


def test_import_files_in_both_forms_are_read_in_order(write: Write) -> None:
    items = [
        {"data": {"text": "a"}, "id": 7},
        {"text": "b", "n": 1},
        {"data": {"text": "c"}},
        {"data": "d", "text": "d"},
    ]

    assert list(read_tasks(write(items))) == [
        Task(7, {"text": "a"}),
        Task(2, {"text": "b", "n": 1}),
        Task(3, {"text": "c"}),
        Task(4, {"data": "d", "text": "d"}),
    ]


def test_annotations_of_an_import_file_without_ids_are_left_aside(write: Write) -> None:
    annotations = [{"result": [], "completed_by": "someone@example.com"}, {"id": 5, "result": []}]

    (task,) = read_tasks(write([{"data": {"text": "a"}, "annotations": annotations}]))

    assert [each.id for each in task.annotations] == [5]


@pytest.mark.parametrize("annotations", [None, [], "none"])
def test_an_import_file_need_not_hold_annotations(write: Write, annotations: Any) -> None:
    (task,) = read_tasks(write([{"data": {"text": "a"}, "annotations": annotations}]))

    assert task == Task(1, {"text": "a"})


def test_an_exported_file_can_be_read_for_its_tasks_alone() -> None:
    tasks = list(read_tasks(recording_path("export_choices")))

    assert tasks == list(read_export(recording_path("export_choices")))


def test_a_large_file_is_read_in_flat_memory(write: Write) -> None:
    path = write([labeled(number, data={"text": "x" * 1000}) for number in range(5_000)])
    tracemalloc.start()

    count = sum(1 for _ in read_export(path))

    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 5_000
    assert path.stat().st_size > 5_000_000
    assert peak_bytes < 1_000_000


@pytest.mark.parametrize("bracket", [b"[", b'{"a":'])
def test_nested_brackets_take_no_memory(bracket: bytes, write: Write) -> None:
    path = write(b"[" + bracket * 100_000)
    tracemalloc.start()

    with pytest.raises(StudioExportError, match=f"more than {MAX_DEPTH} levels inside one another"):
        list(read_export(path))

    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 20_000_000


@pytest.mark.parametrize(
    "items",
    [[], [{}], [[]], [[[]], {"a": {"b": [1, {"c": 2.5}]}}], [1, "a", None, True, 2.5], [{"a": []}, {"a": [{}]}, []]],
    ids=str,
)
def test_every_item_of_a_list_comes_out_as_json_has_it(items: list[Any]) -> None:
    assert list(stream_objects(io.BytesIO(json.dumps(items).encode()))) == items


@pytest.mark.parametrize("content", [b'{"detail": "no"}', b'"text"', b"5", b"", b"[1] 2", b"[1][2]", b"<html>"])
def test_what_is_no_list_is_no_stream_of_objects(content: bytes) -> None:
    with pytest.raises(ijson.JSONError):
        list(stream_objects(io.BytesIO(content)))

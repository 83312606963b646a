"""Files of tasks: exports, import files, and what is neither."""

import gzip
import json
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ml_backend.domain.annotation import Prediction, Task
from ml_backend.errors import StudioExportError
from ml_backend.labelstudio.files.export_file import read_export, read_tasks, with_prediction
from ml_backend.labelstudio.files.notes import FileNotes
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
    assert [task.data for _, task in read_tasks(recording_path(name))] == [task.data for task in tasks]

    assert [task.id for task in tasks] == [each["id"] for each in recorded(name)]
    assert [len(task.annotations) for task in tasks] == [len(each["annotations"]) for each in recorded(name)]


def test_a_recorded_json_min_export_is_called_by_its_name() -> None:
    with pytest.raises(StudioExportError, match=r"item 1: this is the JSON_MIN format, .* choose JSON"):
        list(read_export(recording_path("export_json_min")))


def test_an_export_may_be_empty(write: Write) -> None:
    assert list(read_export(write([]))) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "after item 0: the text is empty; wanted a JSON list of tasks"),
        (b'{"id": 1}', r"item 1: no object under `data` \(keys found: id\)"),
        (b"text,sentiment\na,b\n", "it starts with 'text,sentiment"),
        (b"<!DOCTYPE html>", "it starts with '<!DOCTYPE html>'"),
        (b"PK\x03\x04 and so on", "a ZIP archive, or a workbook of a spreadsheet found; wanted text: unpack it"),
        (b"x" * 257 + b"ustar", "a tar archive found"),
        (b"\x1f\x8b\x08 no more", "a damaged gzip file, or one cut short"),
        (gzip.compress(json.dumps([labeled()]).encode(), mtime=0)[:-12], "a damaged gzip file, or one cut short"),
        (b"[", "after item 0: the text ends in the middle of it: it was cut short"),
        (b'[{"id": 1', "after item 0: .* cut short"),
        (json.dumps([labeled(1), labeled(2)]).encode()[:-20], "after item 1: .* cut short"),
        (b'[{"text": "caf\xe9"}]', r"bytes found that are no utf-8 text \(e9\)"),
        (b'[{"a": [1}, {"a": 2}]', "after item 0: not well-formed JSON .* at character 9 of it"),
        (b"[{'a': 1}]", "after item 0: not well-formed JSON .* at character 2 of it"),
        (json.dumps([labeled()])[:-1].encode() + b"{}]", "after item 1: '{' found after an item of the list; wanted a"),
        (b'[{"a": ' + b"7" * 4301 + b"}]", "after item 0: a whole number of more digits than can be read"),
        (b"[1]", r"after item 0: '1\]' found; wanted an object"),
        (b'["' + b"x" * 500 + b'"]', "after item 0: '\"" + "x" * 39 + r"'\.\.\. found"),
        (b"[null]", r"after item 0: 'null\]' found"),
        (b"[{}]", r"item 1: no object under `data` \(keys found: none\)"),
        (b'[{"id": 1, "text": "a"}]', r"item 1: no object under `data` \(keys found: id, text\)"),
        (b'[{"id": 1, "data": "a", "annotations": []}]', "item 1: no object under `data`"),
        (b'[{"id": 1, "data": {}}]', "item 1: a task without a list of annotations, so this is no export of labeled"),
        (b'[{"id": 1, "data": {}, "annotations": null}]', "item 1: a task without a list of annotations"),
        (b'[{"id": 1, "data": {}, "completions": []}]', "item 1: written by Label Studio before 1.0"),
        (b'[{"id": 1, "data": {}, "annotations": [5]}]', r"item 1: .* annotations\.0: "),
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


NEARLY_RIGHT = {
    "gzip": gzip.compress(json.dumps([labeled(1), labeled(2)]).encode()),
    "JSON lines": f"{json.dumps(labeled(1))}\n{json.dumps(labeled(2))}\n".encode(),
    "JSON lines in gzip": gzip.compress(f"{json.dumps(labeled(1))}\r\n\r\n{json.dumps(labeled(2))}".encode()),
    "a byte order mark and space": b"\xef\xbb\xbf \n" + json.dumps([labeled(1), labeled(2)]).encode(),
    "UTF-16": json.dumps([labeled(1), labeled(2)]).encode("utf-16"),
    "UTF-16 without a mark": json.dumps([labeled(1), labeled(2)]).encode("utf-16-be"),
    "UTF-32": json.dumps([labeled(1), labeled(2)], indent=1).encode("utf-32"),
}


@pytest.mark.parametrize("content", NEARLY_RIGHT.values(), ids=NEARLY_RIGHT)
def test_a_file_may_be_packed_in_lines_or_in_another_encoding(content: bytes, write: Write) -> None:
    assert [task.data["text"] for task in read_export(write(content))] == ["text 1", "text 2"]


def test_numbers_that_json_does_not_have_are_null_and_counted_and_all_others_stay(write: Write) -> None:
    data = '{"text": 5, "price": 1.5, "on": true, "x": NaN, "y": [-Infinity, 1e999], "long": 98765432109876543210}'
    notes = FileNotes()

    (task,) = read_export(write(f'[{{"id": 1, "data": {data}, "annotations": []}}]'.encode()), notes)

    odd = {"x": None, "y": [None, None], "long": 98765432109876543210}
    assert task.data == {"text": 5, "price": 1.5, "on": True} | odd
    assert [type(task.data[name]) for name in ("text", "price", "on")] == [int, float, bool]
    assert notes.sentences == ("values that are NaN or infinite, which JSON does not have, read as null: 3",)


def test_what_hardly_matters_makes_no_annotation_unreadable(write: Write) -> None:
    odd = {"lead_time": "NaN", "created_at": 17.5, "parent_prediction": "p-1", "task": "t-1", "import_id": 2**70}

    (task,) = read_export(write([labeled(annotations=[{"id": 5, "result": [], **odd}], predictions=[{"id": "p-1"}])]))

    (annotation,) = task.annotations
    assert (annotation.lead_time_s, annotation.created_at, annotation.parent_prediction) == (None, "17.5", None)


@pytest.mark.parametrize(
    ("task_ids", "read"),
    [
        ([None, None, None], [1, 2, 3]),
        (["7f1c-aa", "b", "007"], [1, 2, 3]),
        ([None, 1, 2], [3, 1, 2]),
        ([5, None, "x"], [5, 7, 8]),
        ([2**64, "3", 4.0], [5, 3, 4]),
        ([True, -1, 0], [1, 2, 0]),
    ],
)
def test_tasks_without_a_whole_number_for_an_id_get_one_that_no_other_has(
    task_ids: list[Any], read: list[int], write: Write
) -> None:
    items = [{**({} if task_id is None else {"id": task_id}), "data": {}, "annotations": []} for task_id in task_ids]
    notes = FileNotes()

    assert [task.id for task in read_export(write(items), notes)] == read
    made_up = sum(isinstance(task_id, bool) or task_id not in read for task_id in task_ids if task_id != "3")
    assert notes.sentences == (f"tasks without a whole number for an id, which got numbers: {made_up}",)


def test_annotations_without_ids_get_some_that_no_other_has_and_keep_their_answers(write: Write) -> None:
    region = {"from_name": "s", "to_name": "text", "type": "choices", "value": {"choices": ["a"]}}
    answers: list[list[dict[str, Any]]] = [[{}, {"id": "x-1"}], [{"id": 9}, {"id": "10"}], [{}]]
    items = [
        {"id": number, "data": {}, "annotations": [{**each, "result": [region]} for each in given]}
        for number, given in enumerate(answers)
    ]
    notes = FileNotes()

    tasks = list(read_export(write(items), notes))

    assert [[each.id for each in task.annotations] for task in tasks] == [[11, 12], [9, 10], [13]]
    assert all(each.result == (region,) for task in tasks for each in task.annotations)
    assert notes.sentences == ("annotations without a whole number for an id, which got numbers: 3",)


def test_import_files_in_both_forms_are_read_in_order_as_they_are(write: Write) -> None:
    items = [
        {"data": {"text": "a"}, "id": "x-7", "meta": {"n": [1]}, "drafts": [], "annotations": [{"result": []}]},
        {"text": "b", "n": 1},
        {"data": {"text": "c"}},
        {"data": "d", "text": "d"},
    ]

    read = list(read_tasks(write(items)))

    assert [item for item, _ in read] == [items[0], {"data": items[1]}, items[2], {"data": items[3]}]
    assert [task for _, task in read] == [
        Task(1, {"text": "a"}),
        Task(2, {"text": "b", "n": 1}),
        Task(3, {"text": "c"}),
        Task(4, {"data": "d", "text": "d"}),
    ]


def test_a_prediction_takes_the_place_of_all_others_and_nothing_else_changes() -> None:
    region = {"from_name": "s", "value": {"choices": ["a"]}}
    item = {"id": "x", "predictions": [3, 4], "meta": {"k": 1}, "data": {"text": "t"}, "annotations": [{"id": 1}]}

    found = with_prediction(item, Prediction((region,), 0.5, "v1"))

    assert found == item | {"predictions": [{"result": [region], "score": 0.5, "model_version": "v1"}]}
    assert list(found) == list(item)
    assert list(with_prediction({"data": {}}, Prediction((), None, "v1"))) == ["data", "predictions"]


@contextmanager
def memory_below(most_bytes: int) -> Iterator[None]:
    tracemalloc.start()
    yield
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < most_bytes


def test_a_large_file_is_read_in_flat_memory(write: Write) -> None:
    path = write([labeled(number, data={"text": "x" * 1000}) for number in range(5_000)])
    assert path.stat().st_size > 5_000_000

    with memory_below(1_000_000):
        assert sum(1 for _ in read_export(path)) == 5_000


@pytest.mark.parametrize("bracket", [b"[", b'{"a":'])
def test_nested_brackets_take_no_memory(bracket: bytes, write: Write) -> None:
    path = write(b'[{"a":' + bracket * 100_000)

    with memory_below(20_000_000), pytest.raises(StudioExportError, match="more than 200 levels inside one another"):
        list(read_export(path))

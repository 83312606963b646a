"""Flat exports give the same answers as the JSON export of the same tasks."""

import csv
import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ml_backend.domain.label_config import LabelConfig
from ml_backend.errors import StudioExportError
from ml_backend.labelstudio.config.parse import parse_label_config
from ml_backend.labelstudio.files.flat_export import read_flat_export
from ml_backend.labelstudio.files.flat_file import FlatFile
from ml_backend.labelstudio.files.notes import FileNotes

ABOUT = {"annotator": 1, "annotation_id": 49, "created_at": "2026-11-20", "updated_at": "2026-11-21", "lead_time": 4.0}


def config(control: str, name: str = "text") -> LabelConfig:
    return parse_label_config(f'<View><Text name="{name}" value="${name}"/>{control}</View>')


SINGLE = config('<Choices name="topics" toName="text"><Choice value="a"/></Choices>')
LABELS = config('<Labels name="label" toName="text"><Label value="PER"/></Labels>')
TALK = parse_label_config(
    '<View><Paragraphs name="dialogue" value="$talk"/><ParagraphLabels name="slot" toName="dialogue">'
    '<Label value="Location"/></ParagraphLabels></View>'
)
OSLO = {"start": "0", "end": "0", "startOffset": 3, "endOffset": 7, "text": "Oslo", "paragraphlabels": ["Location"]}
DRAFT = config('<TextArea name="instruction" toName="prompt"/>', "prompt")


def json_min(tmp_path: Path, *records: Mapping[str, Any]) -> Path:
    path = tmp_path / "min.json"
    path.write_text(json.dumps([{"id": 9, **ABOUT, **record} for record in records]))
    return path


def table(tmp_path: Path, *records: Mapping[str, Any]) -> Path:
    """As Label Studio writes it: columns in alphabetical order, JSON for what is no single value."""
    path = tmp_path / "export.csv"
    rows = [{"id": 9, **ABOUT, **record} for record in records]
    with path.open("w", encoding="utf-8", newline="") as target:
        writer = csv.DictWriter(target, sorted(rows[0]), quoting=csv.QUOTE_NONNUMERIC)
        writer.writeheader()
        for row in rows:
            writer.writerow({k: json.dumps(v) if isinstance(v, dict | list) else v for k, v in row.items()})
    return path


CASES = [
    (SINGLE, {"text": "t", "topics": "Sports"}, [{"choices": ["Sports"]}]),
    (
        LABELS,
        {"text": "Bob in 東京", "label": [{"start": 0, "end": 3, "text": "Bob", "labels": ["PER"]}]},
        [{"start": 0, "end": 3, "text": "Bob", "labels": ["PER"]}],
    ),
    (DRAFT, {"prompt": "p", "instruction": 'An "answer"\nin two'}, [{"text": ['An "answer"\nin two']}]),
    (SINGLE, {"text": "t", "topics": ""}, []),
    (TALK, {"talk": [{"author": "Mira", "text": "Is Oslo open?"}], "slot": [OSLO]}, [OSLO]),
]


@pytest.mark.parametrize("write", [json_min, table], ids=["JSON_MIN", "CSV"])
@pytest.mark.parametrize(("label_config", "record", "values"), CASES)
def test_a_record_is_an_annotation_with_its_answer(
    write: Any, label_config: LabelConfig, record: dict[str, Any], values: list[Any], tmp_path: Path
) -> None:
    path = write(tmp_path, record)
    (task,) = read_flat_export(path, label_config)
    (control,) = label_config.controls
    (annotation,) = task.annotations
    assert (task.id, task.data) == (9, {control.object.field: record[control.object.field or ""]})
    assert (annotation.id, annotation.annotator, annotation.lead_time_s) == (49, "1", 4.0)
    assert (annotation.created_at, annotation.updated_at) == ("2026-11-20", "2026-11-21")
    assert [dict(region) for region in annotation.result] == [
        {"from_name": control.name, "to_name": control.object.name, "type": control.tag.lower(), "value": value}
        for value in values
    ]


def answered(path: Path, label_config: LabelConfig, notes: FileNotes | None = None) -> dict[int, list[object]]:
    """The values of each annotation's regions, by task."""
    tasks = read_flat_export(path, label_config, notes)
    return {task.id: [[each["value"] for each in found.result] for found in task.annotations] for task in tasks}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        # As pandas writes a table that it has read: whole numbers beside empty cells become fractions.
        ("id,text,topics,annotation_id\n1,t,a,10.0\n2,u,,\n3,v,,30.0\n", {1: ["a"], 2: [], 3: [None]}),
        # Without annotation ids, an answer alone tells that somebody answered.
        ("id,text,topics\n1,t,a\n2,u,\n", {1: ["a"], 2: []}),
        ("text,topics\nt,a\nt,b\n", {1: ["a"], 2: ["b"]}),
        # Texts for ids, and an id that means two tasks.
        ("id,text,topics,annotation_id\nx,t,a,1\nx,t,b,2\ny,u,a,3\n", {1: ["a", "b"], 3: ["a"]}),
        ("id,text,topics,annotation_id\n1,t,a,1\n2,u,b,2\n1,v,a,3\n", {1: ["a"], 2: ["b"], 3: ["a"]}),
        # A label that cannot be read as JSON, one that can, and one that the config does not know.
        ('id,text,topics,annotation_id\n1,t,[1,1\n2,u,"[""x""]",2\n3,v,"{""a"": 1}",3\n', None),
    ],
)
def test_tables_that_went_through_other_hands_say_what_they_hold(
    content: str, expected: dict[int, list[str | None]] | None, tmp_path: Path
) -> None:
    path = tmp_path / "x.csv"
    path.write_text(content)
    expected = {1: ["[1"], 2: ['["x"]'], 3: ['{"a": 1}']} if expected is None else expected

    wanted = {task: [[{"choices": [value]}] if value else [] for value in values] for task, values in expected.items()}
    assert answered(path, SINGLE) == wanted


def test_what_is_made_up_is_told_and_never_another_annotation_s(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("id,text,topics,annotation_id\nx,t,a,70\ny,u,b,n-1\nz,v,,\n")
    notes = FileNotes()

    tasks = list(read_flat_export(path, SINGLE, notes))

    assert [(task.id, [each.id for each in task.annotations]) for task in tasks] == [(1, [70]), (2, [72]), (3, [])]
    assert notes.sentences == (
        "tasks without a whole number for an id, which got numbers: 3",
        "annotations without a whole number for an id, which got numbers: 1",
    )


NESTABLE = config(
    '<Choices name="topics" toName="text" allowNested="true"><Choice value="a"/><Choice value="b"/></Choices>'
)


@pytest.mark.parametrize("write", [json_min, table], ids=["JSON_MIN", "CSV"])
@pytest.mark.parametrize(
    ("value", "read"),
    [
        (["a"], [{"choices": ["a"]}]),
        (["a", "b"], [{"choices": ["a"]}, {"choices": ["b"]}]),
        ({"choices": [["a"], ["b"]]}, [{"choices": [["a"], ["b"]]}]),
        (["a", {"choices": ["a", "b"]}], [{"choices": ["a"]}, {"choices": ["a", "b"]}]),
    ],
    ids=str,
)
def test_choices_may_be_paths_or_stand_in_several_regions(write: Any, value: Any, read: Any, tmp_path: Path) -> None:
    assert answered(write(tmp_path, {"text": "t", "topics": value}), NESTABLE) == {9: [read]}


def test_a_field_keeps_a_name_that_only_looks_like_a_new_one(tmp_path: Path) -> None:
    label_config = config('<Choices name="topics" toName="_data_topics"><Choice value="a"/></Choices>', "_data_topics")
    record = {"_data_topics": "t", "topics": "a", "_data_other": "o"}

    for path in (json_min(tmp_path, record), table(tmp_path, record)):
        (task,) = read_flat_export(path, label_config)
        assert task.data == {"_data_topics": "t", "_data_other": "o"}


@pytest.mark.parametrize("value", [5, True, [5], [None], {"choices": "a"}, "[1]", ["[1]"]], ids=str)
def test_values_of_json_min_are_taken_as_they_are(value: Any, tmp_path: Path) -> None:
    path = json_min(tmp_path, {"text": "t", "topics": value}, {"id": 10, "text": "u"})
    members = value if isinstance(value, list) else [value]

    assert answered(path, SINGLE) == {
        9: [[{"choices": [each]} if isinstance(each, str) else each for each in members]],
        10: [[]],
    }


def test_a_missing_value_of_pandas_is_no_answer_and_no_annotation(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text('[{"id":1,"text":"t","topics":"a","annotation_id":1.0},{"id":2,"text":NaN,"annotation_id":NaN}]')

    assert answered(path, SINGLE) == {1: [[{"choices": ["a"]}]], 2: []}


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("[" * 100_000, "record 2, column 'topics': more than 200 levels inside one another"),
        ('{"a":' * 500 + "1" + "}" * 500, "record 2, column 'topics': more than 200 levels"),
        ("[" * 201 + "]" * 201, "record 2, column 'topics': more than 200 levels"),
        ("[" + "9" * 5_000 + "]", "record 2, column 'topics': a whole number of more digits than can be read"),
    ],
    ids=["deep list", "deep object", "not so deep list", "long number"],
)
def test_a_hostile_cell_is_named_by_its_record_and_column(cell: str, message: str, tmp_path: Path) -> None:
    path = table(tmp_path, {"text": "t", "topics": "a"}, {"id": 10, "text": "t", "topics": cell})

    with pytest.raises(StudioExportError, match=message):
        list(read_flat_export(path, SINGLE))


@pytest.mark.parametrize("cell", ["[" * 100_000, '{"a":' * 500, "[" + "9" * 5_000 + "]", "a\x00b", "x" * 300_000])
def test_a_hostile_text_harms_nobody(cell: str, tmp_path: Path) -> None:
    records = [{"text": cell, "topics": "a"}]

    assert [task.data["text"] for task in read_flat_export(table(tmp_path, *records), SINGLE)] == [cell]
    assert [task.data["text"] for task in read_flat_export(json_min(tmp_path, *records), SINGLE)] == [cell]


@pytest.mark.parametrize(
    ("cell", "annotator"),
    [("0", "0"), ("3.0", "3"), ("a@example.com", "a@example.com"), ("007", "007"), ("", "unknown")],
)
def test_annotators_are_known_by_what_label_studio_calls_them(cell: str, annotator: str, tmp_path: Path) -> None:
    (task,) = read_flat_export(table(tmp_path, {"text": "t", "topics": "a", "annotator": cell}), SINGLE)

    assert [found.annotator for found in task.annotations] == [annotator]


@pytest.mark.parametrize("id_cell", ["9" * 5_000, "1e400", "-1", "٣"])
def test_an_id_that_is_no_id_is_replaced(id_cell: str, tmp_path: Path) -> None:
    path = table(tmp_path, {"id": id_cell, "text": "t", "topics": "a", "lead_time": id_cell})

    assert [task.id for task in read_flat_export(path, SINGLE)] == [1]


@pytest.mark.parametrize(
    ("name", "encoding"), [("x.csv.gz", "utf-16"), ("x.CSV", "utf-16"), ("x.csv", "utf-16"), ("x.csv", "utf-8-sig")]
)
def test_a_table_may_be_packed_or_in_another_encoding(name: str, encoding: str, tmp_path: Path) -> None:
    path = tmp_path / name
    content = "text,topics\r\nZoë,a\r\n".encode(encoding)
    path.write_bytes(gzip.compress(content) if name.endswith("gz") else content)

    (task,) = read_flat_export(path, SINGLE)

    assert FlatFile(path).is_flat()
    assert (task.id, task.data, len(task.annotations[0].result)) == (1, {"text": "Zoë"}, 1)


@pytest.mark.parametrize(
    ("content", "is_flat"),
    [
        ('[{"id": 1, "text": "t", "annotation_id": 3, "annotator": 1}]', True),
        ('[{"id": 1, "data": {"annotation_id": 3}, "annotations": []}]', False),
        ('[{"annotation_id": 3, "data": {"k": 1}, "text": "t"}]', True),
        ('{"annotation_id": 3, "text": "t"}\n{"annotation_id": null, "text": "u"}', True),
        ("[]", False),
    ],
)
def test_json_min_is_told_from_the_json_export(tmp_path: Path, content: str, is_flat: bool) -> None:
    path = tmp_path / "x.json"
    path.write_text(content)
    assert FlatFile(path).is_flat() is is_flat


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the columns none found; wanted a header"),
        (b"text\nt\n", "the columns text found; wanted a header"),
        (b"text,topics\na,b,c\n", "line 2: 3 cells found, and 2 columns"),
        (b'text,topics\n"a\n",b\na\n', "line 4: 1 cells found, and 2 columns"),
        (b"text,topics\n\xff,a\n", r"bytes found that are no utf-8 text \(ff\)"),
        (b'text,topics\na,b\n"a,b\n', "line 3: no record of a table .* a quote may be missing"),
        (b'text,topics\n"a"b,c\n', "line 2: no record of a table"),
        (b"text,topics,text\na,b,c\n", "'text' heads several columns"),
        (b"text," + b"x" * 10_000 + b"\na,b\n", "the columns text, " + "x" * 40 + " found"),
        (b"text,other\na,b\n", "the columns text, other found; wanted a text under text, and answers under topics"),
    ],
)
def test_what_is_no_such_table_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(content)
    with pytest.raises(StudioExportError, match=message):
        list(read_flat_export(path, SINGLE))


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StudioExportError, match="cannot be read"):
        list(FlatFile(tmp_path / "x.csv").records())

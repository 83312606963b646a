"""Flat exports as Label Studio's own converter writes them say what the JSON export of the same tasks says."""

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
from label_studio_sdk.converter import Converter

from ml_backend.domain.annotation import Region, Task
from ml_backend.domain.example import Span, Target
from ml_backend.errors import StudioExportError
from ml_backend.labelstudio.config.parse import parse_label_config
from ml_backend.labelstudio.files.export_file import read_export
from ml_backend.labelstudio.files.flat_export import read_flat_export
from ml_backend.labelstudio.files.flat_file import FlatFile
from ml_backend.labelstudio.files.notes import FileNotes
from ml_backend.tasks import ServingPlan, serving_plan

CONFIG = """<View><Text name="t" value="$text"/>
  <Choices name="s" toName="t" choice="multiple"><Choice value="a"/><Choice value="[1]"/><Choice value='{"a"'/>
    <Choice value='["x"]'/><Choice value="b, c"/><Choice value='{"choices": ["a"]}'/></Choices>
  <Choices name="one" toName="t"><Choice value="[]"/><Choice value="null"/></Choices>
  <Labels name="label" toName="t"><Label value="PER"/><Label value="[LOC]"/></Labels>
  <TextArea name="out" toName="t" required="true"/></View>"""
Answers = dict[int, list[tuple[Target | None, ...]]]
Export = Callable[[str, list[dict[str, Any]], str], Path]
FORMATS = ["CSV", "TSV", "JSON_MIN"]


@pytest.fixture
def export(tmp_path: Path) -> Export:
    """Writes tasks as Label Studio does."""

    def exported(kind: str, tasks: list[dict[str, Any]], config: str = CONFIG) -> Path:
        source = tmp_path / "tasks.json"
        source.write_text(json.dumps(tasks))
        if kind == "JSON":
            return source
        converter = Converter(config, str(tmp_path), upload_dir=str(tmp_path))
        if kind == "JSON_MIN":
            converter.convert_to_json_min(str(source), str(tmp_path / "out"), is_dir=False)
            return tmp_path / "out" / "result.json"
        separator = "," if kind == "CSV" else "\t"
        converter.convert_to_csv(str(source), str(tmp_path / "out.csv"), is_dir=False, sep=separator)
        return (tmp_path / "out.csv").rename(tmp_path / f"out.{kind.lower()}")

    return exported


def task(number: int, data: dict[str, Any], *results: list[dict[str, Any]]) -> dict[str, Any]:
    annotations = [
        # Label Studio writes the newest first.
        {"id": 10 * number + n, "completed_by": 1, "result": result, "created_at": f"2026-01-0{9 - n}"}
        for n, result in enumerate(results)
    ]
    return {"id": number, "data": data, "annotations": annotations}


def region(name: str, kind: str, **value: Any) -> dict[str, Any]:
    return {"from_name": name, "to_name": "t", "type": kind, "value": value}


def chosen(*labels: str, name: str = "s") -> dict[str, Any]:
    return region(name, "choices", choices=list(labels))


def marked(start: int, end: int, label: str = "PER") -> dict[str, Any]:
    return region("label", "labels", start=start, end=end, text="x" * (end - start), labels=[label])


def wrote(*texts: str) -> dict[str, Any]:
    return region("out", "textarea", text=list(texts))


def answers(tasks: Iterable[Task], plan: ServingPlan) -> Answers:
    def answer(each: Task, result: Sequence[Region]) -> tuple[Target | None, ...]:
        text = plan.text(each.data)
        return tuple(served.kind.read(served.control, result, text).target for served in plan.controls)

    return {each.id: [answer(each, found.result) for found in each.annotations] for each in tasks}


def both(export: Export, kind: str, tasks: list[dict[str, Any]], notes: FileNotes | None = None) -> list[Answers]:
    """Return the answers in the flat export and those in the JSON export."""
    config = parse_label_config(CONFIG)
    plan = serving_plan(config)
    flat, whole = export(kind, tasks, CONFIG), export("JSON", tasks, CONFIG)
    assert FlatFile(flat).is_flat()
    assert not FlatFile(whole).is_flat()
    return [answers(read_flat_export(flat, config, notes), plan), answers(read_export(whole), plan)]


NONE: tuple[Target | None, ...] = ((), None, (), None)
"""Nothing applies; no class; no span; no text."""


@pytest.mark.parametrize("kind", FORMATS)
def test_every_kind_of_answer_is_read_as_it_was_given(kind: str, export: Export) -> None:
    tasks = [
        task(
            1,
            {"text": "xxxx xx"},
            [chosen("a"), chosen("[]", name="one"), marked(0, 4), wrote('{"a": [1]}')],
            [chosen("[1]", "b, c"), marked(0, 4), marked(5, 7, "[LOC]"), wrote("p", "q")],
            [chosen('["x"]'), chosen("null", name="one"), wrote('["p", "q"]')],
            [chosen('{"choices": ["a"]}'), wrote('{"text": ["p"]}')],
            [chosen('{"a"'), wrote("[" * 50)],
        ),
        task(2, {"text": "nothing applies"}, []),
        task(3, {"text": "nobody looked at it"}),
        task(4, {"text": ""}, [chosen("a", "a")]),
    ]

    flat, whole = both(export, kind, tasks)

    assert flat == whole
    assert flat[1] == [
        (("a",), "[]", (Span(0, 4, "PER"),), '{"a": [1]}'),
        (("[1]", "b, c"), None, (Span(0, 4, "PER"), Span(5, 7, "[LOC]")), "p\n\nq"),
        (('["x"]',), "null", (), '["p", "q"]'),
        (('{"choices": ["a"]}',), None, (), '{"text": ["p"]}'),
        (('{"a"',), None, (), "[" * 50),
    ]
    assert (flat[2], flat[3]) == ([NONE], [])


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("order", [1, -1])
def test_one_record_says_nothing_about_what_the_columns_are(kind: str, order: int, export: Export) -> None:
    tasks = [task(1, {"text": "nobody"}), task(2, {"text": "empty"}, []), task(3, {"text": "xx"}, [marked(0, 2)])]

    flat, whole = both(export, kind, tasks[::order])

    assert flat == whole == {1: [], 2: [NONE], 3: [((), None, (Span(0, 2, "PER"),), None)]}


@pytest.mark.parametrize("kind", ["CSV", "TSV"])
def test_a_field_named_like_a_control_is_told_from_its_answers(kind: str, export: Export) -> None:
    tasks = [
        task(1, {"text": "xx", "s": "a", "label": [{"labels": ["PER"]}], "out": "old"}, [chosen("[1]"), wrote("new")]),
        task(2, {"text": "x", "s": "a", "label": "PER"}, [marked(0, 1)], []),
        task(3, {"text": "zz", "s": "a"}),
    ]

    flat, whole = both(export, kind, tasks)

    assert flat == whole
    assert flat[2] == [((), None, (Span(0, 1, "PER"),), None), NONE]


def test_in_json_min_answers_and_a_field_of_the_same_name_are_told_apart_or_not_read(export: Export) -> None:
    data = {"text": "xx", "s": "a", "label": "PER"}
    notes = FileNotes()

    flat, _ = both(
        export, "JSON_MIN", [task(1, data, [chosen("[1]"), marked(0, 2)]), task(2, data, [wrote("new")])], notes
    )

    # The second annotator chose nothing, and the record holds the field's "a".
    assert flat == {1: [(None, None, (Span(0, 2, "PER"),), None)], 2: [(None, None, (), "new")]}
    assert [sentence[:50] for sentence in notes.sentences] == ["the control 's' has the name of a field of the tas"]


@pytest.mark.parametrize("kind", FORMATS)
def test_a_column_that_holds_a_field_alone_is_no_answer(kind: str, export: Export) -> None:
    tasks = [task(1, {"text": "x", "s": "a"}, [wrote("r")]), task(2, {"text": "y", "s": "a"})]

    flat, _ = both(export, kind, tasks)

    assert flat == {1: [(None, None, (), "r")], 2: []}


@pytest.mark.parametrize("kind", FORMATS)
def test_fields_named_like_what_is_about_annotations_do_not_mix_tasks_up(kind: str, export: Export) -> None:
    about = {"annotator": "u", "lead_time": "l", "annotation_id": 5, "agreement": 3, "history": "h", "created_at": "c"}
    tasks = [
        task(number, {"text": text, "id": own, **about}, [chosen("a")], [chosen("[1]")])
        for number, text, own in ((1, "one", 7), (2, "two", 7), (3, "three", "q"))
    ]

    flat, whole = both(export, kind, tasks)

    assert list(flat.values()) == list(whole.values()) == [[(("a",), *NONE[1:]), (("[1]",), *NONE[1:])]] * 3


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("field", ["lead_time", "annotation_id", "s"])
def test_a_text_that_the_format_writes_over_is_named(kind: str, field: str, export: Export) -> None:
    config = CONFIG.replace("$text", f"${field}")
    path = export(kind, [task(1, {field: "words"}, [chosen("a")]), task(2, {field: "more"}, [wrote("r")])], config)

    if field == "s" and kind != "JSON_MIN":
        assert [each.data for each in read_flat_export(path, parse_label_config(config))] == [
            {"s": "words"},
            {"s": "more"},
        ]
    else:
        with pytest.raises(StudioExportError, match=f"the tasks' field '{field}', .* is not in this file"):
            list(read_flat_export(path, parse_label_config(config)))


@pytest.mark.parametrize("kind", FORMATS)
def test_a_text_inside_an_object_is_where_the_config_looks_for_it(kind: str, export: Export) -> None:
    config = CONFIG.replace("$text", "$doc.text")
    data = {"doc": {"text": 'a "b"', "n": [1]}, "other": {"k": None}}
    path = export(kind, [task(1, data, [chosen("a")])], config)

    (found,) = read_flat_export(path, parse_label_config(config))

    assert found.data["doc"] == data["doc"]

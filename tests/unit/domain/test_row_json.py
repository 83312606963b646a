import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ml_backend.domain.example import AnnotatorLabel, PrelabelOutcome, Provenance, Row, SelectedBy
from ml_backend.domain.row_json import row_to_json, target_from_json, target_to_json, to_line
from ml_backend.snapshots.store import SnapshotFolder

texts = st.text(st.characters(exclude_categories=()), max_size=30)
targets = st.dictionaries(texts, texts | st.lists(texts, max_size=3).map(tuple), max_size=2)
numbers = st.floats(0, 1e6)
rows = st.builds(
    Row,
    id=texts,
    task_id=st.integers(0),
    input=st.dictionaries(texts, texts, max_size=2),
    targets=targets,
    labels=st.lists(st.builds(AnnotatorLabel, texts, targets, st.booleans()), max_size=3).map(tuple),
    provenance=st.builds(
        Provenance,
        st.lists(st.integers(0), max_size=3).map(tuple),
        st.none() | numbers,
        st.sampled_from(PrelabelOutcome),
        st.sampled_from(SelectedBy),
        st.none() | texts,
    ),
    weight=numbers,
    groups=st.dictionaries(texts, texts, max_size=2),
)

ROW = Row(
    "task-7",
    7,
    {"text": "Grüße, 世界 🎉"},
    {"topic": "billing"},
    (AnnotatorLabel("3", {"topic": "billing"}, True),),
    Provenance((12,), 4.5, PrelabelOutcome.NONE, SelectedBy.RANDOM, "2026-05-02T10:00:00Z"),
)


@given(rows)
@example(Row("r", 1, {"text": "broken \ud83d here"}, {}, (), Provenance(())))
def test_a_row_survives_the_way_to_a_line_and_back(row: Row) -> None:
    line = to_line(row_to_json(row))
    assert line.endswith("\n")
    assert "\n" not in line[:-1]
    assert SnapshotFolder.row_from_line(line.encode().decode()) == row


def test_the_keys_are_those_of_the_published_format() -> None:
    assert row_to_json(ROW) == {
        "id": "task-7",
        "task_id": 7,
        "input": {"text": "Grüße, 世界 🎉"},
        "targets": {"topic": "billing"},
        "labels": [{"annotator": "3", "targets": {"topic": "billing"}, "blind": True}],
        "weight": 1.0,
        "source": "human",
        "provenance": {
            "annotation_ids": [12],
            "lead_time_s": 4.5,
            "prelabel": "none",
            "selected_by": "random",
            "reviewed_at": "2026-05-02T10:00:00Z",
        },
    }


def changed(**values: Any) -> dict[str, Any]:
    return row_to_json(ROW) | values


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], r"JSON: \[\] found; Input should be an object"),
        (changed(extra=1), "extra: 1 found; Unexpected"),
        ({"id": "task-7"}, "task_id: .* found; Field required"),
        (changed(task_id="7"), "task_id: '7' found; Input should be a valid integer"),
        (changed(task_id=True), "task_id: True found"),
        (changed(input={"text": None}), r"input\.text: None found; Input should be a valid string"),
        (changed(targets={"topic": True}), r"targets\.topic.*: True found"),
        (changed(targets={"topic": ["a", 3]}), r"targets\.topic.*1: 3 found"),
        (changed(targets={"topic": [{"start": "0", "end": 3, "label": "a"}]}), r"topic.*0\.start: '0' found"),
        (changed(labels=[{"annotator": "1", "targets": {}}]), r"labels\.0\.blind: .* Field required"),
        (changed(labels=[{"annotator": "1", "targets": {}, "blind": 0}]), r"labels\.0\.blind: 0 found"),
        (changed(labels={}), "labels: {} found; Input should be a valid array"),
        (changed(weight="1"), "weight: '1' found; Input should be a valid number"),
        (changed(source="robot"), "source: 'robot' found; Input should be 'human'"),
        (changed(provenance={}), r"provenance\.annotation_ids: {} found; Field required"),
        (changed(id="half \ud83d", task_id="7"), "task_id: '7' found"),
    ],
)
def test_what_is_not_a_row_is_refused_by_name(value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SnapshotFolder.row_from_line(json.dumps(value))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (True, "target: True found; wanted text"),
        (float("nan"), "target: nan found; wanted text"),
        (["a", 3], "target: 3 found; wanted text"),
        ([{"start": 0, "end": 3}], "target: end, start found; wanted exactly start, end, label"),
        ([{"start": True, "end": 3, "label": "a"}], "target.start: True found; wanted a whole number"),
    ],
)
def test_what_is_not_an_answer_is_refused_by_name(value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        target_from_json(value)


@pytest.mark.parametrize("number", [4, 0, -7.25])
def test_numbers_stay_json_numbers(number: float) -> None:
    row = SnapshotFolder.row_from_line(json.dumps(changed(targets={"stars": number})))

    assert row.targets == {"stars": number}
    assert target_from_json(json.loads(json.dumps(target_to_json(number)))) == number

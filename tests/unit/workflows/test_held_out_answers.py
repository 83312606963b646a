"""What versions answered to held-out rows is kept: compactly, by line, and so that people can find their mistakes."""

from typing import Any

import pytest

from ml_backend.domain.example import Span, Target
from ml_backend.domain.model import ScoredTarget
from ml_backend.domain.project import Project
from ml_backend.domain.snapshot import Snapshot, Split
from ml_backend.errors import SnapshotError
from ml_backend.snapshots.store import SnapshotFolder
from ml_backend.workflows.exporting.snapshots import export_project
from ml_backend.workflows.services import Services
from ml_backend.workflows.training.held_out_answers import ControlAnswers, answers_from_bytes, keep_answers
from ml_backend.workflows.viewing.held_out import confusions, places_behind
from tests.fakes import FakePredictor
from tests.services import add_project, texts_in

TEXTS = texts_in(Split.TEST, 4)
ENTITIES = """<View>
  <Labels name="names" toName="text"><Label value="A"/><Label value="B"/></Labels>
  <Text name="text" value="$text"/>
</View>"""
SEVERAL = """<View>
  <Text name="text" value="$text"/>
  <Choices name="topics" toName="text" choice="multiple">
    <Choice value="A"/><Choice value="B"/><Choice value="C"/>
  </Choices>
</View>"""


def labeled(services: Services, config: str, values: list[dict[str, Any]], kind: str) -> tuple[Project, Snapshot]:
    """A project whose test texts were answered with one region each."""
    project = add_project(services, TEXTS, label_config=config)
    name = "names" if kind == "labels" else "topics"
    for task_id, value in zip(sorted(services.studio.tasks), values, strict=True):
        region = {"from_name": name, "to_name": "text", "type": kind, "value": value}
        services.studio.submit_annotation(task_id, {"result": [region]})
    return project, export_project(services, project)


def kept(services: Services, snapshot: Snapshot, control: str, answer: Target, **options: Any) -> dict[str, Any]:
    """What is kept of a version that answers every text alike."""
    predictor = FakePredictor("a-1-v1", others={control: ScoredTarget(answer, 0.8, {})})
    rows = list(SnapshotFolder(snapshot.path).rows(Split.TEST))
    keep_answers(services, snapshot, Split.TEST, predictor, rows, **options)
    found = services.database.measurements.find(snapshot.manifest.project.key, "a-1-v1", snapshot.id, "test")
    assert found is not None
    return dict(found)


def answers_of(found: dict[str, Any], control: str) -> ControlAnswers:
    return answers_from_bytes(found["answers"])[control]


def test_mistakes_with_spans_are_counted_by_label_and_kind(services: Services) -> None:
    first, second = {"start": 0, "end": 7, "labels": ["A"]}, {"start": 8, "end": 14, "labels": ["A"]}
    _, snapshot = labeled(services, ENTITIES, [first, first, first, second], "labels")

    found = kept(services, snapshot, "names", (Span(0, 7, "B"), Span(8, 14, "A")))

    assert found["figures"]["names"]["mistakes"] == {"A": {"wrong_type": 3, "spurious": 3}, "B": {"spurious": 1}}
    answers = answers_of(found, "names")
    assert answers.true[3] == (Span(8, 14, "A"),)
    assert confusions(answers)["pairs"][:2] == [
        {"true": "A", "given": "B", "rows": 3},
        {"true": "", "given": "A", "rows": 3},
    ]
    assert places_behind(answers, true="", given="B") == [3]
    assert places_behind(answers, true="A", given="A") == [3]
    summary = found["summary"]["controls"]["names"]
    assert summary["low"] <= summary["score"] <= summary["high"]
    assert summary["metric"] == "strict F1"


def test_several_labels_of_a_row_are_missed_or_too_many_one_by_one(services: Services) -> None:
    values = [{"choices": each} for each in (["A"], ["A", "B"], ["B"], ["C"])]
    _, snapshot = labeled(services, SEVERAL, values, "choices")

    answers = answers_of(kept(services, snapshot, "topics", ("A", "C")), "topics")

    assert [sorted(each or ()) for each in answers.true] == [["A"], ["A", "B"], ["B"], ["C"]]
    assert list(answers.score) == [0, 0, 0, 0]
    assert confusions(answers)["matrix"] == []
    assert places_behind(answers, true="", given="C") == [0, 1, 2]
    assert places_behind(answers, true="B", given="") == [1, 2]


def test_what_is_left_out_is_said_and_the_newest_measurement_stays(services: Services) -> None:
    values = [{"choices": ["A"]}] * 4
    project, snapshot = labeled(services, SEVERAL, values, "choices")
    kept(services, snapshot, "topics", ("A",))

    found = kept(services, snapshot, "topics", ("A",), most=3)

    assert found["summary"]["left_out"] == 1
    assert list(answers_of(found, "topics").lines) == [0, 1, 2]
    assert len(services.database.measurements.summaries(project.ref.key)) == 1


def test_rows_are_read_by_their_lines_once_the_file_is_known_to_be_whole(services: Services) -> None:
    _, snapshot = labeled(services, SEVERAL, [{"choices": ["A"]}] * 4, "choices")
    folder = SnapshotFolder(snapshot.path)
    rows = list(folder.rows(Split.TEST))

    assert folder.rows_at(Split.TEST, [3, 1, 9]) == {1: rows[1], 3: rows[3]}
    file = snapshot.path / "test.jsonl"
    file.write_text(file.read_text().replace("order", "other"))
    with pytest.raises(SnapshotError, match="was changed after it was written"):
        folder.rows_at(Split.TEST, [1])

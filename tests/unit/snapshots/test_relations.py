"""Relations between marks: read, agreed upon, kept in snapshots and exports, and counted where they cannot be kept."""

from pathlib import Path
from typing import Any

import pytest

from ml_backend.domain.annotation import Annotation, Region, Task
from ml_backend.domain.example import Relation, Row, Span
from ml_backend.domain.reasons import Reason, ReasonCounts
from ml_backend.domain.row_json import row_to_json, to_line
from ml_backend.exporters.base import Exporter, ExportRequest
from ml_backend.labelstudio.files.export_file import read_export
from ml_backend.snapshots.reviewed import BuildSettings, reviewed_rows
from ml_backend.snapshots.store import SnapshotFolder
from tests.unit.exporters.builders import text_plan
from tests.unit.snapshots.builders import no_history

TEXT = "🪁 Jon founded Acme in Oslo "
PLAN = text_plan(
    '<Labels name="ner" toName="text"><Label value="PER"/><Label value="ORG"/></Labels>'
    '<Relations><Relation value="founded_by"/></Relations>'
)
JON, ACME = Span(2, 5, "PER"), Span(14, 18, "ORG")
FOUNDED = Relation("ner", ACME, "ner", JON, "right", ("founded_by",))


def marked(region_id: str, start: int, end: int, label: str) -> Region:
    value = {"start": start, "end": end, "text": TEXT[start:end], "labels": [label]}
    return {"id": region_id, "from_name": "ner", "to_name": "text", "type": "labels", "value": value}


MARKS = (marked("p1", 2, 6, "PER"), marked("o1", 14, 18, "ORG"))


def drawn(from_id: Any = "o1", to_id: Any = "p1", **others: Any) -> Region:
    region = {"type": "relation", "from_id": from_id, "to_id": to_id, "direction": "right", "labels": ["founded_by"]}
    return {**region, **others}


def rows(*results: tuple[Region, ...], reasons: ReasonCounts | None = None) -> list[Row]:
    annotations = tuple(Annotation(number, str(number), result) for number, result in enumerate(results, start=1))
    task = Task(1, {"text": TEXT}, annotations)
    return list(reviewed_rows([task], PLAN, BuildSettings(), no_history, reasons=reasons or ReasonCounts()))


@pytest.mark.parametrize("result", [(*MARKS, drawn()), (drawn(), *MARKS)])
def test_a_relation_belongs_to_the_marks_of_its_row(result: tuple[Region, ...]) -> None:
    (row,) = rows(result)

    assert row.targets == {"ner": (JON, ACME)}
    assert row.relations == row.labels[0].relations == (FOUNDED,)


def test_snapshots_keep_relations_and_rows_without_any_stay_as_they_were() -> None:
    (row,) = rows((*MARKS, drawn(labels=None, direction="bi")))
    (plain,) = rows(MARKS)

    assert row_to_json(row)["relations"] == [
        {
            "from_control": "ner",
            "from_span": {"start": 14, "end": 18, "label": "ORG"},
            "to_control": "ner",
            "to_span": {"start": 2, "end": 5, "label": "PER"},
            "direction": "bi",
            "labels": [],
        }
    ]
    assert SnapshotFolder.row_from_line(to_line(row_to_json(row))) == row
    assert "relations" not in to_line(row_to_json(plain))


@pytest.mark.parametrize(
    "lost", [drawn("o1", "gone"), drawn(None, ["x"]), drawn("o1", "p1", labels="founded_by"), {"type": "relation"}]
)
def test_a_relation_to_no_mark_is_counted_and_the_marks_count(lost: Region) -> None:
    reasons = ReasonCounts()

    (row,) = rows((*MARKS, lost, drawn()), reasons=reasons)

    assert (row.targets, row.relations) == ({"ner": (JON, ACME)}, (FOUNDED,))
    assert [(each.reason, each.control, each.count) for each in reasons] == [(Reason.RELATION_WITHOUT_MARK, "ner", 1)]


def test_of_several_annotators_those_relations_stand_that_most_drew() -> None:
    back = drawn("p1", "o1")

    (row,) = rows((*MARKS, drawn(), back), (*MARKS, drawn()), (*MARKS,))

    assert row.relations == (FOUNDED,)
    assert [len(label.relations) for label in row.labels] == [2, 1, 0]


def test_label_studio_s_format_holds_relations_and_the_others_say_how_many_they_leave_out(tmp_path: Path) -> None:
    (row,) = rows((*MARKS, drawn()))
    asked = ExportRequest("", "ner", texts=PLAN.texts, controls=PLAN.controls)

    Exporter.named("label-studio").write([row], tmp_path / "again.json", asked)

    (again,) = reviewed_rows(
        read_export(tmp_path / "again.json"), PLAN, BuildSettings(), no_history, reasons=ReasonCounts()
    )
    assert (again.targets, again.relations) == (row.targets, row.relations)
    assert Exporter.named("spans").write([row], tmp_path / "spans.jsonl", asked).relations == 1
    assert [name for name in Exporter.names() if Exporter.named(name).carries_relations] == ["label-studio", "rows"]

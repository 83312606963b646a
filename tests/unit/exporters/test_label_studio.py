"""`label-studio`: what is written is read again as it was."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ml_backend.domain.example import AnnotatorLabel, PrelabelOutcome, Provenance, Row, Span
from ml_backend.domain.reasons import ReasonCounts
from ml_backend.exporters.base import ExportRequest
from ml_backend.labelstudio.config.parse import parse_label_config
from ml_backend.labelstudio.files.export_file import read_export
from ml_backend.snapshots.reviewed import BuildSettings, reviewed_rows
from ml_backend.tasks import ServingPlan, serving_plan, template_path
from tests.recordings import recording_path
from tests.unit.exporters.builders import TOPIC, export, row, text_plan, written

SENTIMENT = (
    '<Choices name="sentiment" toName="text"><Choice value="Positive"/><Choice value="Negative"/>'
    '<Choice value="Neutral"/></Choices>'
)
CONFIGS = {
    "export_choices": SENTIMENT,
    "export_entities": '<Labels name="label" toName="text"><Label value="PER"/><Label value="LOC"/><Label value="ORG"/>'
    "</Labels>",
    "export_multiple_choices": '<Choices name="topics" toName="text" choice="multiple"><Choice value="Sports"/>'
    '<Choice value="Economy"/><Choice value="Politics"/></Choices>',
    "export_several_annotators": SENTIMENT,
}


def read(path: Path, plan: ServingPlan, *, trust_ground_truth: bool = False) -> list[Row]:
    settings = BuildSettings(trust_ground_truth=trust_ground_truth)
    return list(
        reviewed_rows(read_export(path), plan, settings, lambda _task, _annotation: None, reasons=ReasonCounts())
    )


def carried(rows: Sequence[Row]) -> list[Row]:
    """The rows without what the format says that it leaves out: pre-labels and imports."""
    return [replace(row, provenance=replace(row.provenance, prelabel=PrelabelOutcome.NONE), groups={}) for row in rows]


@pytest.mark.parametrize("recording", CONFIGS)
def test_what_label_studio_exported_is_read_again_as_it_was(recording: str, tmp_path: Path) -> None:
    plan = text_plan(CONFIGS[recording])
    rows = read(recording_path(recording), plan)
    assert rows
    asked = ExportRequest("", plan.controls[0].name, texts=plan.texts, controls=plan.controls)

    assert export("label-studio", rows, tmp_path / "again.json", asked).rows == len(rows)

    assert carried(read(tmp_path / "again.json", plan)) == carried(rows)


def test_responses_that_label_studio_exported_are_read_again_as_they_were(tmp_path: Path) -> None:
    plan = serving_plan(parse_label_config(template_path("generation").read_text(encoding="utf-8")))
    rows = read(recording_path("export_textarea"), plan)
    assert [row.targets for row in rows] == [{"instruction": 'An answer, with "quotes"\nand a second line'}] * 2
    asked = ExportRequest("", "instruction", texts=plan.texts, controls=plan.controls)

    export("label-studio", rows, tmp_path / "again.json", asked)

    assert carried(read(tmp_path / "again.json", plan)) == carried(rows)


def test_a_disagreement_that_a_star_settled_is_settled_again(tmp_path: Path) -> None:
    labels = (AnnotatorLabel("3", {"topic": "login"}, False), AnnotatorLabel("4", {"topic": "billing"}, False))
    settled = Row("task-5", 5, {"text": "a"}, {"topic": "login"}, labels, Provenance((50, 51)))
    tasks = json.loads(written("label-studio", [settled, row("b")], tmp_path / "x.json"))

    assert [[each["ground_truth"] for each in task["annotations"]] for task in tasks] == [[True, False], [False]]
    assert read(tmp_path / "x.json", text_plan(TOPIC), trust_ground_truth=True)[0] == settled


@pytest.mark.parametrize(
    ("shown", "data"),
    [
        ('value="$mail.body"', {"mail": {"body": "Grüße"}}),
        ('value="$parts[1].text"', {"parts": [{}, {"text": "Grüße"}]}),
        ('value="$code" encoding="base64unicode"', {"code": "R3LDvMOfZQ=="}),
        ('value="$title: $body"', {"$title: $body": "Grüße"}),
    ],
)
def test_the_text_is_written_where_the_label_config_looks_for_it(
    shown: str, data: dict[str, Any], tmp_path: Path
) -> None:
    plan = serving_plan(parse_label_config(f'<View><Text name="text" {shown}/>{TOPIC}</View>'))
    labels = (AnnotatorLabel("3", {"topic": "login"}, False),)
    one = Row("task-5", 5, {plan.fields[0]: "Grüße"}, {"topic": "login"}, labels, Provenance((50,)))

    text = written(
        "label-studio", [one], tmp_path / "x.json", ExportRequest("", "topic", texts=plan.texts, controls=plan.controls)
    )

    assert json.loads(text)[0]["data"] == data
    assert [each.input for each in read(tmp_path / "x.json", plan)] == [{plan.fields[0]: "Grüße"}]


@pytest.mark.parametrize(
    ("template", "data"),
    [
        ("hypertext", {"html": "<h1>Kite 🪁</h1><ul><li>Acme GmbH</li><li>12 EUR</li></ul>\r\n&amp; <b>more</b>"}),
        ("dialogue", {"dialogue": [{"author": "A", "text": "Hi 🪁\r\nyou"}, {"author": "B", "text": "Acme GmbH?"}]}),
    ],
)
def test_marks_keep_their_pieces_in_objects_that_are_counted_otherwise(
    template: str, data: dict[str, Any], tmp_path: Path
) -> None:
    plan = serving_plan(parse_label_config(template_path(template).read_text(encoding="utf-8")))
    (marking,) = (each for each in plan.controls if each.control.marks_regions)
    text, label = plan.text(data), marking.control.label_values[0]
    start = text.index("Acme")
    told = row(text, field=plan.fields[0], targets={marking.name: (Span(start, start + 9, label),)})
    asked = ExportRequest("", marking.name, texts=plan.texts, controls=plan.controls)

    export("label-studio", [told], tmp_path / "again.json", asked)

    (again,) = read(tmp_path / "again.json", plan)
    assert (again.input, again.targets) == (told.input, told.targets)
    (task,) = json.loads((tmp_path / "again.json").read_text())
    assert [region["value"]["text"] for region in task["annotations"][0]["result"]] == ["Acme GmbH"]

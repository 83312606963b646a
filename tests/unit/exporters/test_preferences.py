"""`preferences`."""

import json
from pathlib import Path
from typing import Any

import pytest

from ml_backend.domain.example import Row
from ml_backend.errors import ConfigurationError
from ml_backend.exporters.base import Exporter, ExportRequest
from ml_backend.labelstudio.config.parse import parse_label_config
from ml_backend.tasks import serving_plan, template_path
from tests.unit.exporters.builders import export, request, row

ALONE = """<View>
  <Text name="a" value="$one"/><Text name="b" value="$two"/>
  <Pairwise name="better" toName="a,b"/>
</View>"""


def asked(config: str) -> ExportRequest:
    plan = serving_plan(parse_label_config(config))
    return ExportRequest("", texts=plan.texts, controls=plan.controls, control=plan.controls[0].name)


def pair(number: int, target: str, texts: dict[str, str], control: str = "comparison") -> Row:
    made = row("", target, number, control=control)
    return Row(made.id, number, texts, made.targets, made.labels, made.provenance)


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_the_better_text_is_chosen_after_what_stands_beside_both(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    rows = [
        pair(1, "left", {"prompt": "What?\nNow", "answer1": "This \ud83d", "answer2": "That"}),
        pair(2, "right", {"prompt": "", "answer1": "This", "answer2": "That"}),
        pair(3, "left", {"prompt": "What?", "answer1": "Same", "answer2": "Same"}),
        pair(4, "left", {"prompt": "What?", "answer1": "Same", "answer2": " "}),
    ]

    report = export("preferences", rows, path, asked(template_path("pairwise").read_text()))

    assert lines(path) == [
        {"prompt": "What?\nNow", "chosen": "This \ufffd", "rejected": "That"},
        {"prompt": "", "chosen": "That", "rejected": "This"},
    ]
    assert {why: list(ids) for why, ids in report.left_out.items()} == {
        "the two texts are equal": [3],
        "one of the two texts is empty": [4],
    }


def test_texts_with_nothing_beside_them_have_no_prompt(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"

    export("preferences", [pair(1, "right", {"one": "A", "two": "B"}, "better")], path, asked(ALONE))

    assert lines(path) == [{"chosen": "B", "rejected": "A"}]


def test_answers_that_compare_nothing_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="'topic' is answered with classification; choose another format"):
        Exporter.named("preferences").check(request())

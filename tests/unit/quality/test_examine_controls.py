"""What is found where a label config asks for a single choice and for places."""

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from ml_backend.domain.example import Row, Span
from ml_backend.domain.label_config import Label
from ml_backend.domain.quality import Audit, ClassNoise, IssueKind
from ml_backend.domain.snapshot import Split
from ml_backend.models.text.tokenised import TokenisedTexts
from ml_backend.quality.examine import examine
from ml_backend.quality.predictions import OutOfSamplePredictions
from tests.reviewed_rows import control_of, issues_of, reviewed

NAMES = ("billing", "cards", "fraud", "loans")
TRAIN, TEST = Split.TRAIN, Split.TEST
TOPIC = control_of(*NAMES)
PLACES = replace(TOPIC, name="places", tag="Labels", labels=(Label("place", "place"),))
YORK, LEEDS = Span(5, 9, "place"), Span(14, 19, "place")


def made_rows(count: int = 40, wrong: int = 3) -> list[Row]:
    """`See York and Leeds`, both marked and topic `cards`, but for the first few, where Leeds is not marked."""
    found = []
    for number in range(count):
        marked = (YORK,) if number < wrong else (YORK, LEEDS)
        row = reviewed(number + 1, f"See: York and Leeds number {number}", "cards" if number % 2 else "loans")
        found.append(replace(row, targets={**row.targets, "places": marked}))
    return found


def predictions_on(rows: Sequence[Row]) -> list[OutOfSamplePredictions]:
    """A model that knows the topic of every row and both places."""
    units, probabilities, codes = [], [], []
    for row in rows:
        text = row.input["text"]
        for match in re.finditer(r"\S+", text):
            is_place = match.group() in ("York", "Leeds")
            units.append(match.span())
            probabilities.append([0.1, 0.85, 0.05] if is_place else [0.94, 0.03, 0.03])
            codes.append(int(any(span.start == match.start() for span in row.targets.get("places", ()))))
    count = len(units) // max(len(rows), 1)
    tokenised = TokenisedTexts(
        [[1] * count for _ in rows], [np.arange(count) for _ in rows], np.arange(len(rows) + 1), np.array(units)
    )
    topics = np.zeros((len(rows), 4))
    topics[np.arange(len(rows)), [NAMES.index(str(row.targets["topic"])) for row in rows]] = 1
    return [
        OutOfSamplePredictions(TOPIC, "softmax", topics),
        OutOfSamplePredictions(PLACES, "tags", np.array(probabilities), np.array(codes), tokenised),
    ]


def examined(rows: Sequence[Row], splits: Sequence[Split] | None = None) -> Audit:
    features = np.eye(len(rows), dtype=np.float32)
    given = splits or [TRAIN] * len(rows)
    return examine(rows, given, predictions_on(rows), features, snapshot_id="abc", probabilities_from="a model")


def test_every_issue_names_the_control_that_it_is_about() -> None:
    found = examined(made_rows())

    errors = issues_of(found, IssueKind.LABEL_ERROR)
    assert [(issue.task_id, issue.control, issue.suggested) for issue in errors] == [
        (number, "places", (YORK, LEEDS)) for number in (1, 2, 3)
    ]
    assert [each.control for each in found.controls] == ["topic", "places"]
    assert found.controls[1].health == pytest.approx(37 / 40)
    assert ClassNoise("place", 77, 0, 3, "places") in found.classes


def test_the_quality_of_a_task_is_that_of_its_worst_answer() -> None:
    found = examined(made_rows())

    assert found.quality[1] == found.controls[1].quality[1] == pytest.approx(0.1)
    assert found.quality[9] == min(each.quality[9] for each in found.controls)
    assert found.health == min(each.health or 1.0 for each in found.controls)


def test_a_text_that_is_marked_in_two_ways_is_a_conflict_and_another_place_in_it_is_none() -> None:
    rows = made_rows(wrong=0)
    rows[0] = replace(rows[0], input={"text": "SEE: York and  Leeds number 5"}, targets={"topic": "cards"})
    rows[0] = replace(rows[0], targets={**rows[0].targets, "places": (YORK, Span(15, 20, "place"))})
    alike = examined(rows)
    rows[0] = replace(rows[0], targets={"topic": "cards", "places": (YORK,)})
    found = examined(rows)

    assert issues_of(alike, IssueKind.CONFLICTING_LABELS) == []
    assert [(each.task_id, each.control, each.quality) for each in issues_of(found, IssueKind.CONFLICTING_LABELS)] == [
        (1, "places", 0.5),
        (6, "places", 0.5),
    ]


def test_issues_of_texts_name_no_control_and_no_answer() -> None:
    rows = made_rows()
    rows[7] = replace(rows[7], input={"text": " "})
    found = examined(rows)

    assert [(each.control, each.given) for each in issues_of(found, IssueKind.EMPTY)] == [("", None)]


def test_warnings_name_their_control() -> None:
    rows = [replace(row, targets={"topic": "cards"}) for row in made_rows()]

    assert "places: no row has an agreed answer: label errors could not be looked for" in examined(rows).warnings

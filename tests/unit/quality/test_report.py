import csv
import io
import json
from dataclasses import replace

import pytest

from ml_backend.domain.quality import (
    AnnotatorQuality,
    Audit,
    ClassNoise,
    ClassPair,
    ControlQuality,
    Disagreement,
    Issue,
    IssueKind,
)
from ml_backend.domain.snapshot import Split
from ml_backend.quality.report import audit_from_json, audit_to_json, write_csv

AUDIT = Audit(
    snapshot_id="0123456789abcdef",
    rows=4,
    seconds=1.25,
    probabilities_from="logistic regression",
    controls=(ControlQuality("topic", {7: 0.1, 8: 0.9}, 0.5),),
    issues=(
        Issue(7, "row-7", Split.TRAIN, IssueKind.LABEL_ERROR, 0.1, "cards", "loans", None, "topic"),
        Issue(8, "row-8", Split.TEST, IssueKind.CONFLICTING_LABELS, 0.25, ("a", "b"), None, 7, "topic"),
        Issue(9, "row-9", Split.VALIDATION, IssueKind.EMPTY, 0.0),
    ),
    classes=(ClassNoise("cards", 3, 1, 0, "topic"),),
    pairs=(ClassPair("cards", "loans", 1, 2, "topic"),),
    annotators=(AnnotatorQuality("5", 4, 0.75, None, "topic"), AnnotatorQuality("6", 1, None, None, "topic")),
    disagreements=(
        Disagreement(7, "row-7", Split.TRAIN, (("cards", 2), (("a", "b"), 1)), True, "cards", 0.6, "topic"),
        Disagreement(8, "row-8", Split.TEST, (("cards", 1), ("loans", 1)), False, None, 0.4, "topic"),
    ),
    warnings=("mind this",),
)


def _cells(texts: dict[int, str], audit: Audit = AUDIT) -> list[dict[str, str]]:
    target = io.StringIO(newline="")
    write_csv(audit, texts, target)
    return list(csv.DictReader(io.StringIO(target.getvalue(), newline="")))


def test_an_audit_survives_json() -> None:
    assert audit_from_json(json.loads(json.dumps(audit_to_json(AUDIT), allow_nan=False))) == AUDIT


def test_the_json_names_tasks_issues_and_qualities() -> None:
    value = audit_to_json(AUDIT)
    assert (value["rows"], value["seconds"], value["quality"]) == (4, 1.25, {"7": 0.1, "8": 0.9})
    assert value["issues"][0] == {
        "task_id": 7,
        "row_id": "row-7",
        "split": "train",
        "issue": "label_error",
        "quality": 0.1,
        "given": "cards",
        "suggested": "loans",
        "other_task_id": None,
        "control": "topic",
    }
    assert (value["control"], value["health"]) == ("topic", 0.5)
    assert value["controls"] == [{"control": "topic", "health": 0.5, "quality": {"7": 0.1, "8": 0.9}}]


def test_an_audit_of_nothing_survives_json() -> None:
    nothing = Audit("id", 0, 0.0, "nothing", (ControlQuality("topic", {}, None),), ())
    assert audit_from_json(json.loads(json.dumps(audit_to_json(nothing)))) == nothing


def test_keys_of_later_versions_are_left_aside() -> None:
    assert audit_from_json(audit_to_json(AUDIT) | {"more": 1}) == AUDIT


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rows": "4"}, "'4' found where a whole number was wanted"),
        (
            {"controls": [{"control": "a", "health": float("nan"), "quality": {}}]},
            "nan found where a number was wanted",
        ),
        ({"issues": {}}, "found where a list was wanted"),
        ({"controls": [{"control": "a", "health": 1.0, "quality": []}]}, "quality: .* wanted an object"),
        ({"classes": [{"label": "x"}]}, "missing 3 required positional arguments"),
        ({"issues": [{"task_id": 1}]}, "no '.*' found; wanted an audit"),
        ({"probabilities_from": None}, "None found where text was wanted"),
    ],
)
def test_a_damaged_audit_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        audit_from_json(audit_to_json(AUDIT) | change)


def test_what_is_no_audit_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match="wanted an object"):
        audit_from_json([])
    with pytest.raises(ValueError, match="no 'snapshot_id' found"):
        audit_from_json({})


def test_the_table_has_a_line_per_issue() -> None:
    first, second, third = _cells({7: "Where is my card?", 8: 'two\nlines, "quoted"'})
    assert first == {
        "task_id": "7",
        "issue": "label_error",
        "quality": "0.1000",
        "given": "cards",
        "suggested": "loans",
        "split": "train",
        "other_task_id": "",
        "text": "Where is my card?",
        "control": "topic",
    }
    assert (second["given"], second["other_task_id"], second["text"]) == ("a, b", "7", 'two\nlines, "quoted"')
    assert (third["given"], third["suggested"], third["text"]) == ("", "", "")


@pytest.mark.parametrize("text", ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1", " =1", "＝1", "\n+1", "\r-1"])
def test_what_a_spreadsheet_would_compute_becomes_text(text: str) -> None:
    assert _cells({7: text})[0]["text"] == f"'{text}"


def test_labels_that_a_spreadsheet_would_compute_become_text_too() -> None:
    issue = replace(AUDIT.issues[0], given="=A1", suggested="@x")
    cells = _cells({}, replace(AUDIT, issues=(issue,)))[0]
    assert (cells["given"], cells["suggested"]) == ("'=A1", "'@x")


def test_long_texts_are_cut_and_what_files_cannot_hold_is_replaced() -> None:
    cells = _cells({7: "x" * 100_000, 8: "half \ud83d and \x00 👍"})
    assert cells[0]["text"] == "x" * 999 + "…"
    assert cells[1]["text"] == "half \ufffd and \ufffd 👍"

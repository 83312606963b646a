import csv
import io
import json
from dataclasses import replace

import pytest

from ml_backend.domain.example import Span
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
from ml_backend.quality.report import audit_to_json, write_csv

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


def test_the_json_has_all_else_that_an_audit_holds() -> None:
    value = json.loads(json.dumps(audit_to_json(AUDIT), allow_nan=False))
    assert [value[key] for key in ("snapshot_id", "probabilities_from", "warnings")] == [
        "0123456789abcdef",
        "logistic regression",
        ["mind this"],
    ]
    assert value["classes"] == [{"label": "cards", "rows": 3, "suspects": 1, "missed": 0, "control": "topic"}]
    assert value["pairs"] == [
        {"given": "cards", "suggested": "loans", "rows": 1, "disagreements": 2, "control": "topic"}
    ]
    assert value["annotators"][0] == {
        "annotator": "5",
        "rows": 4,
        "quality": 0.75,
        "agreement": None,
        "control": "topic",
    }
    assert value["disagreements"][0] == {
        "task_id": 7,
        "row_id": "row-7",
        "split": "train",
        "answers": [{"answer": "cards", "annotators": 2}, {"answer": ["a", "b"], "annotators": 1}],
        "is_settled": True,
        "consensus": "cards",
        "quality": 0.6,
        "control": "topic",
    }


def test_the_json_of_several_controls_names_none_and_spans_say_what_changes() -> None:
    spans = replace(AUDIT.issues[0], given=(Span(0, 3, "place"),), suggested=())
    audit = replace(AUDIT, controls=(ControlQuality("a", {}, None), ControlQuality("b", {}, 0.5)), issues=(spans,))
    value = audit_to_json(audit)
    assert (value["control"], value["health"]) == (None, 0.5)
    assert value["issues"][0]["changes"] == [
        {"fault": "spurious", "given": {"start": 0, "end": 3, "label": "place"}, "suggested": None}
    ]


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

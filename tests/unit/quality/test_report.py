import csv
import io
import json
from dataclasses import replace

import pytest

from ml_backend.domain.example import Span
from ml_backend.domain.field_texts import join_fields
from ml_backend.domain.label_config import Control, Label
from ml_backend.domain.object_tag import ObjectTag
from ml_backend.domain.quality import Audit, ControlQuality, Issue, IssueKind
from ml_backend.domain.snapshot import Split
from ml_backend.quality.report import audit_to_json, write_csv
from tests.unit.quality.audits import AUDIT


def _cells(texts: dict[int, str], audit: Audit = AUDIT) -> list[dict[str, str]]:
    target = io.StringIO(newline="")
    write_csv(audit, texts, target)
    return list(csv.DictReader(io.StringIO(target.getvalue(), newline="")))


def test_the_json_has_all_that_an_audit_holds() -> None:
    value = json.loads(json.dumps(audit_to_json(AUDIT), allow_nan=False))

    quality = {str(task): task / 40 for task in range(1, 41)}
    assert value.pop("issues")[0] == {
        "task_id": 1,
        "row_id": "r1",
        "split": "train",
        "issue": "label_error",
        "quality": 0.025,
        "given": "cards",
        "suggested": "loans",
        "other_task_id": None,
        "control": "topic",
    }
    assert value.pop("disagreements") == [
        {
            "task_id": 6,
            "row_id": "r6",
            "split": "train",
            "answers": [{"answer": "cards", "annotators": 2}, {"answer": "loans", "annotators": 1}],
            "is_settled": True,
            "consensus": "cards",
            "quality": 0.625,
            "control": "topic",
        }
    ]
    assert value == {
        "snapshot_id": "0123456789abcdef",
        "control": "topic",
        "rows": 40,
        "seconds": 1.25,
        "probabilities_from": "logistic regression",
        "health": 0.95,
        "quality": quality,
        "controls": [{"control": "topic", "health": 0.95, "quality": quality}],
        "classes": [
            {"label": "cards", "rows": 30, "suspects": 2, "missed": 0, "control": "topic"},
            {"label": "loans", "rows": 10, "suspects": 0, "missed": 2, "control": "topic"},
        ],
        "pairs": [{"given": "cards", "suggested": "loans", "rows": 2, "disagreements": 1, "control": "topic"}],
        "annotators": [
            {"annotator": "ann", "rows": 40, "quality": 0.875, "agreement": 0.5, "control": "topic"},
            {"annotator": "bob", "rows": 3, "quality": None, "agreement": None, "control": "topic"},
        ],
        "warnings": ["mind this"],
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
    conflict = Issue(8, "row-8", Split.TEST, IssueKind.CONFLICTING_LABELS, 0.25, ("a", "b"), None, 7, "topic")
    empty = Issue(9, "row-9", Split.VALIDATION, IssueKind.EMPTY, 0.0)
    audit = replace(AUDIT, issues=(AUDIT.issues[0], conflict, empty))

    first, second, third = _cells({1: "Where is my card?", 8: 'two\nlines, "quoted"'}, audit)

    assert first == {
        "task_id": "1",
        "issue": "label_error",
        "quality": "0.0250",
        "given": "cards",
        "suggested": "loans",
        "split": "train",
        "other_task_id": "",
        "text": "Where is my card?",
        "control": "topic",
    }
    assert (second["given"], second["other_task_id"], second["text"]) == ("a, b", "7", 'two\nlines, "quoted"')
    assert (third["given"], third["suggested"], third["text"]) == ("", "", "")


def test_spans_are_said_as_pieces_of_the_text_that_they_are_about() -> None:
    shown = ObjectTag("body", "Text", "body")
    control = Control("things", "Labels", shown, (Label("CARD", "CARD"),))
    issue = replace(AUDIT.issues[0], control="things", given=(Span(3, 7, "CARD"),), suggested=())
    target = io.StringIO(newline="")

    write_csv(
        replace(AUDIT, issues=(issue,)), {1: join_fields({"subject": "Help", "body": "My card"})}, target, [control]
    )

    (cells,) = csv.DictReader(io.StringIO(target.getvalue(), newline=""))
    assert (cells["given"], cells["text"]) == ("“card” CARD", "subject: Help\n\nbody: My card")


@pytest.mark.parametrize("text", ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1", " =1", "＝1", "\n+1", "\r-1"])
def test_what_a_spreadsheet_would_compute_becomes_text(text: str) -> None:
    assert _cells({1: text})[0]["text"] == f"'{text}"


def test_labels_that_a_spreadsheet_would_compute_become_text_too() -> None:
    issue = replace(AUDIT.issues[0], given="=A1", suggested="@x")
    cells = _cells({}, replace(AUDIT, issues=(issue,)))[0]
    assert (cells["given"], cells["suggested"]) == ("'=A1", "'@x")


def test_long_texts_are_cut_and_what_files_cannot_hold_is_replaced() -> None:
    cells = _cells({1: "x" * 100_000, 2: "half \ud83d and \x00 👍"})
    assert cells[0]["text"] == "x" * 999 + "…"
    assert cells[1]["text"] == "half \ufffd and \ufffd 👍"

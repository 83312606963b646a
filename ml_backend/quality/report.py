"""Write an audit as JSON, as a table for spreadsheets, and in the words of its pages."""

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import IO, Any

from ..domain.example import spans_in
from ..domain.field_texts import readable_text
from ..domain.label_config import Control
from ..domain.quality import Audit, Disagreement, Issue
from ..domain.readable import readable, readable_suggestion, shortened
from ..domain.row_json import target_to_json
from ..domain.span_changes import span_changes

__all__ = ["NOT_FOR_FILES", "AnswerWording", "audit_to_json", "write_csv"]

CSV_HEADER = ("task_id", "issue", "quality", "given", "suggested", "split", "other_task_id", "text", "control")
CSV_TEXT_CHARACTERS = 1000
"""A cell of a spreadsheet holds 32,767 characters and is read by people."""
FORMULA_STARTS = frozenset("=+-@\t\r\n＝＋－＠")
NOT_FOR_FILES = re.compile("[\ud800-\udfff]|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
"""Half surrogate pairs, which UTF-8 lacks, and control characters, which neither CSV readers nor HTML take."""


def audit_to_json(audit: Audit) -> dict[str, Any]:
    """Return the audit as a JSON object: numbers, texts, lists and objects alone.

    `control` is the name of the only control, null where there are several; `quality` and `health` are the lowest of
    the controls'.
    """
    return {
        "snapshot_id": audit.snapshot_id,
        "control": audit.controls[0].control if len(audit.controls) == 1 else None,
        "rows": audit.rows,
        "seconds": audit.seconds,
        "probabilities_from": audit.probabilities_from,
        "health": audit.health,
        "issues": [_issue_to_json(issue) for issue in audit.issues],
        "quality": _qualities_to_json(audit.quality),
        "controls": [
            {"control": one.control, "health": one.health, "quality": _qualities_to_json(one.quality)}
            for one in audit.controls
        ],
        "classes": [asdict(noise) for noise in audit.classes],
        "pairs": [asdict(pair) for pair in audit.pairs],
        "annotators": [asdict(annotator) for annotator in audit.annotators],
        "disagreements": [_disagreement_to_json(disagreement) for disagreement in audit.disagreements],
        "warnings": list(audit.warnings),
    }


def write_csv(audit: Audit, texts: Mapping[int, str], target: IO[str], controls: Sequence[Control] = ()) -> None:
    """Write a header and a line per issue, in the audit's order, as RFC 4180 has it.

    A cell that a spreadsheet would take for a formula starts with an apostrophe. Texts are cut at 1,000 characters.

    Args:
        texts: by task id; empty where one is missing.
        target: opened with `newline=""`.
        controls: the label config's, which know what in a text they are about.
    """
    writer = csv.writer(target)
    writer.writerow(CSV_HEADER)
    wording = AnswerWording(audit, texts, controls)
    for issue in audit.issues:
        about = wording.text(issue.task_id, issue.control)
        suggested = "" if issue.given is None else readable_suggestion(issue.given, issue.suggested, about)
        writer.writerow(
            [
                issue.task_id,
                issue.kind.value,
                f"{issue.quality:.4f}",
                _plain(readable(issue.given, about)),
                _plain(suggested),
                issue.split.value,
                "" if issue.other_task_id is None else issue.other_task_id,
                _plain(shortened(readable_text(texts.get(issue.task_id, "")), CSV_TEXT_CHARACTERS)),
                _plain(issue.control),
            ]
        )


class AnswerWording:
    """Says answers as pages show them: pieces of the text where these are labeled, and which control is meant.

    Args:
        texts: by task id.
        controls: the label config's, which know what in a text they are about.
    """

    def __init__(self, audit: Audit, texts: Mapping[int, str], controls: Sequence[Control] = ()) -> None:
        self._texts, self._is_alone = texts, len(audit.controls) == 1
        self._controls = {control.name: control for control in controls}

    def named(self, control: str, words: str) -> str:
        """Return the words, after the control's name where there are several controls."""
        return words if self._is_alone or not control or not words else f"{control}: {words}"

    def given(self, issue: Issue) -> str:
        """Return what people answered."""
        return self.named(issue.control, readable(issue.given, self.text(issue.task_id, issue.control)))

    def suggested(self, issue: Issue) -> str:
        """Return what is suggested instead; empty where nothing is."""
        if issue.given is None:
            return ""
        return readable_suggestion(issue.given, issue.suggested, self.text(issue.task_id, issue.control))

    def answers(self, dispute: Disagreement) -> list[tuple[str, int]]:
        """Return what annotators answered, with how many of them did."""
        text = self.text(dispute.task_id, dispute.control)
        return [(self.named(dispute.control, readable(answer, text)), count) for answer, count in dispute.answers]

    def consensus(self, dispute: Disagreement) -> str:
        """Return what is most likely right; empty where that is not shown."""
        return readable(dispute.consensus, self.text(dispute.task_id, dispute.control))

    def text(self, task_id: int, control: str) -> str:
        """Return what a control is decided on out of a task's text; all for a control that is not known."""
        text = self._texts.get(task_id, "")
        return self._controls[control].text_in(text) if control in self._controls else text


def _plain(text: str) -> str:
    """Return the text so that a spreadsheet shows it as it is."""
    shown = NOT_FOR_FILES.sub("\ufffd", text)
    is_formula = shown[:1] in FORMULA_STARTS or shown.lstrip()[:1] in FORMULA_STARTS
    return f"'{shown}" if shown and is_formula else shown


def _issue_to_json(issue: Issue) -> dict[str, Any]:
    return {
        "task_id": issue.task_id,
        "row_id": issue.row_id,
        "split": issue.split.value,
        "issue": issue.kind.value,
        "quality": issue.quality,
        "given": target_to_json(issue.given),
        "suggested": target_to_json(issue.suggested),
        "other_task_id": issue.other_task_id,
        "control": issue.control,
        **({"changes": changes} if (changes := _changes_to_json(issue)) else {}),
    }


def _changes_to_json(issue: Issue) -> list[dict[str, Any]]:
    """Return what the suggestion changes, span by span; empty for answers that are no spans."""
    if issue.given is None or issue.suggested is None:
        return []
    return [asdict(change) for change in span_changes(spans_in(issue.given), spans_in(issue.suggested))]


def _qualities_to_json(quality: Mapping[int, float]) -> dict[str, float]:
    return {str(task_id): value for task_id, value in quality.items()}


def _disagreement_to_json(dispute: Disagreement) -> dict[str, Any]:
    return {
        "task_id": dispute.task_id,
        "row_id": dispute.row_id,
        "split": dispute.split.value,
        "answers": [{"answer": target_to_json(answer), "annotators": count} for answer, count in dispute.answers],
        "is_settled": dispute.is_settled,
        "consensus": target_to_json(dispute.consensus),
        "quality": dispute.quality,
        "control": dispute.control,
    }

"""The rationales that the demo ships run without a fault, and are right more often than not."""

from collections import Counter

from ml_backend.demo.first_version import SOURCES, FirstVersion
from ml_backend.demo.tickets import load_tickets
from ml_backend.domain.source import AnswerForm
from ml_backend.sources.kinds.base import AskedControl
from ml_backend.sources.runner import SourceRunner

TICKETS = load_tickets()
LABELS = tuple(sorted({ticket.label for ticket in TICKETS}))


def test_ten_rationales_speak_for_every_label_and_are_mostly_right() -> None:
    asked = AskedControl("category", AnswerForm.ONE, LABELS)
    with SourceRunner(SOURCES, [asked], limit_s=10.0) as runner:
        votes = runner.votes(ticket.text for ticket in TICKETS)
    assert not runner.faults
    assert {source.label for source in runner.sources} == set(LABELS)
    right = Counter(LABELS[label] == TICKETS[row].label for row, _, (label, _, _) in votes.listed())
    assert len(runner.sources) == 10
    assert right[True] > 0.6 * right.total() > 0.3 * len(TICKETS)


def test_the_story_before_the_first_label_names_both_versions_and_the_gates_reason() -> None:
    before, after = (
        {"model_version": name, "macro_f1": score, "accuracy": score} for name, score in (("cold", 0.6), ("v1", 0.65))
    )
    first = FirstVersion(10, 366, 12.3, 128, before, after, is_promoted=True, reason="no test rows to compare on")
    summary, _, gate = first.section()
    assert "10 reasons of an expert" in str(summary)
    assert "an answer for 366 tickets" in str(summary)
    assert gate == "The gate: no test rows to compare on."

"""What an annotator did with a pre-label."""

from typing import Any

import pytest

from ml_backend.domain.example import PrelabelOutcome
from ml_backend.labelstudio.payloads import task_from_export

ACCEPTED, CHANGED, NONE = PrelabelOutcome.ACCEPTED, PrelabelOutcome.CHANGED, PrelabelOutcome.NONE


def region(value: dict[str, Any], *, name: str = "topic", kind: str = "choices", **more: Any) -> dict[str, Any]:
    return {"from_name": name, "to_name": "text", "type": kind, "value": value, **more}


def ticked(*labels: str, **more: Any) -> dict[str, Any]:
    return region({"choices": list(labels)}, **more)


def span(start: int, end: int, label: str, **more: Any) -> dict[str, Any]:
    return region({"start": start, "end": end, "labels": [label], **more}, name="ner", kind="labels")


def outcome(result: list[Any], prelabel: list[Any] | None = None, **more: Any) -> PrelabelOutcome:
    """What is read from an export of a task with this annotation, which started from prediction 40."""
    annotation = {"id": 1, "parent_prediction": 40, "updated_by": 2, "result": result, **more}
    predictions = [] if prelabel is None else [{"id": 40, "result": prelabel}]
    task = task_from_export({"id": 1, "data": {}, "annotations": [annotation], "predictions": predictions})
    return task.annotations[0].prelabel


@pytest.mark.parametrize(
    ("result", "prelabel", "wanted"),
    [
        ([ticked("A")], [ticked("A")], ACCEPTED),
        ([ticked("A", id="x", origin="prediction")], [ticked("A", score=0.9)], ACCEPTED),
        ([ticked("A", origin="prediction-changed")], [ticked("A")], ACCEPTED),
        ([ticked("B")], [ticked("A")], CHANGED),
        ([], [ticked("A")], CHANGED),
        ([ticked("A")], [], NONE),
        ([], [], NONE),
        ([ticked("B", "A")], [ticked("A", "B")], ACCEPTED),
        ([ticked("A")], [ticked("A", "B")], CHANGED),
        ([ticked("A"), region({"text": ["why"]}, name="comment", kind="textarea")], [ticked("A")], ACCEPTED),
        ([ticked("A"), ticked("A")], [ticked("A")], CHANGED),
        ([ticked("A", name="other")], [ticked("A")], CHANGED),
        ([region({"choices": [["A"]]})], [ticked("A")], ACCEPTED),
        ([region({"choices": [["B"], ["A"]]})], [ticked("A", "B")], ACCEPTED),
        ([region({"choices": [["B"]]})], [ticked("A")], CHANGED),
        ([region({"choices": [["A", "B"]]})], [ticked("A", "B")], CHANGED),
        ([span(0, 4, "PER", text="Bob ")], [span(0, 3, "PER", text="Bob")], ACCEPTED),
        ([span(4, 9, "PER", text="\u00a0Ann\n")], [span(5, 8, "PER")], ACCEPTED),
        ([span(0, 4, "PER", text="Bobs")], [span(0, 3, "PER", text="Bob")], CHANGED),
        ([span(0, 3, "PER", text="Bob")], [span(0, 3, "PER")], ACCEPTED),
        ([span(5, 8, "LOC"), span(0, 3, "PER")], [span(0, 3, "PER"), span(5, 8, "LOC")], ACCEPTED),
        ([span(0, 3, "PER")], [span(0, 3, "PER"), span(5, 8, "LOC")], CHANGED),
        ([span(0, 4, "PER")], [span(0, 3, "PER")], CHANGED),
        ([span(0, 3, "ORG")], [span(0, 3, "PER")], CHANGED),
        ([region({"text": ["yes"]})], [region({"text": "yes"})], ACCEPTED),
        ([region({"text": ["yes", "no"]})], [region({"text": "yes"})], CHANGED),
        ([region({"rating": 4})], [region({"rating": 4})], ACCEPTED),
        ([{"from_name": "topic", "value": None}], [{"from_name": "topic", "value": None}], ACCEPTED),
    ],
    ids=[
        "same choice", "ids, origins and scores aside", "the editor's marks aside", "other choice", "choice taken away",
        "nothing was shown", "nothing at all", "order of choices aside", "one of two", "a comment beside it", "twice",
        "another control", "a path of one step", "paths in another order", "a path to another choice",
        "a path of two steps", "white space behind a span", "white space around a span", "a letter more",
        "the span's text aside", "order of spans aside", "a span deleted", "a span moved", "a span renamed",
        "text as string or list", "text added", "numbers", "malformed",
    ],
)  # fmt: skip
def test_only_meaning_is_compared(result: list[Any], prelabel: list[Any], wanted: PrelabelOutcome) -> None:
    assert outcome(result, prelabel) is wanted


@pytest.mark.parametrize(
    ("result", "was_copied", "wanted"),
    [
        ([ticked("A", origin="prediction")], False, ACCEPTED),
        ([ticked("A", origin="prediction-changed")], False, CHANGED),
        ([ticked("A", origin="manual")], False, CHANGED),
        ([ticked("A", origin="prediction"), ticked("B", origin="manual")], False, CHANGED),
        ([ticked("A", origin="prediction"), ticked("x", name="comment", origin="manual")], False, ACCEPTED),
        ([ticked("A")], False, CHANGED),
        ([], False, CHANGED),
        ([ticked("A")], True, ACCEPTED),
        ([], True, ACCEPTED),
        ([ticked("A", origin="manual")], True, CHANGED),
    ],
    ids=[
        "untouched", "changed", "drawn anew", "added to", "a comment beside it", "over the API", "all deleted",
        "copied", "copied empty", "copied and then edited",
    ],
)  # fmt: skip
def test_the_editor_s_marks_tell_where_the_prelabel_is_not_at_hand(
    result: list[Any], was_copied: bool, wanted: PrelabelOutcome
) -> None:
    assert outcome(result, updated_by=None if was_copied else 2) is wanted

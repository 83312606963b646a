"""The outcome of a pre-label whose marks the editor stores in another form than it got them (recorded from it)."""

from typing import Any

import pytest

from ml_backend.domain.annotation import Annotation
from ml_backend.domain.example import PrelabelOutcome

PAGE = {"start": "", "startOffset": 0, "end": "", "endOffset": 0, "globalOffsets": {"start": 23, "end": 34}}
FILLED = {"start": "/p[1]/b[1]/text()[1]", "startOffset": 0, "end": "/p[1]/b[1]/i[1]/text()[1]", "endOffset": 6}
TURN = {"start": "0", "end": "0", "startOffset": 10, "endOffset": 14, "text": "Oslo", "paragraphlabels": ["Location"]}


def region(value: dict[str, Any], kind: str) -> dict[str, Any]:
    return {"from_name": "ner", "to_name": "text", "type": kind, "value": value}


@pytest.mark.parametrize(
    ("kind", "pushed", "stored", "outcome"),
    [
        ("hypertextlabels", PAGE, PAGE | FILLED, PrelabelOutcome.ACCEPTED),
        ("hypertextlabels", PAGE, PAGE | FILLED | {"globalOffsets": {"start": 23, "end": 33}}, PrelabelOutcome.CHANGED),
        ("hypertextlabels", PAGE, PAGE | FILLED | {"hypertextlabels": ["Body"]}, PrelabelOutcome.CHANGED),
        ("paragraphlabels", TURN, TURN | {"text": "Oslo\n00:00:00"}, PrelabelOutcome.ACCEPTED),
        ("paragraphlabels", TURN, TURN | {"startOffset": 9}, PrelabelOutcome.CHANGED),
        ("paragraphlabels", TURN, TURN | {"start": "1", "end": "1"}, PrelabelOutcome.CHANGED),
    ],
)
def test_only_place_and_label_count(
    kind: str, pushed: dict[str, Any], stored: dict[str, Any], outcome: PrelabelOutcome
) -> None:
    result = [region({"hypertextlabels": ["Author"], "text": "Lena Brandt", **stored}, kind)]
    prelabel = [region({"hypertextlabels": ["Author"], "text": "Lena Brandt", **pushed}, kind)]

    assert Annotation.prelabel_outcome(result, prelabel, was_copied=False) is outcome

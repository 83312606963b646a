from typing import Any

import pytest

from ml_backend.domain.annotation import Prediction
from ml_backend.domain.model import ScoredTarget
from ml_backend.domain.reasons import Reason
from ml_backend.labelstudio.config.parse import parse_label_config
from ml_backend.labelstudio.config.validation import StudioRules
from ml_backend.tasks import ServingPlan, serving_plan, template_path
from ml_backend.tasks.base import GivenAnswer
from tests.unit.tasks.plans import plan

AREA = '<TextArea name="instruction" toName="text" required="true"/>'
SERVED = plan(AREA).controls[0]
KIND, CONTROL = SERVED.kind, SERVED.control


def region(*texts: Any, **changes: Any) -> dict[str, Any]:
    return {"from_name": "instruction", "to_name": "text", "type": "textarea", "value": {"text": list(texts)}} | changes


def template(name: str) -> ServingPlan:
    return serving_plan(parse_label_config(template_path(name).read_text(encoding="utf-8")))


def test_ratings_stay_in_label_studio() -> None:
    found = template("generation_with_ratings")

    names = ["<Rating name='accuracy'>", "<Rating name='completeness'>"]
    assert [notice.split(" stands beside 'instruction'")[0] for notice in found.notices] == names
    assert [each.name for each in found.controls] == ["instruction"]


@pytest.mark.parametrize(
    ("result", "expected", "reasons"),
    [
        ([region("Block the card.")], "Block the card.", ()),
        ([region("  Two lines,\nthis one too.\n")], "Two lines,\nthis one too.", ()),
        ([region("First.", " ", "Second.")], "First.\n\nSecond.", ()),
        ([region("First."), region("Second.")], "First.\n\nSecond.", ()),
        ([region(value={"text": "A text by itself."})], "A text by itself.", ()),
        ([region(" ", "\n")], None, (Reason.EMPTY_ANSWER,)),
        ([], None, ()),
        ([region("Other.", from_name="remarks")], None, ()),
        ([region(3)], None, (Reason.UNREADABLE,)),
        ([region(value=None)], None, (Reason.UNREADABLE,)),
        ([region("Block it.", type="choices")], None, (Reason.UNREADABLE,)),
        ([region("Fine."), region(3)], None, (Reason.UNREADABLE,)),
    ],
)
def test_the_response_of_an_annotation(
    result: list[dict[str, Any]], expected: str | None, reasons: tuple[Reason, ...]
) -> None:
    assert KIND.read(CONTROL, result, "My card?") == GivenAnswer(expected, reasons)


def test_a_draft_is_written_as_the_editor_stores_one_and_label_studio_takes_it() -> None:
    regions = KIND.write(CONTROL, ScoredTarget("Block it.\nNow.", 0.75, {}), "My card?")

    assert regions == [{**region("Block it.\nNow."), "id": "instruction", "score": 0.75}]
    assert KIND.labels_in("Block it.") == ()
    xml = template("generation").config.xml
    shown = [{**regions[0], "to_name": "prompt"}]
    assert StudioRules(xml).misfits([(1, Prediction(tuple(shown), 0.75, "v1"))]) == {}


@pytest.mark.parametrize("target", ["", "  \n", ("a",)])
def test_an_empty_draft_shows_nothing(target: Any) -> None:
    assert KIND.write(CONTROL, ScoredTarget(target, 0.5, {}), "My card?") == []

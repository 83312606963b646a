import json
from pathlib import Path
from typing import Any

import pytest

from ml_backend.domain.annotation import Prediction
from ml_backend.domain.model import ScoredTarget
from ml_backend.domain.reasons import Reason
from ml_backend.labelstudio.config.parse import parse_label_config
from ml_backend.labelstudio.config.validation import StudioRules
from ml_backend.tasks import ServingPlan, serving_plan, template_path
from tests.unit.tasks.plans import plan

PAYLOADS = Path(__file__).parents[2] / "payloads"
AREA = '<TextArea name="instruction" toName="text" required="true"/>'
SERVED = plan(AREA).controls[0]
KIND, CONTROL = SERVED.kind, SERVED.control


def region(*texts: Any, **changes: Any) -> dict[str, Any]:
    return {"from_name": "instruction", "to_name": "text", "type": "textarea", "value": {"text": list(texts)}} | changes


def template(name: str) -> ServingPlan:
    return serving_plan(parse_label_config(template_path(name).read_text(encoding="utf-8")))


@pytest.mark.parametrize("name", ["generation", "generation_with_ratings"])
def test_the_templates_are_served(name: str) -> None:
    found = template(name)

    assert [(each.name, each.kind.name, each.kind.head) for each in found.controls] == [
        ("instruction", "generation", "text")
    ]
    assert found.field == "prompt"


def test_ratings_stay_in_label_studio() -> None:
    notices = template("generation_with_ratings").notices

    names = ["<Rating name='accuracy'>", "<Rating name='completeness'>"]
    assert [notice.split(" is of a kind that stays")[0] for notice in notices] == names


def test_label_studios_own_template_is_served() -> None:
    export = PAYLOADS / "webhook_annotation_created_textarea.json"
    label_config = json.loads(export.read_text())["project"]["label_config"]

    found = serving_plan(parse_label_config(label_config))

    assert [(each.name, each.kind.name) for each in found.controls] == [("instruction", "generation")]


def test_a_box_for_remarks_beside_choices_gets_no_drafts() -> None:
    choices = '<Choices name="topic" toName="text"><Choice value="a"/><Choice value="b"/></Choices>'
    found = plan(choices + '<TextArea name="remarks" toName="text"/>')

    assert [each.name for each in found.controls] == ["topic"]
    (notice,) = found.notices
    assert notice.startswith("<TextArea name='remarks'> may be left empty, as a box for remarks may")


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ([region("Block the card.")], "Block the card."),
        ([region("  Two lines,\nthis one too.\n")], "Two lines,\nthis one too."),
        ([region("First.", " ", "Second.")], "First.\n\nSecond."),
        ([region("First."), region("Second.")], "First.\n\nSecond."),
        ([region(value={"text": "A text by itself."})], "A text by itself."),
        ([region("")], None),
        ([], None),
        ([region("Other.", from_name="remarks")], None),
        ([region(3)], None),
        ([region(value=None)], None),
        ([region("Block it.", type="choices")], None),
        ([region("Fine."), region(3)], None),
    ],
)
def test_the_response_of_an_annotation(result: list[dict[str, Any]], expected: str | None) -> None:
    assert KIND.read(CONTROL, result, "My card?").target == expected


def test_an_empty_response_is_told_from_one_that_cannot_be_read() -> None:
    assert KIND.read(CONTROL, [region(" ", "\n")], "My card?").reasons == (Reason.EMPTY_ANSWER,)
    assert KIND.read(CONTROL, [region(3)], "My card?").reasons == (Reason.UNREADABLE,)
    assert KIND.read(CONTROL, [], "My card?").reasons == ()


def test_a_recorded_annotation_is_read() -> None:
    (task, *_) = json.loads((PAYLOADS / "export_textarea.json").read_text())

    found = KIND.read(CONTROL, task["annotations"][0]["result"], task["data"]["prompt"]).target

    assert found == 'An answer, with "quotes"\nand a second line'


def test_a_draft_is_written_as_the_editor_stores_one_and_label_studio_takes_it() -> None:
    regions = KIND.write(CONTROL, ScoredTarget("Block it.\nNow.", 0.75, {}), "My card?")

    assert regions == [{**region("Block it.\nNow."), "id": "instruction", "score": 0.75}]
    xml = template("generation").config.xml
    shown = [{**regions[0], "to_name": "prompt"}]
    assert StudioRules(xml).misfits([(1, Prediction(tuple(shown), 0.75, "v1"))]) == {}


@pytest.mark.parametrize("target", ["", "  \n", ("a",)])
def test_an_empty_draft_shows_nothing(target: Any) -> None:
    assert KIND.write(CONTROL, ScoredTarget(target, 0.5, {}), "My card?") == []


@pytest.mark.parametrize(
    ("votes", "expected"),
    [
        (["Block it."], "Block it."),
        (["Block it.", "Block  it.\n"], "Block it."),
        (["Block it.", "Call us.", "Block it."], "Block it."),
        (["Block it.", "Call us."], None),
        (["a", "b", "c"], None),
    ],
)
def test_what_annotators_agree_on_is_what_more_than_half_wrote(votes: list[str], expected: str | None) -> None:
    assert KIND.resolve(votes) == expected
    assert KIND.labels_in(votes[0]) == ()

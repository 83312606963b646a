"""Controls in which people say why: known by their names, never served, and read with the answers that they explain."""

from collections.abc import Sequence

import pytest

from ml_backend.domain.annotation import Annotation, Region, Task
from ml_backend.domain.example import Span
from ml_backend.tasks import ServingPlan
from ml_backend.tasks.explanations import Explanation
from tests.unit.snapshots.builders import built, only, task
from tests.unit.tasks.plans import choices_region, labels_region, plan

TOPIC = '<Choices name="topic" toName="text"><Choice value="a"/><Choice value="b"/></Choices>'
TAGS = '<Choices name="tags" toName="text" choice="multiple"><Choice value="a"/><Choice value="b"/></Choices>'
SPANS = '<Labels name="spans" toName="text"><Label value="PER"/><Label value="LOC"/></Labels>'


def box(control: str, more: str = "") -> str:
    return f'<TextArea name="{control}_reason" toName="text" {more}/>'


def marks(control: str, *labels: str) -> str:
    inside = "".join(f'<Label value="{label}"/>' for label in labels)
    return f'<Labels name="{control}_evidence" toName="text">{inside}</Labels>'


def words(text: str, control: str = "topic", **more: object) -> Region:
    region = {"from_name": f"{control}_reason", "to_name": "text", "type": "textarea", "value": {"text": [text]}}
    return region | more


TEXT = "😀 Ann lost her card in Rome"


def read(found: ServingPlan, result: Sequence[Region], text: str = TEXT) -> list[tuple[str, str, tuple[str, ...]]]:
    """Label, words and evidence of each explanation."""
    of_task = Task(1, {"text": text}, (Annotation(10, "7", tuple(result)),))
    return [
        (each.label, each.words, each.evidence)
        for row in Explanation.rows(of_task, found)
        for each in Explanation.of(row, found)
    ]


def test_boxes_and_marks_that_explain_a_control_are_not_served_and_leave_no_notice() -> None:
    found = plan(TOPIC + box("topic", 'required="true"') + marks("topic", "evidence"))
    assert [each.name for each in found.controls] == ["topic"]
    assert [each.name for each in found.explaining] == ["topic_reason", "topic_evidence"]
    assert found.notices == ()
    assert found.config.fingerprint == plan(TOPIC).config.fingerprint


@pytest.mark.parametrize(
    ("controls", "served"),
    [
        (TOPIC + box("other", 'required="true"'), ["topic", "other_reason"]),
        (TOPIC + marks("other", "x"), ["topic", "other_evidence"]),
        (TOPIC + TOPIC.replace('"topic"', '"topic_reason"'), ["topic", "topic_reason"]),
        ('<TextArea name="_reason" toName="text" required="true"/>', ["_reason"]),
    ],
)
def test_other_controls_with_such_names_are_served_as_before(controls: str, served: list[str]) -> None:
    found = plan(controls)
    assert ([each.name for each in found.controls], found.explaining) == (served, ())


def test_reasons_change_nothing_about_rows() -> None:
    found = plan(TOPIC + box("topic") + marks("topic", "evidence"))
    answer = choices_region(["a"], "topic")
    reasons = [words("Because."), labels_region(2, 5, ["evidence"], "topic_evidence")]
    plain, explained = (only(built([task(1, TEXT, result)], over=found)) for result in ([answer], [answer, *reasons]))
    assert plain == explained
    assert explained.targets == {"topic": "a"}


def test_words_and_marks_belong_to_the_label_that_was_chosen() -> None:
    found = plan(TOPIC + box("topic") + marks("topic", "evidence"))
    result = [
        choices_region(["b"], "topic"),
        words(" It is lost.\n"),
        labels_region(6, 20, ["evidence"], "topic_evidence"),
    ]
    assert read(found, result) == [("b", "It is lost.", ("lost her card",))]
    assert read(found, result[:1]) == []
    assert read(found, [result[0], words(" ")]) == []


def test_of_several_labels_each_gets_the_marks_that_carry_it() -> None:
    found = plan(TAGS + box("tags") + marks("tags", "a", "b", "any"))
    result = [
        choices_region(["a", "b"]),
        labels_region(6, 10, ["a"], "tags_evidence"),
        labels_region(15, 19, ["any"], "tags_evidence"),
    ]
    assert read(found, result) == [("a", "", ("lost", "card")), ("b", "", ("card",))]
    assert read(found, [words("Nothing fits.", "tags")]) == [("", "Nothing fits.", ())]


def test_a_reason_per_region_belongs_to_the_piece_of_that_region() -> None:
    found = plan(SPANS + box("spans", 'perRegion="true"'))
    result = [
        labels_region(2, 5, ["PER"]) | {"id": "r1"},
        labels_region(23, 27, ["LOC"]) | {"id": "r2"},
        words("A city.", "spans", id="r2"),
    ]
    assert read(found, result) == [("LOC", "A city.", ("Rome",))]
    (row,) = Explanation.rows(Task(1, {"text": TEXT}, (Annotation(10, "7", tuple(result)),)), found)
    assert row.targets == {"spans": (Span(23, 27, "LOC"),), "spans_reason": "A city."}


def test_ids_of_regions_may_be_anything() -> None:
    found = plan(SPANS + box("spans", 'perRegion="true"'))
    odd = [labels_region(2, 5, ["PER"]) | {"id": {"a": [1]}}, words("A name.", "spans", id={"a": [1]})]
    assert read(found, odd) == [("PER", "A name.", ("Ann",))]


@pytest.mark.parametrize(
    "result",
    [
        [words("Why?")],
        [choices_region(["a", "b"], "topic"), words("Both?")],
        [choices_region(["a"], "topic"), words("x") | {"value": {"text": 7}}],
        [choices_region(["a"], "topic"), labels_region(90, 99, ["evidence"], "topic_evidence", text="gone")],
    ],
)
def test_reasons_that_cannot_be_read_are_rows_without_a_target(result: list[Region]) -> None:
    found = plan(TOPIC + box("topic") + marks("topic", "evidence"))
    (row,) = Explanation.rows(Task(1, {"text": TEXT}, (Annotation(10, "7", tuple(result)),)), found)
    assert row.targets == {}


def test_reasons_of_skipped_annotations_are_not_read() -> None:
    found = plan(TOPIC + box("topic"))
    result = (choices_region(["a"], "topic"), words("Hm."))
    assert (
        list(Explanation.rows(Task(1, {"text": TEXT}, (Annotation(10, "7", result, was_cancelled=True),)), found)) == []
    )

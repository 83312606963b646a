"""Answers about each marked piece: read with their mark, written with its id, settled, and unfolded into rows."""

from collections.abc import Sequence
from typing import Any

import pytest

from ml_backend.domain.annotation import Annotation, Prediction, Region, Task
from ml_backend.domain.example import Row, Span, spans_in
from ml_backend.domain.field_texts import field_texts
from ml_backend.domain.model import ScoredTarget
from ml_backend.domain.reasons import Reason, ReasonCounts
from ml_backend.errors import UnsupportedLabelConfig
from ml_backend.labelstudio.config.parse import parse_label_config
from ml_backend.labelstudio.config.validation import StudioRules
from ml_backend.snapshots.reviewed import BuildSettings, reviewed_rows
from ml_backend.tasks import ServedControl, serving_plan
from ml_backend.tasks.region_rows import MarkedText, per_region, rows_per_region
from tests.unit.snapshots.builders import no_history
from tests.unit.tasks.plans import TEXT, labels_region, plan

MARKS = '<Labels name="spans" toName="text"><Label value="PER"/><Label value="LOC"/></Labels>'
CHOICE = """<Choices name="sure" toName="text" choice="single" perRegion="true" {}>
    <Choice value="Sure"/><Choice value="Unsure"/></Choices>"""
STARS = '<Rating name="stars" toName="text" perRegion="true"/>'
BOB, PARIS = Span(2, 5, "PER"), Span(14, 19, "LOC")


def mark(region_id: str | None, span: Span) -> Region:
    return {**labels_region(span.start, span.end, [span.label]), "id": region_id}


def sure(region_id: Any, choice: str) -> Region:
    return {"id": region_id, "from_name": "sure", "to_name": "text", "type": "choices", "value": {"choices": [choice]}}


def served(conditions: str = "", controls: str = MARKS + CHOICE) -> ServedControl:
    return plan(controls.format(conditions)).controls[1]


BOTH = (mark("b", BOB), mark("p", PARIS))


def test_an_answer_belongs_to_the_mark_whose_id_it_has_and_to_that_one_s_place() -> None:
    moved = {**sure("p", "Unsure"), "value": {"start": 0, "end": 1, "text": "x", "choices": ["Unsure"]}}

    answer = served().answer([moved, *BOTH, sure("b", "Sure")], TEXT)

    assert answer.target == (Span(2, 5, "Sure"), Span(14, 19, "Unsure"))
    assert answer.reasons == ()


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        ([*BOTH, sure("own", "Sure")], Reason.ANSWER_WITHOUT_MARK),
        ([sure("b", "Sure")], Reason.ANSWER_WITHOUT_MARK),
        ([*BOTH, sure(None, "Sure")], Reason.ANSWER_WITHOUT_MARK),
        ([mark(None, BOB), mark(None, PARIS), sure(None, "Sure")], Reason.ANSWER_WITHOUT_MARK),
        ([mark("b", Span(400, 500, "PER")), sure("b", "Sure")], Reason.ANSWER_WITHOUT_MARK),
        ([*BOTH, sure("b", "Sure"), sure("b", "Unsure")], Reason.CONTRADICTORY),
        ([*BOTH, mark("b2", BOB), sure("b", "Sure"), sure("b2", "Unsure")], Reason.CONTRADICTORY),
        ([*BOTH, {**sure("b", "Sure"), "value": None}], Reason.UNREADABLE),
    ],
)
def test_an_answer_that_cannot_be_read_or_belongs_to_nothing_is_counted(result: list[Region], reason: Reason) -> None:
    answer = served().answer(result, TEXT)

    assert (answer.target, answer.reasons) == (None, (reason,))


@pytest.mark.parametrize(
    ("conditions", "places"),
    [
        ('visibleWhen="region-selected"', [2, 14]),
        ('visibleWhen="region-selected" whenTagName="spans"', [2, 14]),
        ('visibleWhen="region-selected" whenLabelValue="PER"', [2]),
        ('visibleWhen="region-selected" whenTagName="spans" whenLabelValue="LOC"', [14]),
    ],
)
def test_an_answer_about_a_mark_that_is_not_asked_about_is_neither_read_nor_written(
    conditions: str, places: Sequence[int]
) -> None:
    asked = served(conditions)
    every = (Span(2, 5, "Sure"), Span(14, 19, "Unsure"))

    answer = asked.answer([*BOTH, sure("b", "Sure"), sure("p", "Unsure")], TEXT)
    written = asked.regions(ScoredTarget(every, 0.5, {}), TEXT, BOTH)

    assert [span.start for span in spans_in(answer.target)] == places
    assert answer.reasons == (Reason.NOT_ASKED,) * (2 - len(places))
    assert [region["value"]["start"] for region in written] == places


def test_what_is_written_has_the_id_and_the_place_of_a_mark_and_without_one_nothing_is() -> None:
    target = (Span(2, 5, "Sure"), Span(14, 19, "Unsure"), Span(20, 22, "Sure"))

    regions = served().regions(ScoredTarget(target, 0.5, {target[0]: 0.9, target[1]: 0.8}), TEXT, BOTH)

    assert [(each["id"], each["value"], each["score"]) for each in regions] == [
        ("b", {"start": 2, "end": 5, "choices": ["Sure"]}, 0.9),
        ("p", {"start": 14, "end": 19, "choices": ["Unsure"]}, 0.8),
    ]
    assert served().regions(ScoredTarget(target, 0.5, {}), TEXT) == []


@pytest.mark.parametrize(
    ("controls", "reason"),
    [
        (STARS, "no control that is served marks pieces of 'text'"),
        (CHOICE.format(""), "no control that is served marks pieces of 'text'"),
        (MARKS + CHOICE.format("").replace("single", "multiple"), 'of such controls <Choices perRegion="true"> and'),
    ],
)
def test_what_cannot_be_asked_per_region_is_named(controls: str, reason: str) -> None:
    try:
        notices = "; ".join(plan(controls).notices)
    except UnsupportedLabelConfig as error:
        notices = str(error)

    assert "is asked per region, not per task" in notices
    assert reason in notices


def row(*results: Sequence[Region]) -> Row:
    annotations = tuple(Annotation(number, str(number), tuple(each)) for number, each in enumerate(results, start=1))
    config = plan(MARKS + CHOICE.format("") + STARS)
    (found,) = reviewed_rows(
        [Task(1, {"text": TEXT}, annotations)], config, BuildSettings(), no_history, reasons=ReasonCounts()
    )
    return found


def test_annotators_settle_each_piece_that_most_of_them_answered() -> None:
    one, two = [*BOTH, sure("b", "Sure"), sure("p", "Sure")], [*BOTH, sure("b", "Sure"), sure("p", "Unsure")]

    assert row(one, two, [*BOTH, sure("b", "Unsure")]).targets["sure"] == (Span(2, 5, "Sure"),)
    assert "sure" not in row([*BOTH, sure("p", "Sure")], [*BOTH, sure("p", "Unsure")]).targets


def test_a_row_unfolds_into_texts_of_its_pieces_that_a_model_of_whole_texts_learns() -> None:
    stars = {"id": "p", "from_name": "stars", "to_name": "text", "type": "rating", "value": {"rating": 4}}
    answered = row([*BOTH, sure("b", "Sure"), stars])
    _, choice, rating = plan(MARKS + CHOICE.format("") + STARS).controls

    (bob,), (paris,) = rows_per_region([answered], choice), rows_per_region([answered], rating)

    assert field_texts(bob.text)["label"] == "PER"
    assert field_texts(bob.text)["mark"] == "Bob"
    assert field_texts(bob.text)["after"].startswith("went to Paris")
    assert (bob.targets, paris.targets) == ({"sure": "Sure"}, {"stars": 4})
    assert [per_region(each).kind.name for each in (choice, rating)] == ["classification", "rating"]
    text = MarkedText.of(answered, [choice, rating])
    assert isinstance(text, MarkedText)
    assert text.pieces == {"sure": [Span(2, 5, "PER")], "stars": [Span(14, 19, "LOC")]}


@pytest.mark.parametrize(
    ("shown", "marking", "data"),
    [
        (
            '<HyperText name="text" value="$page"/>',
            "HyperTextLabels",
            {"page": "<h1>🪁</h1><p>By <b>Lena</b>, Oslo</p>"},
        ),
        (
            '<Paragraphs name="text" value="$talk"/>',
            "ParagraphLabels",
            {"talk": [{"author": "A", "text": "Hi 👩‍🚀"}, {"author": "B", "text": "🪁 Lena in Oslo"}]},
        ),
        (
            '<Text name="head" value="$title"/><Text name="text" value="$body"/><Rating name="all" toName="text"/>',
            "Labels",
            {"title": "Lena", "body": "🪁 Lena in Oslo"},
        ),
    ],
)
def test_answers_stand_at_the_places_of_marks_in_any_object(shown: str, marking: str, data: dict[str, Any]) -> None:
    marks = MARKS.replace("Labels", marking)
    config = serving_plan(parse_label_config(f"<View>{shown}{CHOICE.format('')}{STARS}{marks}</View>"))
    text = config.text(data)
    about = next(each for each in config.controls if each.name == "spans").control.text_in(text)
    lena, oslo = about.index("Lena"), about.index("Oslo")
    targets = {
        "spans": (Span(lena, lena + 4, "PER"), Span(oslo, oslo + 4, "LOC")),
        "sure": (Span(lena, lena + 4, "Sure"), Span(oslo, oslo + 4, "Unsure")),
        "stars": (Span(oslo, oslo + 4, "4"),),
    }

    regions = config.regions({name: ScoredTarget(target, 0.5, {}) for name, target in targets.items()}, text)

    found = {each.name: each.answer(regions, text).target for each in config.controls if each.name in targets}
    assert found == targets
    assert StudioRules(config.config.xml).misfits([(1, Prediction(tuple(regions), 0.5, "v"))]) == {}

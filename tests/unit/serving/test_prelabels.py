import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import pytest

from ml_backend.domain.annotation import Task
from ml_backend.domain.example import Span
from ml_backend.domain.model import ScoredTarget
from ml_backend.labelstudio.config.validation import StudioRules
from ml_backend.serving.prelabels import prelabel
from ml_backend.tasks import ServingPlan
from tests.unit.tasks.plans import plan

PLAN = plan(
    '<Choices name="topic" toName="text"><Choice value="login"/><Choice value="other"/></Choices>'
    '<Choices name="tags" toName="text" choice="multiple"><Choice value="angry"/><Choice value="urgent"/></Choices>'
    '<Labels name="spans" toName="text"><Label value="PER"/></Labels>'
)
LOGIN = ScoredTarget("login", 0.8, {"login": 0.8, "other": 0.2})
URGENT = ScoredTarget(("urgent",), 0.5, {"angry": 0.1, "urgent": 0.6})
ANNA = ScoredTarget((Span(0, 4, "PER"),), 0.25, {Span(0, 4, "PER"): 0.9})


THEMES = plan(
    '<Choices name="theme" toName="text"><Choice value="Fruit"/><Choice value="Car"/></Choices>'
    '<View visibleWhen="choice-selected" whenTagName="theme" whenChoiceValue="Fruit">'
    '<Labels name="spans" toName="text"><Label value="PER"/></Labels>'
    '<Choices name="fruit" toName="text"><Choice value="apple"/><Choice value="pear"/>'
    '</Choices><View visibleWhen="choice-selected" whenTagName="fruit" whenChoiceValue="pear"><Choices name="kind" '
    'toName="text" choice="multiple"><Choice value="old"/></Choices></View></View>'
    '<Choices name="car" toName="text" visibleWhen="choice-selected" whenTagName="theme" whenChoiceValue="Car">'
    '<Choice value="truck"/><Choice value="bus"/></Choices>'
)


class Answering:
    """Gives the same answers to every text, and no scores to draw."""

    version = "m-v1"

    def __init__(self, answers: Mapping[str, ScoredTarget]) -> None:
        self._answers = answers
        self.unasked: list[frozenset[str]] = []

    def predict(self, texts: Sequence[str]) -> list[Mapping[str, ScoredTarget] | None]:
        return [self._answers if text.strip() else None for text in texts]

    def predict_with_fit(self, texts: Sequence[str]) -> list[Mapping[str, ScoredTarget] | None]:
        return self.predict(texts)

    def nearest(self, _text: str, _count: int) -> Mapping[str, Sequence[tuple[int, float]]]:
        return {}

    def draw_score(self, key: int, unasked: Collection[str] = ()) -> float | None:
        self.unasked.append(frozenset(unasked))
        return None


def one(
    answers: Mapping[str, ScoredTarget], text: str = "Anna is here", over: ServingPlan = PLAN
) -> tuple[list[str], float | None, list[str]]:
    """Names of the regions' controls, the score, and the reasons for an empty result."""
    found = prelabel([Task(1, {"text": text})], Answering(answers), over, is_blind=None)
    (prediction,) = found.predictions
    assert StudioRules(over.config.xml).misfits([(1, prediction)]) == {}
    assert bool(found.empty) == (prediction.result == ())
    return [region["from_name"] for region in prediction.result], prediction.score, list(found.empty)


def test_a_pre_label_holds_the_regions_of_all_controls_and_the_product_of_their_scores() -> None:
    assert one({"spans": ANNA, "topic": LOGIN, "tags": URGENT}) == (["topic", "tags", "spans"], 0.8 * 0.5 * 0.25, [])


def test_controls_that_the_version_does_not_answer_are_left_alone() -> None:
    assert one({"tags": URGENT, "long gone": LOGIN}) == (["tags"], 0.5, [])


def test_an_answer_of_nothing_counts_in_the_score_and_has_no_region() -> None:
    nothing = ScoredTarget((), 0.9, {})

    assert one({"topic": LOGIN, "spans": nothing}) == (["topic"], 0.8 * 0.9, [])
    assert one({"tags": nothing, "spans": nothing}) == ([], 0.9 * 0.9, ["nothing_found"])


def test_labels_that_the_config_lacks_are_not_shown() -> None:
    gone = ScoredTarget(("gone", "urgent"), 0.5, {})

    assert one({"topic": ScoredTarget("gone", 0.9, {}), "tags": gone}) == (["tags"], 0.45, [])
    assert one({"topic": ScoredTarget("gone", 0.9, {})}) == ([], 0.9, ["unknown_label"])


def said(theme: str, fruit: str) -> dict[str, ScoredTarget]:
    """Answers to all questions, each with a score that tells it from the others."""
    return {
        "theme": ScoredTarget(theme, 0.9, {}),
        "spans": ANNA,
        "fruit": ScoredTarget(fruit, 0.7, {}),
        "kind": ScoredTarget(("old",), 0.5, {}),
        "car": ScoredTarget("bus", 0.3, {}),
    }


def test_questions_that_are_not_asked_get_no_answer_and_count_in_no_score() -> None:
    assert one(said("Fruit", "pear"), over=THEMES) == (["theme", "spans", "fruit", "kind"], 0.9 * 0.25 * 0.7 * 0.5, [])
    assert one(said("Fruit", "apple"), over=THEMES) == (["theme", "spans", "fruit"], 0.9 * 0.25 * 0.7, [])
    assert one(said("Car", "pear"), over=THEMES) == (["theme", "car"], 0.9 * 0.3, [])


def test_nothing_that_waits_for_an_answer_is_asked_where_there_is_none() -> None:
    others = {name: answer for name, answer in said("Fruit", "pear").items() if name != "theme"}

    assert one(others, over=THEMES) == ([], None, ["no_model"])
    assert one(others | {"theme": ScoredTarget("gone", 0.9, {})}, over=THEMES) == ([], 0.9, ["unknown_label"])


def test_what_an_earlier_version_said_to_a_control_of_another_kind_is_not_shown() -> None:
    assert one({"topic": URGENT, "tags": ANNA, "spans": LOGIN})[0] == []
    assert one({"tags": ScoredTarget("urgent", 0.9, {})})[0] == []
    assert one({"tags": ScoredTarget((Span(0, 4, "urgent"),), 0.9, {})})[0] == []


def test_where_no_control_is_answered_there_is_no_score_and_no_warning(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    assert one({}) == ([], None, ["no_model"])
    assert caplog.records == []


def test_an_empty_text_is_named_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    assert one({"topic": LOGIN}, text=" ") == ([], None, ["no_text"])
    assert "task 1 gets no pre-label from m-v1: no_text" in caplog.text


def test_blind_tasks_carry_what_is_drawn_for_them() -> None:
    tasks = [Task(number, {"text": text}) for number, text in enumerate(("one", "two"), start=1)]

    found = prelabel(tasks, Answering({"topic": LOGIN}), PLAN, [True, True])

    assert [(each.result, each.score) for each in found.predictions] == [((), None)] * 2
    assert dict(found.empty) == {"blind": 2}


def test_the_score_of_a_blind_task_leaves_out_questions_as_often_as_others_do() -> None:
    predictor = Answering({})

    for _ in range(2):
        prelabel([Task(number, {"text": "one"}) for number in range(200)], predictor, THEMES, [True] * 200)

    fruit, car = frozenset({"car"}), frozenset({"spans", "fruit", "kind"})
    assert predictor.unasked[:200] == predictor.unasked[200:]
    assert {*predictor.unasked} == {fruit, fruit | {"kind"}, car}
    assert 60 < predictor.unasked[:200].count(car) < 140


def test_an_answer_with_a_label_that_is_switched_off_is_not_shown_and_keeps_its_score() -> None:
    answers = {"topic": LOGIN, "tags": URGENT}
    tasks = [Task(1, {"text": "Anna is here"})]

    hidden, shown = (
        prelabel(tasks, Answering(answers), PLAN, None, labels_off=names) for names in (["urgent"], ["angry"])
    )

    assert (hidden.predictions[0].result, hidden.predictions[0].score) == ((), shown.predictions[0].score)
    assert hidden.empty == {"switched_off": 1}
    assert len(shown.predictions[0].result) == 2


@pytest.mark.parametrize(
    ("fits", "joint"),
    [({}, None), ({"topic": 0.03}, 0.03), ({"topic": 0.03, "tags": 0.2}, 0.06), ({"topic": 0.9, "tags": 0.7}, 1.0)],
)
def test_the_fit_of_a_task_is_the_least_one_times_their_number(fits: Mapping[str, float], joint: float | None) -> None:
    answers = {"topic": LOGIN, "tags": URGENT, "spans": ANNA}
    answering = Answering({name: replace(answer, fit=fits.get(name)) for name, answer in answers.items()})
    tasks = [Task(number, {"text": text}) for number, text in enumerate(("Anna is here", "", "Anna"))]

    found = prelabel(tasks, answering, PLAN, [False, False, True], with_fit=True)

    assert found.fits == (pytest.approx(joint), None, None)


def test_controls_that_are_not_asked_say_nothing_about_the_fit() -> None:
    answers = {
        "theme": ScoredTarget("Car", 0.9, {}, fit=0.2),
        "car": ScoredTarget("bus", 0.9, {}, fit=0.3),
        "fruit": ScoredTarget("pear", 0.9, {}, fit=0.01),
    }

    found = prelabel([Task(1, {"text": "a bus"})], Answering(answers), THEMES, None, with_fit=True)

    assert found.fits == (pytest.approx(0.4),)


def test_answers_about_marks_carry_their_ids_and_leave_the_score_to_what_is_asked_once() -> None:
    asked = plan(
        '<Choices name="sure" toName="text" perRegion="true" visibleWhen="region-selected" whenLabelValue="PER">'
        '<Choice value="Sure"/><Choice value="Unsure"/></Choices>'
        '<Labels name="spans" toName="text"><Label value="PER"/></Labels>'
    )
    sure = ScoredTarget((Span(0, 4, "Sure"),), 0.5, {Span(0, 4, "Sure"): 0.5})

    (found,) = prelabel([Task(1, {"text": "Anna"})], Answering({"spans": ANNA, "sure": sure}), asked, None).predictions
    (alone,) = prelabel([Task(1, {"text": "Anna"})], Answering({"sure": sure}), asked, None).predictions

    mark, answer = found.result
    assert [(each["from_name"], each["id"]) for each in (mark, answer)] == [("spans", mark["id"]), ("sure", mark["id"])]
    assert (found.score, answer["score"], alone.result) == (0.25, 0.5, ())
    assert StudioRules(asked.config.xml).misfits([(1, found)]) == {}

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from ml_backend.demo.tickets import load_tickets
from ml_backend.domain.label_config import Control, Label, LabelConfig
from ml_backend.domain.object_tag import ObjectTag
from ml_backend.labelstudio.config.parse import parse_label_config
from ml_backend.models.base.base_model import DEFAULT_BASE_MODEL
from ml_backend.models.text.torch_encoder import TextEncoder
from ml_backend.serving.cold_start import ColdStartPredictor, shared_encoder
from ml_backend.tasks import ServingPlan, serving_plan, template_path

LABELS = (Label("card", "card", "Lost card, or late."), Label("cash", "cash"), Label("refund", "my_refund"))


def choices(labels: Sequence[Label], name: str = "topic", choice: str = "single") -> Control:
    return Control(name, "Choices", ObjectTag("text", "Text", "text"), tuple(labels), {"choice": choice})


def plan_of(labels: Sequence[Label], *others: Control) -> ServingPlan:
    return serving_plan(LabelConfig("<View/>", (choices(labels), *others)))


@pytest.fixture(scope="module")
def encoder() -> TextEncoder:
    return shared_encoder(DEFAULT_BASE_MODEL)


def test_the_bundled_tickets_are_answered_far_above_chance_before_any_label(encoder: TextEncoder) -> None:
    tickets = load_tickets()[:80]
    config = parse_label_config(template_path("classification").read_text(encoding="utf-8"))
    predictor = ColdStartPredictor("v", serving_plan(config), encoder)

    answers = predictor.predict([ticket.text for ticket in tickets])

    right = [
        answer["category"].target == ticket.label for answer, ticket in zip(answers, tickets, strict=True) if answer
    ]
    assert np.mean(right) > 0.55
    scores = [answer["category"].score for answer in answers if answer]
    assert 0.3 < np.median(scores) < 0.8


def test_the_stored_value_is_answered_and_the_shown_name_is_read(encoder: TextEncoder) -> None:
    labels = (Label("A1", "lost_card"), Label("B2", "weather"))

    (answer,) = ColdStartPredictor("v", plan_of(labels), encoder).predict(["I cannot find my bank card anywhere"])

    assert answer is not None
    assert answer["topic"].target == "A1"
    assert set(answer["topic"].scores) == {"A1", "B2"}
    assert sum(answer["topic"].scores.values()) == pytest.approx(1)


def test_a_hint_tells_what_a_name_does_not(encoder: TextEncoder) -> None:
    text = ["the parcel has not arrived"]
    plain = (Label("a", "Type 1"), Label("b", "Type 2"))
    hinted = (Label("a", "Type 1", "A delivery is late."), Label("b", "Type 2", "A password is lost."))

    before, after = (ColdStartPredictor("v", plan_of(labels), encoder).predict(text)[0] for labels in (plain, hinted))

    assert before is not None
    assert after is not None
    assert after["topic"].target == "a"
    assert after["topic"].score > before["topic"].scores["a"] + 0.2


def test_each_single_choice_is_answered_from_its_own_labels_and_no_other_kind_is(encoder: TextEncoder) -> None:
    urgency = choices((Label("now", "urgent, at once"), Label("later", "when there is time")), "urgency")
    tags = choices(LABELS, "tags", "multiple")

    (answer,) = ColdStartPredictor("v", plan_of(LABELS, urgency, tags), encoder).predict(["please, at once, urgent!"])

    assert answer is not None
    assert sorted(answer) == ["topic", "urgency"]
    assert answer["urgency"].target == "now"
    assert set(answer["topic"].scores) == {"card", "cash", "refund"}


def test_a_plan_without_a_single_choice_has_neither_answers_nor_scores(encoder: TextEncoder) -> None:
    plan = serving_plan(LabelConfig("<View/>", (choices(LABELS, "tags", "multiple"),)))
    predictor = ColdStartPredictor("v", plan, encoder)

    assert predictor.predict(["a text", " "]) == [{}, None]
    assert predictor.draw_score(1) is None


def test_label_vectors_have_length_1_whatever_the_label_says(encoder: TextEncoder) -> None:
    labels = (*LABELS, Label("", ""), Label("🙂", "🙂", "?!"), Label("x", "_", "..."))

    vectors = ColdStartPredictor.label_vectors(labels, encoder)

    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_draws_lie_between_chance_and_1_and_repeat(encoder: TextEncoder) -> None:
    predictor = ColdStartPredictor("tickets-1-cold-start-abc", plan_of(LABELS), encoder)

    draws = [predictor.draw_score(key) for key in range(500)]

    assert draws == [predictor.draw_score(key) for key in range(500)]
    assert min(draws) >= 1 / 3
    np.testing.assert_allclose(np.quantile(draws, [0.25, 0.75]), [0.5, 0.833], atol=0.06)


def test_one_encoder_per_base_model_is_shared_by_all_threads(base: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        encoders = list(pool.map(shared_encoder, [base] * 4))

    assert len({id(encoder) for encoder in encoders}) == 1

"""What leaving words out says about an answer."""

from collections.abc import Mapping, Sequence

import pytest

from ml_backend.domain.field_texts import join_fields
from ml_backend.domain.model import ScoredTarget
from ml_backend.workflows.trying.occlusion import MOST_PASSES, word_effects
from tests.fakes import FakePredictor


class Keywords(FakePredictor):
    """Confidence in `Refund`: .5, .4 more for "refund", .3 less for "thanks"."""

    def predict(self, texts: Sequence[str]) -> list[Mapping[str, ScoredTarget] | None]:
        self.asked.append(list(texts))
        return [{"category": self.of(text)} if text.strip() else None for text in texts]

    def of(self, text: str) -> ScoredTarget:
        score = 0.5 + 0.4 * ("refund" in text) - 0.3 * ("thanks" in text)
        return ScoredTarget("Refund", score, {"Refund": score, "Other": 1 - score})


@pytest.fixture
def predictor() -> Keywords:
    return Keywords("tickets-1-v1")


def test_words_are_marked_by_what_the_confidence_does_without_them(predictor: Keywords) -> None:
    text = "A refund, please, thanks!"

    found = word_effects(predictor, {"": text}, {"category": "Refund"}, {"category": 0.6})

    words = found["controls"]["category"]
    assert [(each["text"], round(each["effect"], 3)) for each in words["effects"]] == [
        ("refund", 0.4),
        ("thanks", -0.3),
    ]
    assert "".join(part["text"] for part in words["marked"][""]) == text
    assert {part["text"]: part["level"] for part in words["marked"][""] if part["level"]} == {"refund": 3, "thanks": -3}
    assert (found["words_at_once"], found["pieces"], found["tried"]) == (1, 4, 4)


def test_a_long_text_is_taken_in_runs_of_words_so_that_the_model_reads_it_so_often_at_most(predictor: Keywords) -> None:
    texts = {"title": "refund " * 7, "body": "word " * 500}

    found = word_effects(predictor, texts, {"category": "Refund"}, {"category": 0.9})

    assert found["words_at_once"] == 9
    assert found["tried"] == found["pieces"] == sum(map(len, predictor.asked)) <= MOST_PASSES
    assert all(text.startswith("\x1etitle\x1f") for some in predictor.asked for text in some)


def test_when_time_is_up_it_says_how_far_it_got(predictor: Keywords) -> None:
    times = iter([0.0, 9.0, 9.0])

    found = word_effects(
        predictor, {"": "word " * 40}, {"category": "Refund"}, {"category": 0.5}, clock=lambda: next(times)
    )

    assert (found["tried"], found["pieces"]) == (10, 40)


@pytest.mark.parametrize("text", ["refund", "!!!", "返金してください", "<b>refund</b>", "a\u200fب refund"])
def test_any_text_can_be_tried(predictor: Keywords, text: str) -> None:
    found = word_effects(predictor, {"": text}, {"category": "Refund"}, {"category": 0.9})

    assert "".join(part["text"] for part in found["controls"]["category"]["marked"][""]) == text
    assert all(join_fields({"": text}) != asked for some in predictor.asked for asked in some)

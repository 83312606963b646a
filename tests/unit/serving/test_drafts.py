import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from ml_backend.domain.model import ScoredTarget
from ml_backend.models.generation.generator import Draft
from ml_backend.models.text.torch_encoder import TextEncoder
from ml_backend.serving.cold_start import ColdStartPredictor
from ml_backend.serving.drafts import draft_answers, shared_writer
from tests.tiny_language_models import save_tiny_decoder
from tests.unit.tasks.plans import plan

AREA = '<TextArea name="reply" toName="text" required="true"/>'
CHOICES = '<Choices name="topic" toName="text"><Choice value="card"/><Choice value="cash"/></Choices>'


class Parrot:
    """Writes its prompts in capitals, and nothing to a prompt about cash."""

    def __init__(self, confidence: float | None = 0.75) -> None:
        self.asked: list[list[str]] = []
        self._confidence = confidence

    def generate(self, prompts: Sequence[str], *, on_rows: Callable[[int], None] | None = None) -> list[Draft]:
        self.asked.append(list(prompts))
        texts = ["" if "cash" in prompt else prompt.upper() for prompt in prompts]
        return [Draft(text, 3, is_complete=True, confidence=self._confidence) for text in texts]


@pytest.fixture(scope="module")
def encoder(base: str) -> TextEncoder:
    return TextEncoder.load(base)


@pytest.mark.parametrize(("confidence", "score"), [(0.75, 0.75), (None, 0.5)])
def test_drafts_are_answers_scored_by_how_sure_their_writer_was(confidence: float | None, score: float) -> None:
    assert draft_answers(Parrot(confidence), ["my card", "my cash"]) == [ScoredTarget("MY CARD", score, {}), None]


def test_the_cold_start_hands_on_drafts_beside_its_own_answers(encoder: TextEncoder) -> None:
    parrot = Parrot()
    predictor = ColdStartPredictor("v", plan(CHOICES + AREA), encoder, parrot)

    card, nothing, cash = predictor.predict(["my card", " ", "cash please"])

    assert card is not None
    assert set(card) == {"topic", "reply"}
    assert card["reply"].target == "MY CARD"
    assert nothing is None
    assert cash is not None
    assert set(cash) == {"topic"}
    assert parrot.asked == [["my card", "cash please"]]


def test_blind_tasks_get_a_score_where_drafts_have_one(encoder: TextEncoder) -> None:
    predictor = ColdStartPredictor("v", plan(AREA), encoder, Parrot())

    scores = {predictor.draw_score(key) for key in range(50)}
    assert len(scores) == 50
    assert all(score is not None and 0 <= score <= 1 for score in scores)


def test_an_untuned_base_model_writes(tmp_path: Path) -> None:
    (draft,) = shared_writer(save_tiny_decoder("llama", tmp_path, length=64), None).generate(["my card"])

    assert draft.text
    assert draft.confidence is not None


def test_a_base_model_that_cannot_be_loaded_writes_nothing_and_says_so_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    writer = shared_writer(str(tmp_path / "absent"), None)

    with caplog.at_level(logging.WARNING):
        assert [writer.generate(["my card"]) for _ in range(2)] == [[Draft("", 0, is_complete=False)]] * 2

    assert len([record for record in caplog.records if "there are no drafts before" in record.message]) == 1


def test_a_process_holds_an_untuned_base_model_once() -> None:
    assert shared_writer("some/model", 5.0) is shared_writer("some/model", 5.0)
    assert shared_writer("some/model", 5.0) is not shared_writer("some/other", 5.0)

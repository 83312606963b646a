import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from ml_backend.domain.model import ScoredTarget
from ml_backend.models.generation.generator import Draft
from ml_backend.models.generation.language_model import LanguageModel
from ml_backend.models.text.torch_encoder import TextEncoder
from ml_backend.serving.cold_start import ColdStartPredictor
from ml_backend.serving.drafts import draft_answers, shared_writer
from ml_backend.serving.openai_server import OpenAiServer
from tests.openai_server import Script, openai_server
from tests.tiny_language_models import save_tiny_decoder
from tests.tiny_models import save_tiny_model
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
def encoder(tmp_path_factory: pytest.TempPathFactory) -> TextEncoder:
    return TextEncoder.load(save_tiny_model("bert", tmp_path_factory.mktemp("models") / "bert"))


def test_drafts_are_answers_scored_by_how_sure_their_writer_was() -> None:
    assert draft_answers(Parrot(), ["my card", "my cash"]) == [ScoredTarget("MY CARD", 0.75, {}), None]


def test_a_draft_of_unknown_confidence_has_a_middling_score() -> None:
    (answer,) = draft_answers(Parrot(None), ["my card"])

    assert answer == ScoredTarget("MY CARD", 0.5, {})


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


def test_the_cold_start_answers_no_text_without_a_writer(encoder: TextEncoder) -> None:
    predictor = ColdStartPredictor("v", plan(AREA), encoder)

    assert predictor.predict(["my card"]) == [{}]
    assert predictor.draw_score(3) is None


def test_blind_tasks_get_a_score_where_drafts_have_one(encoder: TextEncoder) -> None:
    predictor = ColdStartPredictor("v", plan(AREA), encoder, Parrot())

    scores = {predictor.draw_score(key) for key in range(50)}
    assert len(scores) == 50
    assert all(score is not None and 0 <= score <= 1 for score in scores)


def test_an_untuned_base_model_writes(tmp_path: Path) -> None:
    (draft,) = shared_writer(save_tiny_decoder("llama", tmp_path), None).generate(["my card"])

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


def test_a_server_of_texts_writes_as_a_model_does(encoder: TextEncoder) -> None:
    with openai_server(Script()) as url:
        predictor = ColdStartPredictor("v", plan(AREA), encoder, OpenAiServer(url, retry_wait_s=0.01))
        (answer,) = predictor.predict(["my card"])

    assert answer == {"reply": ScoredTarget("You said my card", 0.5, {})}


def test_the_confidence_is_that_of_the_tokens(tmp_path: Path) -> None:
    from ml_backend.models.generation.generator import TextGenerator

    name = save_tiny_decoder("llama", tmp_path)
    (draft,) = TextGenerator(LanguageModel.load(name), max_new_tokens=3).generate(["my card"])

    assert draft.confidence is not None
    # An untrained model is hardly surer of one token than of another.
    assert 1 / 400 < draft.confidence < 0.05

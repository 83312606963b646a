import math

import pytest
import torch

from ml_backend.learning.generation.data import TokenPair
from ml_backend.learning.generation.loss import holdout_loss, perplexity, response_losses, text_perplexity
from ml_backend.models.base.device import has_bf16
from ml_backend.models.base.token_batches import compute_context
from ml_backend.models.generation.language_model import LanguageModel
from tests.unit.learning.generation.builders import tiny

ROWS = [TokenPair((1, 20, 30, 40, 50, 60), 3), TokenPair((1, 21, 31, 41), 2), TokenPair((1, 22, 32), 2)]


def by_hand(model: LanguageModel, row: TokenPair) -> list[float]:
    """Negative log-probability of every response token, from the whole logits of the row alone."""
    with torch.inference_mode(), compute_context(model.use_bf16, model.device):
        logits = model.module(torch.tensor([row.ids])).logits[0].float()
    logs = logits.log_softmax(dim=-1)
    return [-float(logs[position - 1, row.ids[position]]) for position in range(row.prompt_tokens, len(row.ids))]


def test_the_loss_is_over_responses_alone(decoder_architecture: str) -> None:
    model = tiny(decoder_architecture)

    with torch.inference_mode():
        losses = response_losses(model, ROWS)

    for row, found in zip(ROWS, losses, strict=True):
        expected = by_hand(model, row)
        assert int((found != 0).sum()) == len(expected)
        assert float(found.sum()) == pytest.approx(sum(expected), rel=2e-2)


def test_prompt_tokens_have_no_weight() -> None:
    model = tiny()
    embeddings = model.module.get_input_embeddings().weight
    output = model.module.get_output_embeddings().weight

    response_losses(model, [TokenPair((1, 20, 30, 40), 3)]).sum().backward()

    # The output layer learns of the response's token as what is to be said; every other token is pushed down alike.
    told = (output.grad @ output.new_ones(output.shape[1])).abs()
    assert embeddings.grad[[1, 20, 30]].abs().sum() > 0
    assert embeddings.grad[40].abs().sum() == 0  # read after all that is learned
    assert told.argmax() == 40


def test_the_holdout_loss_is_the_mean_over_tokens_however_many_go_through_at_a_time() -> None:
    model = tiny()
    told: list[int] = []

    whole = holdout_loss(model, ROWS, tokens_per_pass=1000)
    piecewise = holdout_loss(model, ROWS, tokens_per_pass=6, on_rows=told.append)

    tokens = [loss for row in ROWS for loss in by_hand(model, row)]
    assert whole == pytest.approx(sum(tokens) / len(tokens), rel=1e-2)
    assert piecewise == pytest.approx(whole, rel=1e-2)
    assert told == [1, 1, 1]


def test_without_rows_there_is_no_holdout_loss() -> None:
    assert math.isnan(holdout_loss(tiny(), [], tokens_per_pass=10))


def test_an_untrained_model_is_as_puzzled_as_its_vocabulary_is_large() -> None:
    model = tiny()

    found = text_perplexity(model, ["The train was late.", "The door is open."], tokens_per_pass=100)

    assert found == pytest.approx(len(model.tokenizer), rel=0.2)


def test_perplexity_of_a_loss() -> None:
    assert perplexity(0.0) == 1.0
    assert perplexity(math.log(50.0)) == pytest.approx(50.0)
    assert perplexity(1e6) == math.inf
    assert math.isnan(perplexity(math.nan))


@pytest.mark.skipif(not has_bf16("cpu"), reason="this CPU does not compute with bf16")
def test_weights_in_fp32_are_multiplied_in_bf16() -> None:
    model = tiny()
    with compute_context(model.use_bf16, model.device):
        assert model.module(torch.tensor([[1, 2]])).logits.dtype == torch.bfloat16

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ml_backend.encoders.bundle import Head
from ml_backend.encoders.embed import TextEncoder
from ml_backend.errors import TrainingError
from ml_backend.training.data import LabeledTexts
from ml_backend.training.lora import LoraModel, Step, adapted
from tests.tiny_models import BUILDERS
from tests.unit.training.builders import FAST, keyword_data, labeled, tiny_encoder

HEAD = Head(np.random.default_rng(0).normal(size=(3, 16)).astype(np.float32), np.zeros(3, dtype=np.float32))
ROWS = keyword_data(8).train


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> TextEncoder:
    return tiny_encoder(tmp_path_factory.mktemp("models") / "bert")


def train(
    model: LoraModel, rows: LabeledTexts = ROWS, *, epochs: int = 2, seed: int = 1, **settings: object
) -> list[Step]:
    return list(model.train(rows, replace(FAST, **settings), epochs=epochs, seed=seed))


@pytest.mark.parametrize("kind", sorted(BUILDERS))
def test_training_lowers_the_loss_on_every_architecture(kind: str, tmp_path: Path) -> None:
    encoder = tiny_encoder(tmp_path / kind, kind)
    head = Head(np.zeros((3, 16), dtype=np.float32), np.zeros(3, dtype=np.float32))
    with adapted(encoder, head, FAST, seed=1) as model:
        steps = train(model, epochs=10, adapter_learning_rate=2e-2, head_learning_rate=0.5)

        losses = [step.loss for step in steps]
        assert np.mean(losses[-6:]) < 0.75 * np.mean(losses[:3])


def test_fresh_adapters_change_nothing_and_leave_nothing_behind(encoder: TextEncoder) -> None:
    before = encoder.embed(ROWS.texts)

    with adapted(encoder, HEAD, FAST, seed=1) as model:
        np.testing.assert_allclose(model.logits(ROWS.texts), HEAD.logits(before), atol=1e-5)
        train(model)
        assert np.abs(encoder.embed(ROWS.texts) - before).max() > 1e-4

    np.testing.assert_array_equal(encoder.embed(ROWS.texts), before)
    assert not [name for name, _ in encoder.backbone.module.named_parameters() if "lora" in name]


def test_adapters_are_taken_out_after_an_error_too(encoder: TextEncoder) -> None:
    before = encoder.embed(ROWS.texts)

    def interrupted() -> None:
        with adapted(encoder, HEAD, FAST, seed=1) as model:
            train(model)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()

    np.testing.assert_array_equal(encoder.embed(ROWS.texts), before)


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_the_same_seed_gives_the_same_logits_and_another_one_does_not(encoder: TextEncoder, dropout: float) -> None:
    def logits(seed: int) -> np.ndarray:
        with adapted(encoder, HEAD, replace(FAST, lora_dropout=dropout), seed=seed) as model:
            train(model, seed=seed)
            return model.logits(ROWS.texts)

    first = logits(1)

    np.testing.assert_array_equal(logits(1), first)
    assert np.abs(logits(2) - first).max() > 1e-4


def test_training_leaves_the_callers_random_numbers_alone(encoder: TextEncoder) -> None:
    import torch

    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    with adapted(encoder, HEAD, FAST, seed=1) as model:
        train(model)

    assert torch.equal(torch.rand(3), expected)


def test_steps_are_counted_over_all_epochs(encoder: TextEncoder) -> None:
    with adapted(encoder, HEAD, FAST, seed=1) as model:
        steps = train(model, epochs=2)

    assert [step.number for step in steps] == [1, 2, 3, 4, 5, 6]
    assert {step.of for step in steps} == {6}
    assert [step.epoch for step in steps] == [None, None, 1, None, None, 2]
    assert sum(step.rows for step in steps) == 48
    assert max(step.learning_rate for step in steps) == FAST.adapter_learning_rate


def test_a_row_of_weight_0_teaches_nothing(encoder: TextEncoder) -> None:
    texts, indices = ["my card", "my cash", "my card"], [0, 1, 2]

    def logits(wrong: int) -> np.ndarray:
        rows = labeled(texts, [*indices[:2], wrong], [1.0, 1.0, 0.0])
        with adapted(encoder, HEAD, FAST, seed=1) as model:
            train(model, rows)
            return model.logits(texts)

    np.testing.assert_allclose(logits(2), logits(1), atol=1e-6)


def test_only_the_scale_of_weights_relative_to_each_other_matters(encoder: TextEncoder) -> None:
    def logits(scale: float) -> np.ndarray:
        rows = labeled(["my card", "my cash", "refund"], [0, 1, 2], [scale, 2 * scale, scale])
        with adapted(encoder, HEAD, FAST, seed=1) as model:
            train(model, rows)
            return model.logits(rows.texts)

    np.testing.assert_allclose(logits(1.0), logits(10.0), atol=1e-5)
    assert np.abs(logits(1.0) - logits(1.0)).max() == 0


def test_a_loss_that_is_not_finite_says_what_to_lower(encoder: TextEncoder) -> None:
    broken = Head(HEAD.weight * np.float32("nan"), HEAD.bias)

    with (
        adapted(encoder, broken, FAST, seed=1) as model,
        pytest.raises(TrainingError, match=r"the loss is nan at step 1 of 6; .* Lower adapter_learning_rate"),
    ):
        train(model)


def test_a_former_state_comes_back(encoder: TextEncoder) -> None:
    with adapted(encoder, HEAD, FAST, seed=1) as model:
        train(model)
        state, expected = model.state(), model.logits(ROWS.texts)
        train(model)
        assert np.abs(model.logits(ROWS.texts) - expected).max() > 1e-4

        model.restore(state)

        np.testing.assert_array_equal(model.logits(ROWS.texts), expected)


def test_emoji_and_texts_beyond_every_limit_train(encoder: TextEncoder) -> None:
    rows = labeled(["🙂" * 3000, "card " * 5000, "\x00 \u202e cash", "ﷺ" * 10], [0, 1, 2, 0])

    with adapted(encoder, HEAD, FAST, seed=1) as model:
        assert all(np.isfinite(step.loss) for step in train(model, rows))


def test_the_attention_kernel_is_as_it_was_after_training(encoder: TextEncoder) -> None:
    before = encoder.backbone.module.config._attn_implementation

    with adapted(encoder, HEAD, FAST, seed=1) as model:
        steps = model.train(ROWS, FAST, epochs=1, seed=1)
        next(steps)
        within = encoder.backbone.module.config._attn_implementation
        steps.close()

    assert (before, within) == ("sdpa", "eager")
    assert encoder.backbone.module.config._attn_implementation == "sdpa"


def test_a_small_share_is_trained(encoder: TextEncoder) -> None:
    with adapted(encoder, HEAD, FAST, seed=1) as model:
        total = sum(p.numel() for p in encoder.backbone.module.parameters()) + 3 * 17
        trained = sum(tensor.numel() for tensor in model.state().values())

        assert model.trainable_share == pytest.approx(trained / total)


def test_adversarial_steps_learn_something_else_and_leave_no_hook(encoder: TextEncoder) -> None:
    def logits(size: float) -> np.ndarray:
        with adapted(encoder, HEAD, FAST, seed=1) as model:
            train(model, adversarial_size=size)
            return model.logits(ROWS.texts)

    assert np.abs(logits(0.0) - logits(0.1)).max() > 1e-4
    np.testing.assert_array_equal(logits(0.1), logits(0.1))
    assert not encoder.backbone.module.get_input_embeddings()._forward_hooks

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ml_backend.domain.example import Span
from ml_backend.domain.model import Method
from ml_backend.errors import TrainingError
from ml_backend.learning.classification.settings import Hyperparameters, TrainingSettings
from ml_backend.learning.classification.tuned import TunedClassifier
from ml_backend.learning.loop.checkpoints import Checkpoints, EpochCheckpoints
from ml_backend.learning.loop.fit import FitResult, fit, training_steps
from ml_backend.learning.loop.observer import Step
from ml_backend.learning.objectives.base import Objective
from ml_backend.learning.rows.data import LabeledTexts
from ml_backend.learning.rows.encoded import EncodedRows
from ml_backend.models.bundle.head import Head
from ml_backend.models.text.torch_encoder import TextEncoder
from tests.unit.learning.builders import (
    FAST,
    NAMES,
    Interrupter,
    Interruption,
    keyword_data,
    labeled,
    labeled_as,
    tensors_of,
    tiny_encoder,
    topic_data,
)

HEAD = Head(np.random.default_rng(0).normal(size=(3, 16)).astype(np.float32), np.zeros(3, dtype=np.float32))
HYPERPARAMETERS = Hyperparameters(epochs=2, lora_r=2, lora_alpha=4, batch_size=8)
ROWS, VALIDATION = keyword_data(8).train, keyword_data(4).train
State = dict[str, torch.Tensor]
TUNED = [Method.LORA, Method.FULL]


class Tuning:
    """A tuned model with the objective that it was made for."""

    def __init__(self, model: TunedClassifier, objective: Objective, settings: TrainingSettings) -> None:
        self.model = model
        self._objective, self._settings = objective, settings

    def encode(self, rows: LabeledTexts) -> EncodedRows:
        return self._objective.encode(self.model.encoder, rows)

    def steps(self, rows: LabeledTexts = ROWS) -> Iterator[Step]:
        self.model.set_rows(self.encode(rows))
        return training_steps(self.model, self._settings)

    def train(self, rows: LabeledTexts = ROWS) -> list[Step]:
        return list(self.steps(rows))

    def logits(self, rows: LabeledTexts = ROWS) -> np.ndarray:
        return self.model.logits(self.encode(rows).tokenised)


@contextmanager
def tuning(
    encoder: TextEncoder,
    head: Head | None = HEAD,
    *,
    method: Method = Method.LORA,
    kind: str = "softmax",
    rows: LabeledTexts = ROWS,
    settings: TrainingSettings = FAST,
    **hyperparameters: float,
) -> Iterator[Tuning]:
    """Ready to be trained; without a head, with one of zeros."""
    objective = Objective.of(kind, NAMES)
    objective.prepare(encoder, rows)
    if head is None:
        width = encoder.vectors(objective.decoder.tokenise(encoder, rows.texts[:1])).shape[1]
        columns = objective.decoder.columns
        head = Head(np.zeros((columns, width), dtype=np.float32), np.zeros(columns, dtype=np.float32))
    figures = replace(HYPERPARAMETERS, **hyperparameters)
    with TunedClassifier.over(encoder, head, objective, method, settings=settings, hyperparameters=figures) as model:
        yield Tuning(model, objective, settings)


RATES = {"adapter_learning_rate": 2e-2, "full_learning_rate": 5e-3, "head_learning_rate": 0.5}


@pytest.mark.parametrize("method", TUNED)
def test_training_lowers_the_loss_on_every_architecture(architecture: str, method: Method, tmp_path: Path) -> None:
    encoder = tiny_encoder(tmp_path / architecture, architecture)
    before = tensors_of(encoder)

    with tuning(encoder, None, method=method, epochs=10, **RATES) as it:
        losses = [step.loss for step in it.train()]
        if method is Method.FULL:
            moved = [name for name, tensor in tensors_of(encoder).items() if np.abs(tensor - before[name]).max() > 1e-4]
            assert len(moved) >= 8

    assert np.mean(losses[-6:]) < 0.75 * np.mean(losses[:3])
    after = tensors_of(encoder)
    for name, tensor in before.items():
        np.testing.assert_array_equal(after[name], tensor)


@pytest.mark.parametrize(("kind", "method"), [("sigmoid", Method.LORA), ("tags", Method.FULL)])
def test_training_lowers_the_loss_of_the_other_kinds(encoder: TextEncoder, kind: str, method: Method) -> None:
    rows = topic_data(kind, 24).train

    with tuning(encoder, None, method=method, kind=kind, rows=rows, epochs=8, **RATES) as it:
        losses = [step.loss for step in it.train(rows)]

    assert np.mean(losses[-6:]) < 0.75 * np.mean(losses[:3])


@pytest.mark.parametrize("method", TUNED)
def test_what_is_trained_begins_as_the_base_model_and_is_taken_out_also_after_an_error(
    encoder: TextEncoder, method: Method
) -> None:
    before = encoder.embed(ROWS.texts)

    def interrupted() -> None:
        with tuning(encoder, method=method, full_learning_rate=1e-2) as it:
            np.testing.assert_allclose(it.logits(), HEAD.logits(before), atol=1e-5)
            it.train()
            assert np.abs(encoder.embed(ROWS.texts) - before).max() > 1e-4
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()

    np.testing.assert_array_equal(encoder.embed(ROWS.texts), before)
    parameters = dict(encoder.backbone.module.named_parameters())
    assert not [name for name, parameter in parameters.items() if "lora" in name or parameter.requires_grad]
    assert not encoder.backbone.module.training


def test_training_leaves_the_callers_random_numbers_alone(encoder: TextEncoder) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    for method in TUNED:
        with tuning(encoder, method=method, epochs=1) as it:
            it.train()

    assert torch.equal(torch.rand(3), expected)


def test_a_row_of_weight_0_teaches_nothing(encoder: TextEncoder) -> None:
    texts, indices = ["my card", "my cash", "my card"], [0, 1, 2]

    def logits(wrong: int) -> np.ndarray:
        rows = labeled(texts, [*indices[:2], wrong], [1.0, 1.0, 0.0])
        with tuning(encoder) as it:
            it.train(rows)
            return it.logits(rows)

    np.testing.assert_allclose(logits(2), logits(1), atol=1e-6)


def test_only_the_scale_of_weights_relative_to_each_other_matters(encoder: TextEncoder) -> None:
    def logits(scale: float) -> np.ndarray:
        rows = labeled(["my card", "my cash", "refund"], [0, 1, 2], [scale, 2 * scale, scale])
        with tuning(encoder) as it:
            it.train(rows)
            return it.logits(rows)

    np.testing.assert_allclose(logits(1.0), logits(10.0), atol=1e-5)


def test_a_loss_that_is_not_finite_says_what_to_lower(encoder: TextEncoder) -> None:
    broken = Head(HEAD.weight * np.float32("nan"), HEAD.bias)

    said = (
        r"the loss is nan at step 1 of 6; .* Lower the learning rate of the base model \(now 0\.003\) or "
        r"head_learning_rate \(now 0\.01\), or train with method regression"
    )
    with tuning(encoder, broken, adapter_learning_rate=3e-3) as it, pytest.raises(TrainingError, match=said):
        it.train()


@pytest.mark.parametrize("kind", ["sigmoid", "tags"])
def test_sets_and_spans_of_odd_texts_train(encoder: TextEncoder, kind: str) -> None:
    texts = ["🙂" * 3000, "card " * 300, "\x00 \u202e cash", "", "\r\n", "ﷺ" * 10]
    sets = [("card",), ("card", "cash"), (), ("refund",), (), ()]
    spans = [
        (Span(0, 3000, "card"),),
        (Span(5, 9, "card"), Span(1490, 1499, "cash")),
        (Span(4, 8, "cash"),),
        (),
        (),
        (),
    ]
    rows = labeled_as(texts, sets if kind == "sigmoid" else spans)

    with tuning(encoder, None, kind=kind, rows=rows) as it:
        steps = it.train(rows)
        assert all(np.isfinite(step.loss) for step in steps)
        assert np.isfinite(it.logits(rows)).all()


def test_windows_that_hold_nothing_to_tag_are_not_trained_on(encoder: TextEncoder) -> None:
    rows = labeled_as(["my card", "", "  ", "late cash"], [(Span(3, 7, "card"),), (), (), (Span(5, 9, "cash"),)])

    with tuning(encoder, None, kind="tags", rows=rows, epochs=1) as it:
        (step,) = it.train(rows)

    assert step.rows == 2


def test_the_attention_kernel_is_as_it_was_after_training(encoder: TextEncoder) -> None:
    before = encoder.backbone.module.config._attn_implementation

    with tuning(encoder, epochs=1) as it:
        steps = it.steps()
        next(steps)
        within = encoder.backbone.module.config._attn_implementation
        steps.close()

    assert (before, within) == ("sdpa", "eager")
    assert encoder.backbone.module.config._attn_implementation == "sdpa"


def test_a_small_share_is_trained(encoder: TextEncoder) -> None:
    with tuning(encoder) as it:
        total = sum(p.numel() for p in encoder.backbone.module.parameters()) + 3 * 17
        assert it.model.trainable_share == pytest.approx(it.model.count_parameters() / total)
        assert it.model.trainable_share < 0.2


def test_adversarial_steps_learn_something_else_and_leave_no_hook(encoder: TextEncoder) -> None:
    def logits(size: float) -> np.ndarray:
        with tuning(encoder, adversarial_size=size) as it:
            it.train()
            return it.logits()

    assert np.abs(logits(0.0) - logits(0.1)).max() > 1e-4
    assert not encoder.backbone.module.get_input_embeddings()._forward_hooks


@pytest.mark.parametrize(("method", "has_validation"), [(Method.LORA, False), (Method.FULL, True)])
def test_an_interrupted_training_ends_as_one_that_was_not(
    encoder: TextEncoder, method: Method, has_validation: bool, tmp_path: Path
) -> None:
    settings = replace(FAST, lora_dropout=0.2, patience_epochs=4)

    def train(checkpoints: EpochCheckpoints | None = None, *, until: int = 100) -> tuple[FitResult, State]:
        with tuning(encoder, method=method, settings=settings, epochs=4, full_learning_rate=1e-2) as it:
            it.model.set_rows(it.encode(ROWS), it.encode(VALIDATION) if has_validation else None)
            result = fit(it.model, settings, observer=Interrupter(until), checkpoints=checkpoints)
            return result, it.model.state()

    result, state = train()
    checkpoints = Checkpoints(tmp_path, {}).epochs("lora")
    with pytest.raises(Interruption):
        train(checkpoints, until=8)
    resumed, resumed_state = train(checkpoints)

    assert resumed == result
    assert resumed_state.keys() == state.keys()
    assert all(torch.equal(resumed_state[name], state[name]) for name in state)

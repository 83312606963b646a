from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ml_backend.domain.model import Method
from ml_backend.errors import TrainingError
from ml_backend.learning.generation.data import TokenPairs
from ml_backend.learning.generation.loss import holdout_loss
from ml_backend.learning.generation.settings import GenerationSettings
from ml_backend.learning.generation.tuned import TunedLanguageModel
from ml_backend.learning.loop.checkpoints import Checkpoints, EpochCheckpoints
from ml_backend.learning.loop.fit import FitResult, fit, training_steps
from ml_backend.learning.loop.observer import Step
from ml_backend.models.generation.language_model import LanguageModel
from tests.unit.learning.builders import Interrupter, Interruption
from tests.unit.learning.generation.builders import FAST, OTHERS, PAIRS, tiny, tokens

State = dict[str, torch.Tensor]
EMBEDDED = replace(FAST, train_embeddings=True)
FULL = replace(FAST, method=Method.FULL)


def loss_of(model: LanguageModel) -> float:
    return holdout_loss(model, tokens(model).rows, tokens_per_pass=1000)


def train(tuned: TunedLanguageModel, settings: GenerationSettings = FAST, rows: TokenPairs | None = None) -> list[Step]:
    tuned.set_rows(rows or tokens(tuned.model))
    return list(training_steps(tuned, settings))


def state_after(settings: GenerationSettings, *, kind: str = "llama", weight: float = 1.0) -> tuple[list[Step], State]:
    model = tiny(kind)
    rows = tokens(model)
    rows = replace(rows, rows=tuple(replace(row, weight=weight) for row in rows.rows))
    with TunedLanguageModel.over(model, settings) as tuned:
        return train(tuned, settings, rows), tuned.state()


def names_of(tuned: TunedLanguageModel) -> list[str]:
    return [name for name, _ in tuned.parameters()]


@pytest.mark.parametrize("settings", [FAST, EMBEDDED], ids=["lora", "embeddings"])
@pytest.mark.parametrize("is_tied", [False, True], ids=["apart", "tied"])
def test_adapters_change_nothing_at_first_and_leave_nothing_behind(
    decoder_architecture: str, is_tied: bool, settings: GenerationSettings
) -> None:
    model = tiny(decoder_architecture, tied=is_tied)
    before = loss_of(model)
    names = [name for name, _ in model.module.named_parameters()]

    with TunedLanguageModel.over(model, settings) as tuned:
        assert loss_of(model) == before
        train(tuned, settings)
        assert loss_of(model) < before - 0.01

    assert loss_of(model) == before
    assert [name for name, _ in model.module.named_parameters()] == names


@pytest.mark.parametrize("settings", [EMBEDDED, FULL], ids=["lora", "full"])
def test_training_lowers_the_loss(decoder_architecture: str, settings: GenerationSettings) -> None:
    steps, _ = state_after(replace(settings, epochs=8, learning_rate=1e-2), kind=decoder_architecture)

    losses = [step.loss for step in steps]
    assert sum(losses[-3:]) / 3 < 0.8 * sum(losses[:2]) / 2


def test_the_same_seed_gives_the_same_weights_and_another_one_does_not() -> None:
    settings = replace(FAST, lora_dropout=0.2)
    (_, first), (_, again), (_, other) = (state_after(replace(settings, seed=seed)) for seed in (1, 1, 2))

    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_a_step_is_the_same_in_however_many_passes() -> None:
    steps, at_once = state_after(FAST)
    in_passes, piecewise = state_after(replace(FAST, tokens_per_pass=1))

    assert [step.loss for step in in_passes] == pytest.approx([step.loss for step in steps], rel=1e-2)
    for name, weight in at_once.items():
        torch.testing.assert_close(piecewise[name], weight, atol=2e-3, rtol=0.1)


def test_weights_that_are_the_same_for_all_rows_make_no_difference() -> None:
    (_, plain), (_, weighted) = state_after(FAST), state_after(FAST, weight=0.25)

    for name, weight in plain.items():
        torch.testing.assert_close(weighted[name], weight)


def test_a_heavier_row_counts_for_more() -> None:
    model = tiny()
    rows = tokens(model, PAIRS[:2])
    heavy = replace(rows, rows=(replace(rows.rows[0], weight=50.0), rows.rows[1]))
    settings = replace(FAST, epochs=8, learning_rate=1e-2)

    def losses_after(pairs: TokenPairs) -> list[float]:
        with TunedLanguageModel.over(model, settings) as tuned:
            train(tuned, settings, pairs)
            return [holdout_loss(model, [row], tokens_per_pass=1000) for row in rows.rows]

    plain, weighted = losses_after(rows), losses_after(heavy)
    assert weighted[0] < plain[0]
    assert weighted[1] > plain[1]


def test_a_learning_rate_that_is_far_too_high_is_named() -> None:
    with pytest.raises(TrainingError, match=r"the loss is (nan|inf) at step .*Lower learning_rate \(now 1e\+30\)"):
        state_after(replace(FULL, learning_rate=1e30, epochs=20))


def test_the_epoch_with_the_lowest_holdout_loss_is_kept() -> None:
    model, settings = tiny(), replace(FAST, epochs=40, learning_rate=3e-2, patience_epochs=2)
    passes: list[int] = []

    with TunedLanguageModel.over(model, settings) as tuned:
        tuned.set_rows(tokens(model), tokens(model, OTHERS), on_holdout_rows=passes.append)
        result = fit(tuned, settings)
        loss = holdout_loss(model, tokens(model, OTHERS).rows, tokens_per_pass=1000)

    best = min(result.results, key=lambda each: (each.metrics["loss"], -each.epoch))
    assert (result.best, result.epochs) == (best, best.epoch + 2)
    assert loss == pytest.approx(best.metrics["loss"], abs=1e-6)
    assert sum(passes) == result.epochs * len(OTHERS)


@pytest.mark.parametrize(("method", "has_holdout"), [(Method.LORA, False), (Method.FULL, True)])
def test_an_interrupted_training_ends_as_one_that_was_not(method: Method, has_holdout: bool, tmp_path: Path) -> None:
    settings = replace(FAST, method=method, epochs=4, lora_dropout=0.2, patience_epochs=4)

    def tune(checkpoints: EpochCheckpoints | None = None, *, until: int = 100) -> tuple[FitResult, State]:
        model = tiny()
        with TunedLanguageModel.over(model, settings) as tuned:
            tuned.set_rows(tokens(model), tokens(model, OTHERS) if has_holdout else None)
            return fit(tuned, settings, observer=Interrupter(until), checkpoints=checkpoints), tuned.state()

    result, state = tune()
    checkpoints = Checkpoints(tmp_path, {}).epochs("text")
    with pytest.raises(Interruption):
        tune(checkpoints, until=6)
    resumed, resumed_state = tune(checkpoints)

    assert resumed == result
    assert all(torch.equal(resumed_state[name], state[name]) for name in state)


def test_lora_trains_the_layers_alone() -> None:
    with TunedLanguageModel.over(tiny(), FAST) as tuned:
        assert all(".layers." in name and "lora_" in name for name in names_of(tuned))
        assert 0 < tuned.trainable_share < 0.2


def test_embeddings_and_output_are_trained_whole_where_that_is_asked_for() -> None:
    model = tiny()
    with TunedLanguageModel.over(model, EMBEDDED) as tuned:
        whole = {name: weight for name, weight in tuned.parameters() if "lora_" not in name}
        assert len(whole) == 2
        assert {weight.shape for weight in whole.values()} == {model.module.get_input_embeddings().weight.shape}
        before = {name: weight.detach().clone() for name, weight in whole.items()}

        train(tuned, EMBEDDED)

        assert all(not torch.equal(before[name], weight) for name, weight in whole.items())


def test_input_and_output_that_are_one_matrix_stay_one() -> None:
    model = tiny("qwen2", tied=True)
    with TunedLanguageModel.over(model, EMBEDDED) as tuned:
        train(tuned, EMBEDDED)

        assert len([name for name in names_of(tuned) if "lora_" not in name]) == 1
        assert model.module.get_input_embeddings().weight is model.module.get_output_embeddings().weight


def test_full_trains_every_weight_and_the_model_stays_as_trained() -> None:
    model = tiny()
    before = loss_of(model)

    with TunedLanguageModel.over(model, FULL) as tuned:
        assert tuned.trainable_share == 1.0
        train(tuned, FULL)

    assert loss_of(model) < before - 0.01


def test_gradients_are_the_same_with_activations_computed_twice(decoder_architecture: str) -> None:
    def trained(is_checkpointing: bool) -> State:
        model, settings = tiny(decoder_architecture), replace(FAST, gradient_checkpointing=is_checkpointing)
        with TunedLanguageModel.over(model, settings) as tuned:
            train(tuned, settings)
            assert not any(getattr(part, "gradient_checkpointing", False) for part in model.module.modules())
            assert not model.module.training
            return tuned.state()

    torch.testing.assert_close(trained(True), trained(False))


@pytest.mark.parametrize(("setting", "is_checkpointing"), [(None, False), (False, False), (True, True)])
def test_small_models_keep_their_activations_unless_they_are_told_not_to(
    setting: bool | None, is_checkpointing: bool
) -> None:
    model = tiny()
    with TunedLanguageModel.over(model, replace(FAST, gradient_checkpointing=setting)) as tuned, tuned.training():
        assert model.module.is_gradient_checkpointing is is_checkpointing


def test_dropout_is_in_the_adapters_alone_and_ends_with_training() -> None:
    def active() -> list[str]:
        dropouts = [(name, m) for name, m in model.module.named_modules() if isinstance(m, torch.nn.Dropout)]
        return [name for name, dropout in dropouts if dropout.training and dropout.p > 0]

    model = tiny("gpt2")
    settings = replace(FAST, lora_dropout=0.3, gradient_checkpointing=True)
    with TunedLanguageModel.over(model, settings) as tuned:
        with tuned.training():
            within = active()
        assert within
        assert all("lora_dropout" in name for name in within)
        assert not active()

from dataclasses import replace

import pytest
import torch

from ml_backend.learning.generation.loss import holdout_loss
from ml_backend.learning.generation.settings import GenerationSettings, TuningMethod
from ml_backend.learning.generation.steps import Trainer
from ml_backend.learning.generation.tunable import TunableModel, checkpoints_gradients, tunable
from ml_backend.models.generation.language_model import LanguageModel
from tests.unit.learning.generation.builders import FAST, tiny, tokens

KINDS = ["llama", "gpt2", "qwen2"]
EMBEDDED = replace(FAST, train_embeddings=True)
FULL = replace(FAST, method=TuningMethod.FULL)


def loss_of(model: LanguageModel) -> float:
    return holdout_loss(model, tokens(model).rows, tokens_per_pass=1000)


def train(tuned: TunableModel, settings: GenerationSettings = FAST) -> None:
    list(Trainer(tuned, tokens(tuned.model), settings).run())


def names_of(tuned: TunableModel) -> list[str]:
    return [name for name, _ in tuned.parameters()]


@pytest.mark.parametrize("settings", [FAST, EMBEDDED], ids=["lora", "embeddings"])
@pytest.mark.parametrize("is_tied", [False, True], ids=["apart", "tied"])
@pytest.mark.parametrize("kind", KINDS)
def test_adapters_change_nothing_at_first_and_leave_nothing_behind(
    kind: str, is_tied: bool, settings: GenerationSettings
) -> None:
    model = tiny(kind, tied=is_tied)
    before = loss_of(model)
    names = [name for name, _ in model.module.named_parameters()]

    with tunable(model, settings) as tuned:
        assert loss_of(model) == before
        train(tuned, settings)
        assert loss_of(model) < before - 0.01

    assert loss_of(model) == before
    assert [name for name, _ in model.module.named_parameters()] == names


def test_lora_trains_the_layers_alone() -> None:
    with tunable(tiny(), FAST) as tuned:
        assert all(".layers." in name and "lora_" in name for name in names_of(tuned))
        assert 0 < tuned.trainable_share < 0.2


def test_embeddings_and_output_are_trained_whole_where_that_is_asked_for() -> None:
    model = tiny()
    with tunable(model, EMBEDDED) as tuned:
        whole = {name: weight for name, weight in tuned.parameters() if "lora_" not in name}
        assert len(whole) == 2
        assert {weight.shape for weight in whole.values()} == {model.module.get_input_embeddings().weight.shape}
        before = {name: weight.detach().clone() for name, weight in whole.items()}

        train(tuned, EMBEDDED)

        assert all(not torch.equal(before[name], weight) for name, weight in whole.items())


def test_input_and_output_that_are_one_matrix_stay_one() -> None:
    model = tiny("qwen2", tied=True)
    with tunable(model, EMBEDDED) as tuned:
        train(tuned, EMBEDDED)

        assert len([name for name in names_of(tuned) if "lora_" not in name]) == 1
        assert model.module.get_input_embeddings().weight is model.module.get_output_embeddings().weight


def test_full_trains_every_weight_and_the_model_stays_as_trained() -> None:
    model = tiny()
    before = loss_of(model)

    with tunable(model, FULL) as tuned:
        assert tuned.trainable_share == 1.0
        train(tuned, FULL)

    assert loss_of(model) < before - 0.01


def test_a_former_state_can_be_restored() -> None:
    model = tiny()
    with tunable(model, FAST) as tuned:
        before, state = loss_of(model), tuned.state()
        train(tuned)
        assert loss_of(model) != before

        tuned.restore(state)

        assert loss_of(model) == before


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_the_same_with_activations_computed_twice(kind: str) -> None:
    def trained(checkpointing: bool) -> dict[str, torch.Tensor]:
        model = tiny(kind)
        with tunable(model, FAST) as tuned:
            train(tuned, replace(FAST, gradient_checkpointing=checkpointing))
            assert not any(getattr(part, "gradient_checkpointing", False) for part in model.module.modules())
            assert not model.module.training
            return tuned.state()

    torch.testing.assert_close(trained(True), trained(False))


def test_small_models_keep_their_activations() -> None:
    model = tiny()

    assert not checkpoints_gradients(model, FAST)
    assert checkpoints_gradients(model, replace(FAST, gradient_checkpointing=True))


def test_dropout_is_that_of_the_adapters_alone_and_ends_with_training() -> None:
    model = tiny("gpt2")
    with tunable(model, replace(FAST, lora_dropout=0.3)) as tuned:
        with tuned.training_mode(checkpointing=True):
            active = [name for name, module in model.module.named_modules() if _is_active_dropout(module)]
        assert active
        assert all("lora_dropout" in name for name in active)
        assert not [name for name, module in model.module.named_modules() if _is_active_dropout(module)]


def _is_active_dropout(module: torch.nn.Module) -> bool:
    return isinstance(module, torch.nn.Dropout) and module.training and module.p > 0

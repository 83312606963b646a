from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from torch import nn

from ml_backend.learning.classification.low_rank import lean_layers
from ml_backend.models.base.adapters import add_adapter
from tests.unit.learning.builders import tiny_encoder

IDS = torch.tensor([[5, 6, 7, 8], [9, 6, 1, 1]])
MASK = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])


def adapted(folder: Path, kind: str = "bert", dropout: float = 0.0) -> nn.Module:
    """A tiny model with adapters that change what it answers."""
    base = tiny_encoder(folder, kind).backbone.module
    torch.manual_seed(0)
    model = add_adapter(base, rank=2, alpha=4, dropout=dropout)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            nn.init.normal_(parameter, std=0.1)
    return model


def answer_and_gradients(model: nn.Module, *, is_lean: bool, use_bf16: bool = False) -> list[torch.Tensor]:
    """The model's last layer and the gradients of the adapters."""
    model.zero_grad(set_to_none=True)
    with lean_layers(model, use_bf16=use_bf16) if is_lean else nullcontext():
        hidden = model(input_ids=IDS, attention_mask=MASK).last_hidden_state[MASK == 1].float()
        hidden.square().mul(torch.linspace(-1, 1, hidden.shape[1])).sum().backward()
    return [hidden.detach(), *(p.grad for p in model.parameters() if p.grad is not None)]


def lora_layers(model: nn.Module) -> list[nn.Module]:
    return [module for name, module in model.named_modules() if hasattr(module, "lora_A")]


def test_the_answer_and_the_gradients_are_those_of_peft_on_every_architecture(
    architecture: str, tmp_path: Path
) -> None:
    model = adapted(tmp_path, architecture)

    expected, found = (answer_and_gradients(model, is_lean=is_lean) for is_lean in (False, True))

    assert len(expected) == len(found) == 1 + 2 * len(lora_layers(model))
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)


def test_in_bf16_both_are_the_same_up_to_rounding(tmp_path: Path) -> None:
    model = adapted(tmp_path)

    expected = answer_and_gradients(model, is_lean=False)
    found = answer_and_gradients(model, is_lean=True, use_bf16=True)

    for ours, theirs in zip(found, expected, strict=True):
        assert ours.dtype == torch.float32
        assert (ours - theirs).norm() < 0.05 * theirs.norm()


def test_frozen_weights_are_bf16_within_and_untouched_after_an_error(tmp_path: Path) -> None:
    def dtypes(model: nn.Module, *, is_trained: bool) -> set[torch.dtype]:
        return {p.dtype for p in model.parameters() if p.requires_grad is is_trained}

    def interrupted(model: nn.Module) -> None:
        with lean_layers(model, use_bf16=True):
            assert dtypes(model, is_trained=False) == {torch.bfloat16}
            assert dtypes(model, is_trained=True) == {torch.float32}
            raise KeyboardInterrupt

    model = adapted(tmp_path)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    with pytest.raises(KeyboardInterrupt):
        interrupted(model)

    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, before[name])
    assert not [layer for layer in lora_layers(model) if "forward" in vars(layer)]


@pytest.mark.parametrize(("dropout", "is_taken_over"), [(0.0, True), (0.1, False)])
def test_adapters_with_dropout_are_left_to_peft(tmp_path: Path, dropout: float, is_taken_over: bool) -> None:
    model = adapted(tmp_path, dropout=dropout)

    with lean_layers(model, use_bf16=False):
        assert {"forward" in vars(layer) for layer in lora_layers(model)} == {is_taken_over}


def test_a_model_without_adapters_is_left_as_it_is(tmp_path: Path) -> None:
    module = tiny_encoder(tmp_path / "bert").backbone.module

    with lean_layers(module, use_bf16=True):
        assert {parameter.dtype for parameter in module.parameters()} == {torch.float32}

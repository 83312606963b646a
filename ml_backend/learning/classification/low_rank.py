"""Adapters computed with few and large matrix products, over frozen weights that are kept in bf16 while they train.

peft computes an adapter apart from the layer that it adapts, and autocast casts every frozen weight anew in every step.
Here one function does both parts of a layer, forward and backward; source of the mathematics: Hu et al. 2021, "LoRA:
Low-Rank Adaptation of Large Language Models". The parameters stay peft's, in fp32.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch import nn

__all__ = ["lean_layers"]


@contextmanager
def lean_layers(module: "nn.Module", *, use_bf16: bool) -> Iterator[None]:
    """Steps within are faster and give the same, up to rounding; with the block everything is as it was before.

    Nothing happens to a module without adapters, where all weights are trained. Adapters with dropout are left to peft.

    Args:
        use_bf16: frozen weights are bf16 within the block, so that nothing is cast in a step.
    """
    layers = [layer for layer in module.modules() if _is_plain_adapter(layer)]
    with ExitStack() as stack:
        if layers and use_bf16:
            stack.enter_context(_frozen_in_bf16(module))
        for layer in layers:
            layer.forward = _forward_of(layer)
            stack.callback(delattr, layer, "forward")
        yield


@contextmanager
def _frozen_in_bf16(module: "nn.Module") -> Iterator[None]:
    import torch

    frozen = [(parameter, parameter.data) for parameter in module.parameters() if not parameter.requires_grad]
    try:
        for parameter, data in frozen:
            parameter.data = data.to(torch.bfloat16)
        yield
    finally:
        for parameter, data in frozen:
            parameter.data = data


def _is_plain_adapter(layer: "nn.Module") -> bool:
    from peft.tuners.lora import Linear
    from torch import nn

    return type(layer) is Linear and all(isinstance(each, nn.Identity) for each in layer.lora_dropout.values())


def _forward_of(layer: Any) -> "Callable[..., torch.Tensor]":
    """Compute what a layer of peft computes with its only adapter."""
    (name,) = layer.active_adapters
    base, down, up = layer.base_layer, layer.lora_A[name].weight, layer.lora_B[name].weight
    scale, is_transposed = layer.scaling[name], layer.fan_in_fan_out
    apply = _adapted_linear().apply

    def forward(inputs: "torch.Tensor", *_: object, **__: object) -> "torch.Tensor":
        weight = base.weight.t() if is_transposed else base.weight
        adapted: torch.Tensor = apply(inputs, down, up, (weight, base.bias, scale))
        return adapted

    return forward


@cache
def _adapted_linear() -> Any:
    """The function of a layer with its adapter; made when first asked for, since its base class is torch's."""
    import torch

    class AdaptedLinear(torch.autograd.Function):
        """`inputs @ weight.T + bias + scale * inputs @ down.T @ up.T`, in the precision of the weight."""

        @staticmethod
        def forward(
            context: Any,
            inputs: "torch.Tensor",
            down: "torch.Tensor",
            up: "torch.Tensor",
            frozen: "tuple[torch.Tensor, torch.Tensor | None, float]",
        ) -> "torch.Tensor":
            weight, bias, scale = frozen
            dtype = weight.dtype
            rows = inputs.reshape(-1, inputs.shape[-1]).to(dtype)
            down, up = down.to(dtype), (up * scale).to(dtype)
            within = rows @ down.t()
            output = rows @ weight.t() if bias is None else torch.addmm(bias, rows, weight.t())
            output.addmm_(within, up.t())
            context.save_for_backward(rows, weight, down, up, within)
            context.scale, context.shape, context.dtype = scale, inputs.shape, inputs.dtype
            return output.view(*inputs.shape[:-1], -1)

        @staticmethod
        def backward(context: Any, *gradients: "torch.Tensor") -> Any:
            rows, weight, down, up, within = context.saved_tensors
            gradient = gradients[0].reshape(-1, gradients[0].shape[-1]).to(weight.dtype)
            within_gradient = gradient @ up
            inputs_gradient = None
            if context.needs_input_grad[0]:
                inputs_gradient = (gradient @ weight).addmm_(within_gradient, down)
                inputs_gradient = inputs_gradient.view(context.shape).to(context.dtype)
            down_gradient = (within_gradient.t() @ rows).float()
            # With the long side last a product takes two thirds of the time.
            up_gradient = (within.t() @ gradient).t().to(torch.float32, memory_format=torch.contiguous_format)
            up_gradient.mul_(context.scale)
            return inputs_gradient, down_gradient, up_gradient, None

    return AdaptedLinear

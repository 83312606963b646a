"""The methods of a model that the training loop calls."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch import nn

__all__ = ["Trainable"]


class Trainable(ABC):
    """A model with its training rows.

    It can be pickled, for the processes that train a copy of it, which evaluate nothing.

    Attributes:
        device: where it computes, as torch names it.
        lengths: tokens per training row; the loop asks for batches by positions in this.
        epochs: passes over the rows, at most.
        batch_size: rows per step.
        has_fused_optimizer: True where one kernel updates all parameters at once, which is faster on the CPU too.
    """

    device: str
    lengths: Sequence[int]
    epochs: int
    batch_size: int
    has_fused_optimizer: bool = False

    @abstractmethod
    def parameters(self) -> "Iterator[tuple[str, nn.Parameter]]":
        """Parameters that training changes, by name, in a fixed order."""

    @abstractmethod
    def parameter_groups(self) -> list[dict[str, Any]]:
        """The same parameters for AdamW; `lr` of a group is its peak rate."""

    @abstractmethod
    def training(self) -> AbstractContextManager[Callable[[Sequence[int]], float]]:
        """Set the model to training within the block.

        The block gets a function that adds the gradients of the rows at some positions, and returns their loss.
        """

    def loss_weight(self, positions: Sequence[int]) -> float:
        """Return what the losses of the rows at some positions are divided by; a sum over rows, 0 or more."""
        return float(len(positions))

    @abstractmethod
    def evaluate(self) -> tuple[float, Mapping[str, float]] | None:
        """Score on the validation rows, the higher the better, and figures to record; None without such rows."""

    @property
    @abstractmethod
    def rates_to_lower(self) -> str:
        """Advice for the case that the loss is no longer finite, with the learning rates that the settings give."""

    def state(self) -> "dict[str, torch.Tensor]":
        """A copy of everything that training changes, in the memory of the CPU."""
        return {name: parameter.detach().to("cpu", copy=True) for name, parameter in self.parameters()}

    def restore(self, state: "Mapping[str, torch.Tensor]") -> None:
        """Return to a former state."""
        import torch

        with torch.no_grad():
            for name, parameter in self.parameters():
                parameter.copy_(state[name])

    def count_parameters(self) -> int:
        """Numbers that training changes."""
        return sum(parameter.numel() for _, parameter in self.parameters())

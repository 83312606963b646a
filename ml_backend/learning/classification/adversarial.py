"""Adversarial training: the same batch again, its word vectors moved a little to where the loss rises fastest.

Source: Miyato, Dai, Goodfellow 2017, "Adversarial Training Methods for Semi-Supervised Text Classification".
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

__all__ = ["word_vectors"]


class WordVectors:
    """Sees and moves the word vectors of forward passes, by a hook on the base model's embedding."""

    def __init__(self) -> None:
        self._vectors: torch.Tensor | None = None
        self._shift: torch.Tensor | None = None
        self._is_watching = False

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Forward passes within take part in the gradient from the word vectors on."""
        self._is_watching = True
        try:
            yield
        finally:
            self._is_watching = False

    @contextmanager
    def shifted(self, mask: "torch.Tensor", *, size: float) -> Iterator[None]:
        """Forward passes within see the watched vectors, moved along their gradient.

        Args:
            mask: 1 for real tokens, shape (N, T); the others stay where they are.
            size: length of a text's shift, as a share of the length of all its word vectors together.
        """
        vectors = self._vectors
        if vectors is not None and vectors.grad is not None:
            real = mask.unsqueeze(-1).to(vectors.dtype)
            uphill, length = vectors.grad * real, (vectors.detach() * real).flatten(1).norm(dim=1)
            steepness = uphill.flatten(1).norm(dim=1).clamp(min=1e-12)
            self._shift = uphill * (size * length / steepness)[:, None, None]
        try:
            yield
        finally:
            self._vectors = self._shift = None

    def hook(self, _module: Any, _inputs: Any, output: "torch.Tensor") -> "torch.Tensor":
        """What the embedding answers instead of `output`."""
        if self._is_watching:
            self._vectors = output.detach().requires_grad_(True)
            return self._vectors
        return output if self._shift is None else output + self._shift


@contextmanager
def word_vectors(module: Any) -> Iterator[WordVectors]:
    """The word vectors of a transformers model; with the block the hook goes."""
    vectors = WordVectors()
    handle = module.get_input_embeddings().register_forward_hook(vectors.hook)
    try:
        yield vectors
    finally:
        handle.remove()

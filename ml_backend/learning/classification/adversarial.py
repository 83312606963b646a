"""Adversarial training: the same batch again, its word vectors moved a little to where the loss rises fastest.

Source: Miyato, Dai, Goodfellow 2017, "Adversarial Training Methods for Semi-Supervised Text Classification".
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    import torch

__all__ = ["WordVectors"]


class WordVectors:
    """The word vectors of a transformers model's forward passes, seen and moved within a block.

    It works by a hook on the model's embedding, which is removed with the block.
    """

    def __init__(self, module: Any) -> None:
        self._embedding = module.get_input_embeddings()
        self._vectors: torch.Tensor | None = None
        self._shift: torch.Tensor | None = None
        self._is_watching = False

    def __enter__(self) -> Self:
        self._handle = self._embedding.register_forward_hook(self._hook)
        return self

    def __exit__(self, *_: object) -> None:
        self._handle.remove()

    def add_gradients(self, compute_loss: "Callable[[], torch.Tensor]", mask: "torch.Tensor", *, size: float) -> float:
        """Add the gradients of a loss and, for a size above 0, of the loss under shifted word vectors.

        Args:
            mask: see `shifted`, and `size` too.

        Returns:
            The plain loss.
        """
        import torch

        if size == 0:
            loss = compute_loss()
            torch.autograd.backward(loss)
            return float(loss.detach())
        with self.watched():
            loss = compute_loss()
        torch.autograd.backward(loss)
        with self.shifted(mask, size=size):
            torch.autograd.backward(compute_loss())
        return float(loss.detach())

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Forward passes within the block take part in the gradient from the word vectors on."""
        self._is_watching = True
        try:
            yield
        finally:
            self._is_watching = False

    @contextmanager
    def shifted(self, mask: "torch.Tensor", *, size: float) -> Iterator[None]:
        """Forward passes within the block see the watched vectors, moved along their gradient.

        Args:
            mask: 1 for real tokens, shape (N, T); the others stay where they are.
            size: length of a text's shift, as a share of the length of one of its word vectors: however long the text
                is, a few words tell its class, and most of the shift is theirs.
        """
        vectors = self._vectors
        if vectors is not None and vectors.grad is not None:
            real = mask.unsqueeze(-1).to(vectors.dtype)
            uphill, tokens = vectors.grad * real, real.sum(dim=(1, 2)).clamp(min=1.0)
            length = (vectors.detach() * real).flatten(1).norm(dim=1) / tokens.sqrt()
            steepness = uphill.flatten(1).norm(dim=1).clamp(min=1e-12)
            self._shift = uphill * (size * length / steepness)[:, None, None]
        try:
            yield
        finally:
            self._vectors = self._shift = None

    def _hook(self, _module: Any, _inputs: Any, output: "torch.Tensor") -> "torch.Tensor":
        """Return what the embedding gives in place of `output`."""
        if self._is_watching:
            self._vectors = output.detach().requires_grad_(True)
            return self._vectors
        return output if self._shift is None else output + self._shift

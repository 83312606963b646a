"""Token ids as the tensors that go through a model: their batches, their padding, and the precision of computing."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    import torch

__all__ = ["compute_context", "padded", "token_batches"]


def token_batches(lengths: Sequence[int], *, tokens_per_batch: int) -> Iterator[list[int]]:
    """Indices in batches of like length, longest first, each at most `tokens_per_batch` tokens with its padding.

    A text that is longer than a batch by itself gets one to itself. Of equal lengths the earlier index comes first.
    """
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if batch and (len(batch) + 1) * lengths[batch[0]] > tokens_per_batch:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


def padded(
    rows: Sequence[Sequence[int]], pad_id: int, device: str = "cpu", *, on_left: bool = False
) -> "tuple[torch.Tensor, torch.Tensor]":
    """Token ids filled up to the longest row and their attention mask, both (N, T) of int64, on the device.

    Args:
        on_left: fill up before the tokens rather than after them, so that generation continues every row from the
            last column.
    """
    import torch

    longest = max(len(row) for row in rows)
    ids = torch.full((len(rows), longest), pad_id, dtype=torch.long)
    mask = torch.zeros((len(rows), longest), dtype=torch.long)
    for index, row in enumerate(rows):
        place = slice(longest - len(row), longest) if on_left else slice(len(row))
        ids[index, place] = torch.tensor(row, dtype=torch.long)
        mask[index, place] = 1
    return ids.to(device), mask.to(device)


def compute_context(use_bf16: bool, device: str = "cpu") -> "AbstractContextManager[object]":
    """The precision that matrix products run in: bf16 by autocast, or the one that the weights are held in."""
    import torch

    return torch.autocast(torch.device(device).type, dtype=torch.bfloat16, enabled=use_bf16)

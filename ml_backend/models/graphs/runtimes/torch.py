"""Models computed by torch: for those that cannot be exported, and on GPUs."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ....arrays import Floats2d
from ...base.token_batches import compute_context, padded, token_batches
from .base import Runtime

if TYPE_CHECKING:
    from ...text.torch_encoder import TextEncoder

__all__ = ["TorchRuntime"]


class TorchRuntime(Runtime):
    """The backbone of an encoder, adapters merged."""

    name = "torch"

    def __init__(self, encoder: "TextEncoder") -> None:
        self._encoder = encoder
        self.tokens_per_batch = encoder.tokens_per_batch
        self.memory_bytes = sum(each.nbytes for each in encoder.backbone.module.parameters())

    def hidden(self, sequences: Sequence[Sequence[int]]) -> list[Floats2d]:
        import torch

        outputs: list[Floats2d] = [None] * len(sequences)  # type: ignore[list-item]  # every one is filled in below
        encoder = self._encoder
        for batch in token_batches([len(sequence) for sequence in sequences], tokens_per_batch=self.tokens_per_batch):
            ids, mask = padded([sequences[i] for i in batch], encoder.pad_id, encoder.device)
            with torch.inference_mode(), compute_context(encoder.use_bf16, encoder.device):
                hidden = encoder.backbone.module(input_ids=ids, attention_mask=mask).last_hidden_state
            vectors = hidden.float().cpu().numpy()
            for row, member in enumerate(batch):
                outputs[member] = vectors[row, : len(sequences[member])]
        return outputs

    def close(self) -> None:
        """The memory goes with the last reference to this."""

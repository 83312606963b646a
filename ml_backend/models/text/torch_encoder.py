"""Vectors of the last layer as torch computes them, scaled to length 1: the mean over a text, or over a piece of it."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from ...arrays import Floats2d, Places
from ..base.base_model import DEFAULT_BASE_MODEL, Backbone, load_backbone
from ..base.device import has_bf16, pick_device
from ..base.token_batches import compute_context, padded, token_batches
from ..base.tokeniser import tokeniser_of
from .encoder import Encoder
from .tokenised import TokenisedTexts

if TYPE_CHECKING:
    import torch

__all__ = ["TextEncoder", "unit_vectors"]

TOKENS_PER_BATCH, TOKENS_PER_BATCH_ON_CUDA = 2048, 65536


class TextEncoder(Encoder):
    """A backbone that torch computes. Safe to use from several threads.

    Args:
        max_length_tokens: longer texts are cut; bounded by what the backbone can read.
        use_bf16: None: where the device computes with it natively, which is then faster at no measured loss.
        device: as torch names it; None: the one that `pick_device` finds. The backbone is moved there.
    """

    def __init__(
        self,
        backbone: Backbone,
        *,
        max_length_tokens: int = Encoder.DEFAULT_MAX_LENGTH_TOKENS,
        use_bf16: bool | None = None,
        device: str | None = None,
    ) -> None:
        super().__init__(
            tokeniser_of(backbone.tokenizer, backbone.name),
            min(max_length_tokens, backbone.max_length_tokens or max_length_tokens),
        )
        self.backbone = backbone
        self.device = pick_device() if device is None else device
        self.use_bf16 = has_bf16(self.device) if use_bf16 is None else use_bf16
        backbone.module.to(self.device)

    @classmethod
    def load(
        cls, base_model: str = DEFAULT_BASE_MODEL, *, max_length_tokens: int = Encoder.DEFAULT_MAX_LENGTH_TOKENS
    ) -> "TextEncoder":
        """An encoder by the base model's name or folder.

        Raises:
            EncoderError: see `load_backbone`.
        """
        return cls(load_backbone(base_model), max_length_tokens=max_length_tokens)

    @property
    def width(self) -> int:
        return self.backbone.hidden_size

    @property
    def tokens_per_batch(self) -> int:
        """Tokens, with padding, that the device computes at a time."""
        return TOKENS_PER_BATCH_ON_CUDA if self.device.startswith("cuda") else TOKENS_PER_BATCH

    def vectors(self, tokenised: TokenisedTexts, *, on_rows: Callable[[int], None] | None = None) -> Floats2d:
        import torch

        matrix = np.zeros((tokenised.pieces, self.width), dtype=np.float32)
        done = 0
        lengths = [len(row) for row in tokenised.sequences]
        for batch in token_batches(lengths, tokens_per_batch=self.tokens_per_batch):
            ids, mask = padded([tokenised.sequences[i] for i in batch], self.pad_id, self.device)
            with torch.inference_mode(), compute_context(self.use_bf16, self.device):
                features = unit_vectors(self.backbone.module, ids, mask, tokenised.places_of(batch))
            matrix[tokenised.pieces_of_sequences(batch)] = features.float().cpu().numpy()
            done += len(batch)
            if on_rows is not None:
                on_rows(done)
        return matrix if tokenised.added is None else np.concatenate([matrix, tokenised.added], axis=1)


def unit_vectors(
    module: "torch.nn.Module", ids: "torch.Tensor", mask: "torch.Tensor", places: Places | None
) -> "torch.Tensor":
    """Means over the last layer's vectors of the tokens that a head reads, of length 1, shape (U, D), in fp32.

    Args:
        ids: shape (N, T), as is `mask`, which is 1 for real tokens.
        places: the tokens of each unit; None: all real ones of each row.
    """
    import torch
    from torch.nn import functional

    hidden: torch.Tensor = module(input_ids=ids, attention_mask=mask).last_hidden_state
    if places is None:
        weights = mask.unsqueeze(-1).to(torch.float32)
        mean = (hidden.float() * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1.0)
        return functional.normalize(mean, dim=1)
    rows, firsts, ends = (torch.from_numpy(place).to(hidden.device) for place in places)
    # Sums up to each token: the sum over a unit is a difference of two.
    sums = functional.pad(hidden.float().cumsum(dim=1), (0, 0, 1, 0))
    mean = (sums[rows, ends] - sums[rows, firsts]) / (ends - firsts).unsqueeze(-1)
    return functional.normalize(mean, dim=1)

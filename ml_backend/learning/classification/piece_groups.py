"""The pieces of the texts of a batch, pooled in a way that gradients go through."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...arrays import Ints
from ...models.text.pooling import Pooling
from ...models.text.tokenised import TokenisedTexts

if TYPE_CHECKING:
    import torch

__all__ = ["PieceGroups"]


@dataclass(frozen=True, slots=True, eq=False)
class PieceGroups:
    """Which pieces are of the same field of the same text; tensors are on one device.

    Attributes:
        group: per piece the number of its group, shape (P,), as is `field`.
        sizes: pieces per group, shape (G,), as is `text`: the number of the text that the group is of.
    """

    group: "torch.Tensor"
    field: "torch.Tensor"
    sizes: "torch.Tensor"
    text: "torch.Tensor"
    pooling: Pooling
    texts: int
    field_count: int

    @classmethod
    def of(cls, tokenised: TokenisedTexts, pooling: Pooling, device: str) -> "PieceGroups":
        """The groups of texts that are units."""
        import torch

        firsts, texts, fields = tokenised.groups
        sizes = np.diff(np.append(firsts, len(tokenised.sequences)))
        group = np.repeat(np.arange(len(firsts)), sizes)

        def tensor(values: Ints) -> torch.Tensor:
            return torch.from_numpy(values).to(device)

        return cls(
            tensor(group),
            tensor(fields[group]),
            tensor(sizes),
            tensor(texts),
            pooling,
            tokenised.texts,
            tokenised.field_count,
        )

    def pooled(self, features: "torch.Tensor", weight: "torch.Tensor") -> "torch.Tensor":
        """Logits per text without the bias, shape (N, K): what `pooled_logits` computes without gradients.

        Args:
            features: of the pieces, shape (P, D).
            weight: shape (K, fields * D).
        """
        import torch

        by_field = weight.view(len(weight), self.field_count, -1)
        # Every piece by all fields' parts of the weight, of which its own is taken: there are few fields.
        all_logits = torch.einsum("pd,kfd->pfk", features, by_field)
        logits = all_logits[torch.arange(len(features), device=features.device), self.field]
        groups = logits.new_zeros((len(self.sizes), len(weight)))
        counts = self.sizes.unsqueeze(1).to(logits.dtype)
        if self.pooling is Pooling.MEAN:
            pooled = groups.index_add(0, self.group, logits) / counts
        else:
            index = self.group.unsqueeze(1).expand_as(logits)
            largest = groups.scatter_reduce(0, index, logits.detach(), "amax", include_self=False)
            powers = torch.exp(logits - largest[self.group])
            pooled = largest + torch.log(groups.index_add(0, self.group, powers) / counts)
        return logits.new_zeros((self.texts, len(weight))).index_add(0, self.text, pooled)

"""Encoded rows cut into the batches that training steps see."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...arrays import Places
from ...models.text.torch_encoder import padded
from .encoded import EncodedRows

if TYPE_CHECKING:
    import torch

__all__ = ["Batch", "Batches"]


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Token sequences and what the head should answer to their units; tensors are on one device.

    Attributes:
        ids: shape (N, T), `mask` likewise: 1 for real tokens.
        places: where the units are read; None: every sequence is one.
        added: features beside the model's, shape (U, S); None: there are none.
        codes: per unit, see the objective, and `weights` the factors on their losses.
    """

    ids: "torch.Tensor"
    mask: "torch.Tensor"
    places: Places | None
    added: "torch.Tensor | None"
    codes: "torch.Tensor"
    weights: "torch.Tensor"

    @property
    def rows(self) -> int:
        """How many sequences there are."""
        return len(self.ids)


class Batches:
    """Gives the sequences of encoded rows as tensors.

    Attributes:
        lengths: tokens per sequence that holds anything to learn; batches are asked for by positions in this.
    """

    def __init__(self, encoded: EncodedRows, *, pad_id: int, device: str) -> None:
        import torch

        reading = encoded.reading
        self._reading, self._pad_id, self._device = reading, pad_id, device
        self._codes = torch.from_numpy(encoded.codes).to(device)
        self._weights = torch.from_numpy(encoded.unit_weights / encoded.rows.weights.mean()).float().to(device)
        self._added = None if reading.added is None else torch.from_numpy(reading.added).to(device)
        self._read = [i for i in range(len(reading.sequences)) if len(reading.units_of_sequences([i]))]
        self.lengths = [len(reading.sequences[i]) for i in self._read]

    def take(self, positions: Sequence[int]) -> Batch:
        """The sequences at these positions."""
        import torch

        members = [self._read[i] for i in positions]
        ids, mask = padded([self._reading.sequences[i] for i in members], self._pad_id, self._device)
        units = torch.from_numpy(self._reading.units_of_sequences(members)).to(self._device)
        added = None if self._added is None else self._added[units]
        return Batch(ids, mask, self._reading.places_of(members), added, self._codes[units], self._weights[units])

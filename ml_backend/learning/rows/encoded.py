"""Rows as a head learns them: tokenised once, with what it should answer."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...arrays import Codes, Floats, Ints
from ...models.text.tokenised import TokenisedTexts
from .data import LabeledTexts

__all__ = ["EncodedRows"]


@dataclass(frozen=True, slots=True, eq=False)
class EncodedRows:
    """Rows, what a head reads of them, and what it should answer.

    Attributes:
        codes: per unit of the texts; see the objective that made them.
    """

    rows: LabeledTexts
    tokenised: TokenisedTexts
    codes: Codes

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def unit_weights(self) -> Floats:
        """Factor on the loss per unit, shape (U,): that of its row."""
        return np.repeat(self.rows.weights, np.diff(self.tokenised.unit_starts))

    def take(self, positions: Sequence[int] | Ints) -> "EncodedRows":
        """The rows at these positions, in their order."""
        units = self.tokenised.units_of(positions)
        return EncodedRows(self.rows.take(positions), self.tokenised.take(positions), self.codes[units])

    def sample(self, most_pieces: int, rng: np.random.Generator, *, kept: int = 0) -> Ints:
        """Positions of rows, drawn at random, that have at most so many pieces together; at least one.

        Args:
            kept: the last so many rows are among them.
        """
        counts = np.diff(self.tokenised.piece_starts)
        if counts.sum() <= most_pieces:
            return np.arange(len(self))
        order = np.concatenate([np.arange(len(self) - kept, len(self)), rng.permutation(len(self) - kept)])
        return np.sort(order[: max(int((np.cumsum(counts[order]) <= most_pieces).sum()), kept + 1)])

    def with_sequences(self, chosen: Ints) -> "EncodedRows":
        """The same rows, of which these sequences alone are read; at least one of each text."""
        return replace(self, tokenised=self.tokenised.with_sequences(chosen))

    def weighted(self, weights: Floats) -> "EncodedRows":
        """The same rows with other weights, shape (N,)."""
        return replace(self, rows=replace(self.rows, weights=weights))

"""Votes of label sources on texts, as columns of numbers."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ..arrays import Bools, Ints

__all__ = ["Votes"]


@dataclass(frozen=True, slots=True, eq=False)
class Votes:
    """Votes in the order of rows, then of sources; all of shape (V,).

    Attributes:
        row: number of the text.
        source: number of the source.
        label: number of the label in its control's order.
        start: first character of the piece that is meant, 0 for whole texts.
        end: position after its last character, 0 for whole texts.
    """

    row: Ints
    source: Ints
    label: Ints
    start: Ints
    end: Ints

    @classmethod
    def of(cls, votes: Ints) -> "Votes":
        """Return votes given in any order, shape (V, 5): row, source, label, start and end.

        One that is given twice counts once.
        """
        ordered = votes[np.lexsort(votes.T[::-1])]
        is_new = np.ones(len(ordered), dtype=np.bool_)
        is_new[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
        return cls(*ordered[is_new].T)

    def __len__(self) -> int:
        return len(self.row)

    def where(self, chosen: Bools) -> "Votes":
        """Return the chosen ones of them."""
        return Votes(*(column[chosen] for column in (self.row, self.source, self.label, self.start, self.end)))

    def of_sources(self, sources: Iterable[int]) -> "Votes":
        """Return those of these sources."""
        return self.where(np.isin(self.source, np.fromiter(sources, dtype=np.int64)))

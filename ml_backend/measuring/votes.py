"""Votes of label sources on texts, as columns of numbers."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from ..arrays import Bools, Ints

__all__ = ["VotedPart", "Votes"]

VotedPart: TypeAlias = tuple[int, int, int]
"""The number of a label, and start and end of the piece that it is about; 0 and 0 for whole texts."""


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

    def with_more(self, votes: Sequence[tuple[int, int, int, int, int]]) -> "Votes":
        """Return these and others: row, source, label, start and end of each."""
        columns = np.stack([self.row, self.source, self.label, self.start, self.end], axis=1)
        return Votes.of(np.concatenate([columns, np.array(votes, dtype=np.int64).reshape(-1, 5)]))

    def listed(self) -> Iterator[tuple[int, int, VotedPart]]:
        """Yield row, source and what the source says of each vote."""
        columns = (column.tolist() for column in (self.row, self.source, self.label, self.start, self.end))
        return ((row, source, (label, start, end)) for row, source, label, start, end in zip(*columns, strict=True))

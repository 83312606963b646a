"""Token sequences of any length side by side in rows, so that hardly anything computed is padding.

Source: Krell et al. 2021, "Efficient Sequence Packing without Cross-contamination"; rows are filled first fit
decreasing, and a mask keeps the sequences of a row from seeing each other.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ...arrays import Floats2d, Ints

__all__ = ["PackedRow", "feed", "rows_of", "unpacked"]


@dataclass(slots=True)
class PackedRow:
    """Sequences that share a row.

    Attributes:
        members: their positions in what was packed, in the order that they stand in.
        tokens: how many they have together.
    """

    members: list[int]
    tokens: int


def rows_of(lengths: Sequence[int], row_tokens: int) -> list[PackedRow]:
    """The rows that sequences of these lengths fill, fullest first; a longer sequence has a row for itself."""
    rows: list[PackedRow] = []
    first_open = 0
    for member in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        length = lengths[member]
        row = next((each for each in rows[first_open:] if each.tokens + length <= row_tokens), None)
        if row is None:
            rows.append(PackedRow([member], length))
        else:
            row.members.append(member)
            row.tokens += length
        while first_open < len(rows) and rows[first_open].tokens >= row_tokens - 1:
            first_open += 1
    return sorted(rows, key=lambda row: -row.tokens)


def feed(
    sequences: Sequence[Sequence[int]], rows: Sequence[PackedRow], *, shape: tuple[int, int], pad_id: int
) -> tuple[Ints, Ints, Ints]:
    """Token ids, positions within the sequence, and the number of the sequence within its row from 1.

    All of the shape given, which holds the rows; 0 stands for padding in the third.
    """
    ids = np.full(shape, pad_id, dtype=np.int64)
    positions, numbers = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
    for r, row in enumerate(rows):
        start = 0
        for number, member in enumerate(row.members, start=1):
            end = start + len(sequences[member])
            ids[r, start:end] = sequences[member]
            positions[r, start:end] = np.arange(end - start)
            numbers[r, start:end] = number
            start = end
    return ids, positions, numbers


def unpacked(
    computed: Floats2d, rows: Sequence[PackedRow], sequences: Sequence[Sequence[int]]
) -> Iterator[tuple[int, Floats2d]]:
    """Position and vectors, shape (T, D), of every sequence of these rows, as views.

    Args:
        computed: shape (rows or more, tokens, D), from what `feed` gave for the rows.
    """
    for r, row in enumerate(rows):
        start = 0
        for member in row.members:
            end = start + len(sequences[member])
            yield member, computed[r, start:end]
            start = end

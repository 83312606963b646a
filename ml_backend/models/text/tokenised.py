"""Tokenised texts, and what of them a head reads."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ...arrays import Floats2d, Ints, Places

__all__ = ["TokenisedTexts"]


@dataclass(frozen=True, eq=False)
class TokenisedTexts:
    """Texts as token sequences, and the units that a head answers: a whole text, or a piece of one.

    Sequences and units are numbered text by text, in order; every unit is read from one sequence.

    Attributes:
        sequences: token ids, at least one in each.
        places: per sequence, the first token and the one after the last of every unit, shape (units, 2), read as the
            mean over them; None: every sequence is one unit, read as the mean over all its tokens.
        sequence_starts: shape (N + 1,); the sequences of text n are `sequence_starts[n]` up to the next entry.
        spans: characters of every unit, from and to, in code points, shape (U, 2); None for whole texts.
        added: features that the model does not see, shape (U, S); None: there are none.
    """

    sequences: Sequence[Sequence[int]]
    places: Sequence[Ints] | None
    sequence_starts: Ints
    spans: Ints | None = None
    added: Floats2d | None = None

    @property
    def texts(self) -> int:
        """How many texts there are."""
        return len(self.sequence_starts) - 1

    @property
    def units(self) -> int:
        """How many units there are."""
        return int(self._unit_starts[-1])

    @cached_property
    def _unit_starts(self) -> Ints:
        """Per sequence the number of its first unit, and how many units there are at the end."""
        counts = [1] * len(self.sequences) if self.places is None else [len(place) for place in self.places]
        return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(counts, dtype=np.int64)])

    @cached_property
    def unit_starts(self) -> Ints:
        """Per text the number of its first unit, and how many units there are at the end; shape (N + 1,)."""
        return self._unit_starts[self.sequence_starts]

    def units_of(self, texts: Sequence[int] | Ints) -> Ints:
        """Numbers of the units of these texts, in their order."""
        return _ranges(self.unit_starts, texts)

    def units_of_sequences(self, sequences: Sequence[int]) -> Ints:
        """Numbers of the units of these sequences, in their order."""
        return _ranges(self._unit_starts, sequences)

    def places_of(self, sequences: Sequence[int]) -> Places | None:
        """Return the places where a batch of these sequences is read, unit by unit; None for whole texts."""
        if self.places is None:
            return None
        tokens = [self.places[i] for i in sequences]
        rows = np.repeat(np.arange(len(tokens)), [len(each) for each in tokens])
        all_tokens = np.concatenate([np.zeros((0, 2), dtype=np.int64), *tokens])
        return rows, all_tokens[:, 0], all_tokens[:, 1]

    def take(self, texts: Sequence[int] | Ints) -> "TokenisedTexts":
        """These texts alone, in their order."""
        sequences = _ranges(self.sequence_starts, texts)
        counts = np.diff(self.sequence_starts)[np.asarray(texts, dtype=np.int64)]
        units = self.units_of(texts)
        return TokenisedTexts(
            [self.sequences[i] for i in sequences],
            None if self.places is None else [self.places[i] for i in sequences],
            np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(counts)]),
            None if self.spans is None else self.spans[units],
            None if self.added is None else self.added[units],
        )

    @classmethod
    def whole(cls, sequences: Sequence[Sequence[int]]) -> "TokenisedTexts":
        """Every text one sequence and one unit."""
        return cls(sequences, None, np.arange(len(sequences) + 1))


def _ranges(starts: Ints, chosen: Sequence[int] | Ints) -> Ints:
    """The numbers from a start up to the next one, for each of the chosen starts."""
    picked = np.asarray(chosen, dtype=np.int64)
    return np.concatenate([np.zeros(0, dtype=np.int64), *(np.arange(starts[i], starts[i + 1]) for i in picked)])

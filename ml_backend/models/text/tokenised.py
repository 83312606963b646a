"""Tokenised texts, and what of them a head reads."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ...arrays import Floats2d, Ints, Places

__all__ = ["TokenisedTexts"]


@dataclass(frozen=True, eq=False)
class TokenisedTexts:
    """Texts as token sequences, the pieces of them that vectors are computed of, and the units that a head answers.

    Sequences, pieces and units are numbered text by text, in order; every piece is read from one sequence. Where pieces
    of texts are labeled, each of them is a unit. Where whole texts are labeled, a text is one unit, however many pieces
    it is read in: a short text is one piece, a long one has many, and so has a text of several fields.

    Attributes:
        sequences: token ids, at least one in each.
        places: per sequence, the first token and the one after the last of every piece, shape (pieces, 2), read as the
            mean over them; None: every sequence is one piece, read as the mean over all its tokens.
        sequence_starts: shape (N + 1,); the sequences of text n are `sequence_starts[n]` up to the next entry.
        spans: characters of every unit, from and to, in code points, shape (U, 2); None for whole texts.
        added: features that the model does not see, shape (pieces, F); None: there are none.
        fields: per sequence, which is one piece then, the number of the field that it is from, shape (S,); it rises
            within a text. None: every piece is a unit.
        options: where a head answers the options that a text offers, per sequence, which is one piece then, the number
            of the option that it is from, counted from 1, and 0 for the texts around them, shape (S,); it rises within
            a text, and every option is a unit. None: nothing is offered.
        names: per text the ids of the options, in their order; none where nothing is offered.
        field_count: how many fields there are; a text may lack some.
    """

    sequences: Sequence[Sequence[int]]
    places: Sequence[Ints] | None
    sequence_starts: Ints
    spans: Ints | None = None
    added: Floats2d | None = None
    fields: Ints | None = None
    field_count: int = 1
    options: Ints | None = None
    names: Sequence[Sequence[str]] = ()

    @property
    def texts(self) -> int:
        """How many texts there are."""
        return len(self.sequence_starts) - 1

    @property
    def pieces(self) -> int:
        """How many pieces there are."""
        return int(self._piece_starts[-1])

    @property
    def tokens(self) -> int:
        """How many tokens there are."""
        return sum(map(len, self.sequences))

    @property
    def units(self) -> int:
        """How many units there are."""
        return int(self.unit_starts[-1])

    @property
    def has_windows(self) -> bool:
        """True where a field of a text is read in several pieces."""
        return self.fields is not None and len(self.groups[0]) < len(self.sequences)

    @property
    def is_plain(self) -> bool:
        """True where every text is one unit of one piece, so that vectors of pieces are vectors of texts."""
        return self.fields is not None and self.field_count == 1 and len(self.sequences) == self.texts

    @cached_property
    def groups(self) -> tuple[Ints, Ints, Ints]:
        """Return the first sequence, the text and the field of every field of every text that has one, in order."""
        texts = np.repeat(np.arange(self.texts), np.diff(self.sequence_starts))
        fields = np.zeros(len(texts), dtype=np.int64) if self.fields is None else self.fields
        is_first = np.ones(len(texts), dtype=np.bool_)
        is_first[1:] = (np.diff(texts) > 0) | (np.diff(fields) > 0)
        firsts = np.flatnonzero(is_first)
        return firsts, texts[firsts], fields[firsts]

    @cached_property
    def _piece_starts(self) -> Ints:
        """Per sequence the number of its first piece, and how many pieces there are at the end."""
        counts = [1] * len(self.sequences) if self.places is None else [len(place) for place in self.places]
        return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(counts, dtype=np.int64)])

    @cached_property
    def piece_starts(self) -> Ints:
        """Per text the number of its first piece, and how many pieces there are at the end; shape (N + 1,)."""
        return self._piece_starts[self.sequence_starts]

    @cached_property
    def unit_starts(self) -> Ints:
        """Per text the number of its first unit, and how many units there are at the end; shape (N + 1,)."""
        if self.options is not None:
            is_first = np.diff(self.options, prepend=0) != 0
            is_first[self.sequence_starts[:-1][np.diff(self.sequence_starts) > 0]] = True
            counts = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(is_first & (self.options > 0))])
            return np.asarray(counts[self.sequence_starts], dtype=np.int64)
        return self.piece_starts if self.fields is None else np.arange(self.texts + 1)

    def pieces_of(self, texts: Sequence[int] | Ints) -> Ints:
        """Numbers of the pieces of these texts, in their order."""
        return _ranges(self.piece_starts, texts)

    def units_of(self, texts: Sequence[int] | Ints) -> Ints:
        """Numbers of the units of these texts, in their order."""
        return _ranges(self.unit_starts, texts)

    def pieces_of_sequences(self, sequences: Sequence[int]) -> Ints:
        """Numbers of the pieces of these sequences, in their order."""
        return _ranges(self._piece_starts, sequences)

    def places_of(self, sequences: Sequence[int]) -> Places | None:
        """Return the places where a batch of these sequences is read, piece by piece; None for whole sequences."""
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
        units, pieces = self.units_of(texts), self.pieces_of(texts)
        return TokenisedTexts(
            [self.sequences[i] for i in sequences],
            None if self.places is None else [self.places[i] for i in sequences],
            np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(counts)]),
            None if self.spans is None else self.spans[units],
            None if self.added is None else self.added[pieces],
            None if self.fields is None else self.fields[sequences],
            self.field_count,
            None if self.options is None else self.options[sequences],
            [self.names[int(i)] for i in np.asarray(texts, dtype=np.int64)] if self.names else (),
        )

    def with_sequences(self, chosen: Ints) -> "TokenisedTexts":
        """The same texts as units, read from these sequences alone, in order; at least one of each text."""
        return TokenisedTexts(
            [self.sequences[i] for i in chosen],
            None,
            np.searchsorted(chosen, self.sequence_starts),
            fields=None if self.fields is None else self.fields[chosen],
            field_count=self.field_count,
        )

    @classmethod
    def whole(cls, sequences: Sequence[Sequence[int]]) -> "TokenisedTexts":
        """Every text one sequence and one unit."""
        starts = np.arange(len(sequences) + 1)
        return cls(sequences, None, starts, fields=np.zeros(len(sequences), dtype=np.int64))


def _ranges(starts: Ints, chosen: Sequence[int] | Ints) -> Ints:
    """The numbers from a start up to the next one, for each of the chosen starts."""
    picked = np.asarray(chosen, dtype=np.int64)
    return np.concatenate([np.zeros(0, dtype=np.int64), *(np.arange(starts[i], starts[i + 1]) for i in picked)])

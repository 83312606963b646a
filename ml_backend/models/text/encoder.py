"""The base class of encoders, which turn texts into vectors, whatever computes them."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar

import numpy as np

from ...arrays import Floats2d
from ...batches import in_batches
from ...domain.field_texts import field_texts
from ..base.long_texts import LONGEST
from ..base.tokeniser import LocatedTokens, Tokeniser
from .pooling import text_vectors
from .sentences import sentences
from .tokenised import TokenisedTexts

__all__ = ["Encoder"]

log = logging.getLogger(__name__)

CHUNK_ROWS = 1024


class Encoder(ABC):
    """A base model with its tokenizer, as a function from texts to vectors. Safe to use from several threads.

    Args:
        max_length_tokens: longest sequence; of longer texts the sentences are read one by one.
    """

    DEFAULT_MAX_LENGTH_TOKENS: ClassVar[int] = 256

    def __init__(self, tokeniser: Tokeniser, max_length_tokens: int) -> None:
        self.tokeniser = tokeniser
        self.max_length_tokens = max_length_tokens
        self._frame: tuple[list[int], list[int]] | None = None

    @property
    @abstractmethod
    def width(self) -> int:
        """Length of the vectors."""

    @abstractmethod
    def vectors(self, tokenised: TokenisedTexts, *, on_rows: Callable[[int], None] | None = None) -> Floats2d:
        """Compute what a head reads: one vector per piece, shape (P, D), or (P, D + F) with the added features.

        Args:
            on_rows: called after every batch with the number of sequences done; what it raises passes through.
        """

    @property
    def pad_id(self) -> int:
        """Token id that fills up a batch; masked, so any valid one does."""
        return self.tokeniser.pad_id

    def tokenise(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids per text, special tokens included, cut to the maximum length; never empty."""
        if not texts:
            return []
        # Decoders' tokenizers add no special tokens, so an empty text would be an empty row.
        return [row or [self.pad_id] for row in self.tokeniser.ids(texts, self.max_length_tokens)]

    def read(self, texts: Sequence[str], fields: Sequence[str] = ()) -> TokenisedTexts:
        """Tokenise texts as units that are read from the first word to the last.

        A text, or a field of it, that fits into the maximum length is one piece; else every sentence of it is one, see
        `sentences`.

        Args:
            fields: names of the fields whose pieces are kept apart; a text without names stands for each of them, and
                other fields are not read. Without any, all pieces of a text are read alike.
        """
        parts: list[str] = []
        numbers: list[int] = []
        counts: list[int] = []
        for text in texts:
            chosen = [(number, each) for number, each in _chosen(text, fields) if each.strip()]
            chosen = chosen or [(0, "" if fields else text)]
            numbers += [number for number, _ in chosen]
            parts += [each for _, each in chosen]
            counts.append(len(chosen))
        # One token more than is read at once tells which parts are longer.
        rows = self.tokeniser.ids(parts, self.max_length_tokens + 1) if parts else []
        long = [i for i, row in enumerate(rows) if len(row) > self.max_length_tokens]
        if not long and len(parts) == len(texts) and len(fields) < 2:
            return TokenisedTexts.whole([row or [self.pad_id] for row in rows])
        room = self.max_length_tokens - len(self.framed([])[0])
        split = {i: sentences(parts[i], room) for i in long}
        tokenised = iter(self.tokenise([sentence for own in split.values() for sentence in own]))
        pieces = [[next(tokenised) for _ in split[i]] if i in split else [row] for i, row in enumerate(rows)]
        sizes = np.array([len(own) for own in pieces], dtype=np.int64)
        part_starts = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(sizes)])
        return TokenisedTexts(
            [row or [self.pad_id] for own in pieces for row in own],
            None,
            part_starts[np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(counts, dtype=np.int64)])],
            fields=np.repeat(np.array(numbers, dtype=np.int64), sizes),
            field_count=max(len(fields), 1),
        )

    def locate(self, texts: Sequence[str]) -> list[LocatedTokens]:
        """Return every token of every text with its position, special tokens left out.

        Only the tokens in the first `LONGEST` characters of a text are returned; the log says how many longer texts
        there are.

        Raises:
            EncoderError: the model's tokenizer does not give the positions of its tokens.
        """
        cut = sum(len(text) > LONGEST for text in texts)
        if cut:
            log.warning("%s of %s texts are read up to character %s alone", cut, len(texts), f"{LONGEST:,}")
        return self.tokeniser.locate([text[:LONGEST] for text in texts])

    def framed(self, ids: Sequence[int]) -> tuple[list[int], int]:
        """Token ids with the special tokens that the model expects around them, and how many of these come first."""
        if self._frame is None:
            self._frame = self.tokeniser.frame()
        before, after = self._frame
        return [*before, *ids, *after] or [self.pad_id], len(before)

    def embed(self, texts: Sequence[str], *, on_rows: Callable[[int], None] | None = None) -> Floats2d:
        """One vector of length 1 per text, shape (N, D), in the order given.

        Args:
            on_rows: called after every batch with the number of rows done; what it raises passes through.
        """
        vectors = np.zeros((len(texts), self.width), dtype=np.float32)
        for number, some in enumerate(in_batches(texts, CHUNK_ROWS)):
            start, tokenised = number * CHUNK_ROWS, self.read(some)
            counted = None if on_rows is None else _rows_by_sequence(tokenised, start, on_rows)
            vectors[start : start + len(some)] = text_vectors(self.vectors(tokenised, on_rows=counted), tokenised)
        return vectors


def _chosen(text: str, fields: Sequence[str]) -> list[tuple[int, str]]:
    """Return the texts of a text's fields, each with the number of the field."""
    own = field_texts(text)
    if not fields:
        return [(0, each) for each in own.values()]
    return [(number, own[key]) for number, name in enumerate(fields) if (key := name if name in own else "") in own]


def _rows_by_sequence(tokenised: TokenisedTexts, start: int, on_rows: Callable[[int], None]) -> Callable[[int], None]:
    """Return a callback for sequences that reports about how many rows are done."""
    share = tokenised.texts / max(len(tokenised.sequences), 1)
    return lambda sequences: on_rows(start + round(sequences * share))

"""The base class of encoders, which turn texts into vectors, whatever computes them."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar

import numpy as np

from ...arrays import Floats2d
from ...batches import in_batches
from ..base.long_texts import LONGEST
from ..base.tokeniser import LocatedTokens, Tokeniser
from .tokenised import TokenisedTexts

__all__ = ["Encoder"]

log = logging.getLogger(__name__)

CHUNK_ROWS = 1024


class Encoder(ABC):
    """A base model with its tokenizer, as a function from texts to vectors. Safe to use from several threads.

    Args:
        max_length_tokens: longer texts are cut.
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
        """Compute what a head reads: one vector per unit, shape (U, D), or (U, D + S) with the added features.

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
            start, tokenised = number * CHUNK_ROWS, TokenisedTexts.whole(self.tokenise(some))
            vectors[start : start + len(some)] = self.vectors(tokenised, on_rows=_counted_from(start, on_rows))
        return vectors


def _counted_from(start: int, on_rows: Callable[[int], None] | None) -> Callable[[int], None] | None:
    return None if on_rows is None else lambda rows: on_rows(start + rows)

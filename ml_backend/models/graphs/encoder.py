"""Vectors of texts from what a runtime computes of their tokens."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from ...arrays import Floats2d, Ints
from ..base.tokeniser import Tokeniser
from ..text.encoder import Encoder
from ..text.tokenised import TokenisedTexts

__all__ = ["GraphEncoder"]

Hidden = Callable[[Sequence[Sequence[int]]], list[Floats2d]]
"""Token sequences to the last layer's vectors of each, shape (T, D), in the order given."""

TOKENS_AT_ONCE = 16384
"""Bounds what is held of many texts before their means are taken."""


class GraphEncoder(Encoder):
    """An encoder that leaves the layers to a runtime. As safe to use from several threads as that is.

    Args:
        hidden: computes the layers.
        width: length of the vectors.
    """

    def __init__(self, tokeniser: Tokeniser, hidden: Hidden, *, width: int, max_length_tokens: int) -> None:
        super().__init__(tokeniser, max_length_tokens)
        self._hidden, self._width = hidden, width

    @property
    def width(self) -> int:
        return self._width

    def vectors(self, tokenised: TokenisedTexts, *, on_rows: Callable[[int], None] | None = None) -> Floats2d:
        matrix = np.zeros((tokenised.pieces, self._width), dtype=np.float32)
        for batch in _batches(tokenised.sequences):
            hidden = self._hidden([tokenised.sequences[i] for i in batch])
            pieces = tokenised.pieces_of_sequences(batch)
            if tokenised.places is None:
                matrix[pieces] = _scaled(np.stack([vectors.mean(axis=0) for vectors in hidden]))
            else:
                means = [_means(vectors, tokenised.places[i]) for vectors, i in zip(hidden, batch, strict=True)]
                matrix[pieces] = _scaled(np.concatenate(means))
            if on_rows is not None:
                on_rows(batch[-1] + 1)
        return matrix if tokenised.added is None else np.concatenate([matrix, tokenised.added], axis=1)


def _batches(sequences: Sequence[Sequence[int]]) -> Iterator[list[int]]:
    """Positions in order, as many at a time as have a bounded number of tokens."""
    batch: list[int] = []
    tokens = 0
    for position, sequence in enumerate(sequences):
        if batch and tokens + len(sequence) > TOKENS_AT_ONCE:
            yield batch
            batch, tokens = [], 0
        batch.append(position)
        tokens += len(sequence)
    if batch:
        yield batch


def _means(vectors: Floats2d, places: Ints) -> Floats2d:
    """Return the mean vector of every piece, shape (pieces, D).

    Args:
        places: the first token of every piece, and the one after its last, shape (pieces, 2).
    """
    # Sums up to each token: the sum over a piece is a difference of two.
    sums = np.concatenate([np.zeros((1, vectors.shape[1]), dtype=np.float64), vectors.cumsum(axis=0, dtype=np.float64)])
    firsts, ends = places[:, 0], places[:, 1]
    means: Floats2d = ((sums[ends] - sums[firsts]) / (ends - firsts)[:, None]).astype(np.float32)
    return means


def _scaled(vectors: Floats2d) -> Floats2d:
    scaled: Floats2d = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return scaled

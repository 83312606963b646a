"""Which sentences of long texts a tuned model learns from."""

from itertools import pairwise

import numpy as np

from ...arrays import AnyFloats, Ints
from ...models.text.tokenised import TokenisedTexts

__all__ = ["SPREAD_SHARE", "TELLING_SHARE", "most_telling"]

SPREAD_SHARE, TELLING_SHARE = 2, 4
"""A tuned model learns from this part of the tokens that are read at once: one half where all sentences tell alike, one
quarter where some tell more, which holds a handful of sentences."""


def most_telling(tokenised: TokenisedTexts, weights: AnyFloats | None, most_tokens: int) -> Ints:
    """Return the sequences to learn from: of every field of a text at least one, and as many as have so many tokens.

    A training step on a long text costs less then than one on a text that is read at once, whatever its length.

    Args:
        weights: per piece how much it tells, shape (P,): the ones that tell most are chosen. None: all tell alike, and
            the ones that are chosen are evenly spread.
    """
    lengths = np.array([len(sequence) for sequence in tokenised.sequences], dtype=np.int64)
    edges = np.append(tokenised.groups[0], len(lengths)).tolist()
    chosen = []
    for start, end in pairwise(edges):
        total = int(lengths[start:end].sum())
        if total <= most_tokens:
            chosen.append(np.arange(start, end))
        elif weights is None:
            count = max(1, (end - start) * most_tokens // total)
            chosen.append(start + (np.arange(count) * (end - start) + (end - start) // 2) // count)
        else:
            ranked = start + np.argsort(-weights[start:end], kind="stable")
            count = max(1, int((np.cumsum(lengths[ranked]) <= most_tokens).sum()))
            chosen.append(np.sort(ranked[:count]))
    return np.concatenate([np.zeros(0, dtype=np.int64), *chosen])

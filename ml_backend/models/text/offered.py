"""The options that texts offer, read beside the texts around them, and what tells one option from another."""

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar, cast

import numpy as np

from ...arrays import Floats2d
from ...domain.field_texts import field_texts
from ...domain.offered import OPTIONS, options_in
from .encoder import Encoder
from .tokenised import TokenisedTexts

__all__ = ["SUITING_FEATURE", "option_features", "options_by_text", "read_options"]

ArrayT = TypeVar("ArrayT", bound=np.ndarray[Any, Any])
SUITING, LIKENESS = 0.3, 3.0
"""Factors on the products' entries, once they are as large as a vector's, and on their sum: see `benchmarks.pairs`."""
SUITING_FEATURE = -1
"""The feature that says how like the texts around an option is, as a cosine times `LIKENESS`."""


def read_options(encoder: Encoder, texts: Sequence[str]) -> TokenisedTexts:
    """Tokenise texts whose units are the options that they offer; a text without any has no unit."""
    parts: list[str] = []
    numbers: list[int] = []
    counts: list[int] = []
    names: list[tuple[str, ...]] = []
    for text in texts:
        around = [each for name, each in field_texts(text).items() if name not in ("", OPTIONS) and each.strip()]
        options = options_in(text)
        names.append(tuple(options))
        own = [*((0, each) for each in around), *enumerate(options.values(), start=1)]
        own = own or [(0, text)]
        numbers += [number for number, _ in own]
        parts += [each for _, each in own]
        counts.append(len(own))
    read = encoder.read(parts)
    sizes = np.diff(read.sequence_starts)
    starts = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(counts, dtype=np.int64)])
    return TokenisedTexts(
        read.sequences,
        None,
        read.sequence_starts[starts],
        options=np.repeat(np.array(numbers, dtype=np.int64), sizes),
        names=names,
    )


def option_features(features: Floats2d, tokenised: TokenisedTexts) -> Floats2d:
    """Return what tells options apart, shape (U, 2 D + 1), from the features of the tokenised texts' pieces, (P, D).

    These are an option's vector, and how it suits the texts around it: its product with their mean vector, entry by
    entry and as a sum, which is the cosine.
    """
    width = features.shape[1]
    options = np.zeros(tokenised.pieces, dtype=np.int64) if tokenised.options is None else tokenised.options
    texts = np.repeat(np.arange(tokenised.texts), np.diff(tokenised.piece_starts))
    is_option = options > 0
    around = np.zeros((tokenised.texts, width), dtype=np.float32)
    np.add.at(around, texts[~is_option], features[~is_option])
    around /= np.maximum(np.linalg.norm(around, axis=1, keepdims=True), 1e-12)
    units = tokenised.unit_starts[texts] + options - 1
    vectors = np.zeros((tokenised.units, width), dtype=np.float32)
    np.add.at(vectors, units[is_option], features[is_option])
    # Of a long option the sentences count alike.
    vectors /= np.maximum(np.bincount(units[is_option], minlength=tokenised.units), 1)[:, None]
    products = vectors * np.repeat(around, np.diff(tokenised.unit_starts), axis=0)
    # Each entry of a vector of length 1 is about 1 / sqrt(D), which the root makes up for.
    suiting = [SUITING * np.sqrt(width) * products, LIKENESS * products.sum(axis=1, keepdims=True)]
    return np.asarray(np.concatenate([vectors, *suiting], axis=1), dtype=np.float32)


def options_by_text(tokenised: TokenisedTexts, values: ArrayT) -> Iterator[tuple[Sequence[str], ArrayT]]:
    """Yield the ids of each text's options, and their part of values per unit, shape (U, ...)."""
    for names, start, end in zip(tokenised.names, tokenised.unit_starts[:-1], tokenised.unit_starts[1:], strict=True):
        yield names, cast("ArrayT", values[start:end])

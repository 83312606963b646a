"""Sketches of texts, which tell the Jaccard index of two texts without the texts.

The index is that of the leak guard, over the same words and pairs of words. A sketch is a MinHash with one bit per hash
function (Li and König, b-Bit Minwise Hashing, 2010): of 1024 functions each keeps one bit of its least value, and two
texts agree in a bit with the probability (1 + J) / 2. So the index is known to .019 (one standard deviation) where it
is .8, from 128 bytes, in which single words cannot be recognised.
"""

import hashlib
from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from ..domain.placement import TextSketch
from ..domain.snapshot import text_digest
from .leakage import shingles

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["sketch_of"]

FUNCTIONS = 1024
BANDS, BAND_ROWS = 16, 3
"""Two texts with a Jaccard index of .8 share a band with a probability of .99999; of .5, with .88; of .2, with .12."""
KEPT_BIT = 32
SHINGLES_AT_ONCE = 512
LONG_SHINGLES = 27
"""The number of shingles in a text of 13 words, the shortest of which a near duplicate may have another word."""


def sketch_of(text: str) -> TextSketch:
    """Return the sketch of a text that is not blank."""
    pieces = shingles(text)
    minima = _minima(pieces)
    bits = (minima >> np.uint64(KEPT_BIT)) & np.uint64(1)
    bands = minima[: BANDS * BAND_ROWS].reshape(BANDS, BAND_ROWS)
    return TextSketch(
        digest=text_digest(text),
        signature=np.packbits(bits.astype(np.uint8)).tobytes(),
        keys=tuple(_key(number, band.astype("<u8").tobytes()) for number, band in enumerate(bands)),
        is_long=len(pieces) >= LONG_SHINGLES,
    )


def _minima(pieces: Iterable[str]) -> "NDArray[np.uint64]":
    """Return the least value of each hash function over the pieces."""
    factors, summands = _functions()
    digests = (hashlib.blake2b(piece.encode(errors="surrogatepass"), digest_size=8).digest() for piece in pieces)
    values = np.frombuffer(b"".join(digests), dtype="<u8").astype(np.uint64)
    least = np.full(FUNCTIONS, np.iinfo(np.uint64).max, dtype=np.uint64)
    for start in range(0, len(values), SHINGLES_AT_ONCE):
        # The products wrap around at 2^64, as they should.
        hashed = values[start : start + SHINGLES_AT_ONCE, None] * factors + summands
        np.minimum(least, hashed.min(axis=0), out=least)
    return least


@cache
def _functions() -> tuple["NDArray[np.uint64]", "NDArray[np.uint64]"]:
    """Return factors, which are odd, and summands; the same ones for ever, as sketches are stored."""
    numbers = np.frombuffer(hashlib.shake_256(b"labelloop sketches 1").digest(FUNCTIONS * 16), dtype="<u8")
    factors, summands = numbers.astype(np.uint64).reshape(2, FUNCTIONS)
    return factors | np.uint64(1), summands


def _key(number: int, band: bytes) -> int:
    named = number.to_bytes(1, "big") + band
    return int.from_bytes(hashlib.blake2b(named, digest_size=8).digest(), "big", signed=True)

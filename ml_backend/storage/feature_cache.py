"""Vectors of texts on the disk, so that each text is read by a base model once."""

import hashlib
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ..arrays import Floats2d
from ..batches import in_batches
from .cache_file import open_cache

__all__ = ["FeatureCache"]

TEXTS_AT_ONCE = 1024
DIGEST_BYTES = 16  # a collision among a billion texts has a chance of 1 in 10**20
HALF_BYTES = 2
ROW_BYTES = 100
"""The disk space of a row beside its vector."""
TABLE = "vectors (id INTEGER PRIMARY KEY, key BLOB UNIQUE, vector BLOB)"


class FeatureCache:
    """Vectors by base model and text, in half precision; the oldest ones give way. Safe to share between processes.

    Args:
        path: of a SQLite file.
        limit_bytes: about what it may take on the disk; 0: nothing is kept.
    """

    def __init__(self, path: Path, limit_bytes: int) -> None:
        self._path, self._limit_bytes = path, limit_bytes

    def vectors(
        self, base: str, texts: Sequence[str], width: int, compute: Callable[[Sequence[str]], Floats2d]
    ) -> Floats2d:
        """Return a vector per text, shape (N, width), in order.

        What is computed is kept at once, so that an interrupted call is resumed by the next.

        Args:
            base: what determines the vectors beside the text, such as the digest of the weights.
            compute: returns the vectors of texts that are not known, at most 1024 at a time.
        """
        vectors = np.zeros((len(texts), width), dtype=np.float32)
        cache = open_cache(self._path, TABLE) if self._limit_bytes else None
        try:
            for number, batch in enumerate(in_batches(texts, TEXTS_AT_ONCE)):
                start = number * TEXTS_AT_ONCE
                vectors[start : start + len(batch)] = _batch(cache, base, batch, width, compute)
        finally:
            if cache is not None:
                self._shrink(cache, width)
                cache.close()
        return vectors

    def _shrink(self, cache: sqlite3.Connection, width: int) -> None:
        most = self._limit_bytes // (HALF_BYTES * width + ROW_BYTES)
        with cache:
            cache.execute(
                "DELETE FROM vectors WHERE id <= (SELECT max(id) FROM vectors) - ?", (max(most, TEXTS_AT_ONCE),)
            )


def _batch(
    cache: sqlite3.Connection | None,
    base: str,
    texts: Sequence[str],
    width: int,
    compute: Callable[[Sequence[str]], Floats2d],
) -> Floats2d:
    if cache is None:
        return compute(texts)
    keys = [_key(base, text) for text in texts]
    known = {}
    for key in dict.fromkeys(keys):
        row = cache.execute("SELECT vector FROM vectors WHERE key = ?", (key,)).fetchone()
        if row is not None and len(row[0]) == HALF_BYTES * width:
            known[key] = np.frombuffer(row[0], dtype=np.float16)
    missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
    if missing:
        computed = np.asarray(compute(list(missing.values())), dtype=np.float16)
        known |= zip(missing, computed, strict=True)
        with cache:
            cache.executemany(
                "INSERT OR REPLACE INTO vectors (key, vector) VALUES (?, ?)",
                [(key, vector.tobytes()) for key, vector in zip(missing, computed, strict=True)],
            )
    return np.stack([known[key] for key in keys]).astype(np.float32)


def _key(base: str, text: str) -> bytes:
    named = f"{base}:{text}".encode(errors="surrogatepass")
    return hashlib.blake2b(named, digest_size=DIGEST_BYTES).digest()

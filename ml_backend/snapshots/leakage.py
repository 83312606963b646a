"""Find train rows that repeat a held-out row, a leak that makes a test score too good.

Similarity is the Jaccard index over the words of a text and its pairs of neighbouring words. Where one of n words
differs, it is (2n - 2) / (2n + 4). So at a threshold of 0.8, two texts of up to 12 words never count as duplicates
while a word differs ("where is my card", "where is my cart"), as they would if characters were compared. Texts that
differ by a word added to a sentence, a typo in a paragraph, punctuation or case do count. The module `words` defines
what a word is in each script.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from ..words import words

if TYPE_CHECKING:
    from datasketch import MinHash

__all__ = ["find_leaks", "shingles"]

PERMUTATIONS = 128
SEED = 1
LARGEST_MISS_RATE = 1e-4


@dataclass(frozen=True, slots=True)
class _Leak:
    """A train text that repeats a held-out one.

    Attributes:
        held_out: index of the most similar held-out text, the first of equals.
        similarity: Jaccard index of the two, from the threshold to 1.
        is_exact: they differ in case, white space and punctuation at most.
    """

    held_out: int
    similarity: float
    is_exact: bool


def find_leaks(train: Sequence[str], held_out: Sequence[str], threshold: float) -> dict[int, _Leak]:
    """Return by index the train texts that are as similar to a held-out text as the threshold, or more.

    Candidates come from an index of the held-out texts alone, each is then measured exactly: nothing below the
    threshold is ever found; at the threshold itself fewer than 1 in 10,000 are missed, equal texts never.

    Args:
        threshold: above 0, and at most 1.
    """
    if not train or not held_out:
        return {}
    from datasketch import MinHashLSH

    held_out_shingles = [shingles(text) for text in held_out]
    train_shingles = [shingles(text) for text in train]
    index = MinHashLSH(num_perm=PERMUTATIONS, params=_bands_and_rows(threshold))
    for position, sketch in enumerate(_sketches(held_out_shingles)):
        index.insert(position, sketch, check_duplication=False)
    leaks: dict[int, _Leak] = {}
    for position, sketch in enumerate(_sketches(train_shingles)):
        best = _most_similar(train_shingles[position], held_out_shingles, index.query(sketch))
        if best and best[0] >= threshold:
            is_exact = words(train[position]) == words(held_out[best[1]])
            leaks[position] = _Leak(best[1], best[0], is_exact)
    return leaks


def _most_similar(
    shingles: frozenset[str], others: Sequence[frozenset[str]], candidates: Sequence[int]
) -> tuple[float, int] | None:
    measured = (
        (len(shingles & others[position]) / len(shingles | others[position]), position) for position in candidates
    )
    return max(measured, key=lambda pair: (pair[0], -pair[1]), default=None)


def shingles(text: str) -> frozenset[str]:
    """Return what similarity is measured on: the words of a text and its pairs of neighbouring words."""
    single = words(text)
    # A space on either side stands for the edge, so that the first and the last word are in two pairs as well.
    edged = ["", *single, ""]
    return frozenset(single) | {f"{first} {second}" for first, second in pairwise(edged)}


def _sketches(texts: Sequence[frozenset[str]]) -> list["MinHash"]:
    from datasketch import MinHash

    encoded = ([shingle.encode(errors="surrogatepass") for shingle in shingles] for shingles in texts)
    sketches: list[MinHash] = MinHash.bulk(encoded, num_perm=PERMUTATIONS, seed=SEED, hashfunc=_stable_hash)
    return sketches


def _stable_hash(shingle: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(shingle, digest_size=4).digest(), "little")


def _bands_and_rows(threshold: float) -> tuple[int, int]:
    """Return bands and rows of the index: the longest rows, hence the fewest candidates, that still find a pair."""
    for rows in range(PERMUTATIONS // 4, 1, -1):
        bands = PERMUTATIONS // rows
        if (1 - threshold**rows) ** bands <= LARGEST_MISS_RATE:
            return bands, rows
    return PERMUTATIONS, 1

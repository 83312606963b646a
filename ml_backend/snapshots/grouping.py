"""Give texts their splits when they are first seen, so that texts that resemble each other share one.

A text goes where the most similar text went that was seen before it. What the leak guard calls a near duplicate always
counts as similar. In longer texts it is enough that half of the words and pairs are the same, since near duplicates
form chains: some texts of a template have this value in common and some another. Were they spread over train and
held-out rows, later ones would nearly repeat both. Short texts that differ in a word say different things, so they stay
by themselves.

Where nothing is similar, the hash of the text decides. But groups are of any size, so the texts that came into a split
by similarity may be too many or too few. Then the next text that is free goes where texts are missing. While a split is
off by half its share, it takes somewhat more than half of the words to bind a longer text.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from ..domain.placement import PlacedText, TextSketch
from ..domain.snapshot import Split, SplitFractions

__all__ = ["place_texts"]

NEAR = 0.75
"""The similarity of near duplicates, .8, less what a sketch may err."""
LOOSE, LESS_LOOSE = 0.5, 0.55
"""Lower values make groups that are too large to divide evenly; higher ones divide chains. With .7 instead of .55, a
sixth of some templated sets is lost."""
MOST_PER_KEY = 8
"""The number of texts that may be found by one key. Many have the same in large groups, whose later texts are found by
what the first ones have in common with them."""


def place_texts(
    fractions: SplitFractions,
    sketches: Sequence[TextSketch],
    placed: Iterable[PlacedText] = (),
    similar_counts: Mapping[Split, int] | None = None,
) -> list[PlacedText]:
    """Return new texts in their splits, in their order; each of them counts as seen for those after it.

    Args:
        sketches: of different texts that have no split yet.
        placed: the texts with a split that have a key in common with one of them.
        similar_counts: how many texts each split holds that did not come there by their hash.
    """
    index = _Index(fractions, Counter(similar_counts or {}))
    for text in placed:
        index.add(text)
    return [index.place(sketch) for sketch in sketches]


class _Index:
    def __init__(self, fractions: SplitFractions, similar_counts: Counter[Split]) -> None:
        self._fractions, self._counts = fractions, similar_counts
        self._shares = {split: fractions.of(split) for split in Split if 0 < fractions.of(split) < 1}
        self._by_key: defaultdict[int, list[int]] = defaultdict(list)
        self._placed: list[tuple[int, Split]] = []

    def add(self, text: PlacedText) -> None:
        for key in text.keys:
            self._by_key[key].append(len(self._placed))
        self._placed.append((int.from_bytes(text.signature, "big"), text.split))

    def place(self, sketch: TextSketch) -> PlacedText:
        similarity, split = self._most_similar(sketch)
        is_by_hash = False
        if similarity < self._least_similarity(sketch):
            short = self._short_of_texts()
            is_by_hash = short is None
            split = short or self._fractions.split_of_digest(sketch.digest)
        if not is_by_hash:
            self._counts[split] += 1
        keys = tuple(key for key in sketch.keys if len(self._by_key[key]) < MOST_PER_KEY)
        text = PlacedText(sketch.digest, sketch.signature, keys, split, is_by_hash)
        self.add(text)
        return text

    def _most_similar(self, sketch: TextSketch) -> tuple[float, Split]:
        """Return similarity and split of the most similar text, the first of equals; 0 where there is none."""
        signature, length = int.from_bytes(sketch.signature, "big"), 8 * len(sketch.signature)
        least, split = length, Split.TRAIN
        for position in sorted({position for key in sketch.keys for position in self._by_key.get(key, ())}):
            other, other_split = self._placed[position]
            if (different := (signature ^ other).bit_count()) < least:
                least, split = different, other_split
        return max(0.0, 1 - 2 * least / length), split

    def _least_similarity(self, sketch: TextSketch) -> float:
        """Return how similar a text has to be for this one to follow it."""
        if not sketch.is_long:
            return NEAR
        count = self._counts.total()
        is_far_off = any(
            abs(share * count - self._counts[split]) > 2 + min(share, 1 - share) * count / 2
            for split, share in self._shares.items()
        )
        return LESS_LOOSE if is_far_off else LOOSE

    def _short_of_texts(self) -> Split | None:
        """Return the split that is the emptiest for its share, where a split is off by more than chance would have it.

        By chance means: by one standard deviation of a draw, and one text more.
        """
        count = self._counts.total()
        is_off = any(
            abs(share * count - self._counts[split]) > 1 + math.sqrt(count * share * (1 - share))
            for split, share in self._shares.items()
        )
        return min(self._shares, key=lambda split: self._counts[split] / self._shares[split]) if is_off else None

"""Responses in an order that a person gave them, or sorted into buckets."""

from collections.abc import Iterable, Iterator
from itertools import combinations, pairwise

from ...domain.example import Bucket, Row, Target
from ...domain.offered import options_in
from ...domain.preference import Preference
from .base import PreferenceReader

__all__: list[str] = []

UNSORTED = "_"
"""The bucket of what nobody has sorted."""


class Rankings(PreferenceReader):
    """`<Ranker>`: neighbours in a list, best first; or responses of different buckets, the first bucket being the best.

    Responses that nobody has put into a bucket are in no pair.
    """

    tag = "Ranker"

    def pairs(self, rows: Iterable[Row]) -> Iterator[Preference]:
        for row in filter(self._has_answer, rows):
            texts = options_in(self.control.text_in(row.text))
            ranked = [pair for pair in self._ranked(row.targets[self.control.name]) if texts.keys() >= set(pair)]
            if not ranked:
                self._leave_out("no two of its texts were told apart", row.task_id)
            else:
                yield from self._compared(row, [(texts[better], texts[worse]) for better, worse in ranked])

    def _ranked(self, target: Target) -> list[tuple[str, str]]:
        """Return the ids of the better and the worse text of each pair; of buckets, those farthest apart first."""
        parts = target if isinstance(target, tuple) else ()
        placed = {part.name: part.ids for part in parts if isinstance(part, Bucket) and part.name != UNSORTED}
        if not placed:
            return list(pairwise(part for part in parts if isinstance(part, str)))
        buckets = [placed[name] for name in self.control.buckets if name in placed]
        apart = sorted(combinations(range(len(buckets)), 2), key=lambda pair: pair[0] - pair[1])
        return [(better, worse) for first, second in apart for better in buckets[first] for worse in buckets[second]]

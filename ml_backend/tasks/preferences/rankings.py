"""Responses in an order that a person gave them, or sorted into buckets."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations, pairwise

from ...domain.example import Row
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
            options, target = self._options(row), row.targets[self.control.name]
            ranked = [pair for pair in self._ranked(target) if options.keys() >= set(pair)]
            if not ranked:
                self._leave_out("no two of its texts were told apart", row.task_id)
            else:
                yield from self._compared(row, [(options[better], options[worse]) for better, worse in ranked])

    def _ranked(self, target: object) -> list[tuple[str, str]]:
        """Return the ids of the better and the worse text of each pair, those that are farthest apart first."""
        if not isinstance(target, Mapping):
            return list(pairwise(map(str, target))) if isinstance(target, list | tuple) else []
        buckets = [name for name in self.control.label_values if name in target]
        buckets += [name for name in target if name not in buckets and name != UNSORTED]
        apart = sorted(combinations(range(len(buckets)), 2), key=lambda pair: pair[0] - pair[1])
        return [
            (str(better), str(worse))
            for first, second in apart
            for better in target[buckets[first]]
            for worse in target[buckets[second]]
        ]

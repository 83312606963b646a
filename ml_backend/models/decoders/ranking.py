"""The options that a text offers in an order, or sorted into buckets."""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from ...arrays import Floats, Floats2d
from ...domain.example import Bucket
from ...domain.model import ScoredTarget
from ..text.confidence import Logistic, confidences
from .base import Labels
from .option import OptionDecoder

__all__ = ["RankingDecoder"]

SMALLEST = 1e-12


class RankingDecoder(OptionDecoder):
    """The options by their score, or each in the bucket that is likeliest for it, by their score in there.

    The first logit is the score; then comes one per bucket. What is left in the bucket of the unsorted has no order.

    Attributes:
        buckets: in the order of the config; empty: all options are put in one order.
        order_temperature: the scores are divided by it before their difference tells which of two options is better.
    """

    UNSORTED: ClassVar[str] = "_"

    head = "ranking"
    buckets: Labels = ()
    order_temperature: float = 1.0

    @property
    def columns(self) -> int:
        return 1 + len(self.buckets)

    def answer(self, names: Sequence[str], logits: Floats2d) -> ScoredTarget:
        order = np.argsort(-logits[:, 0], kind="stable")
        scores = logits[:, 0].astype(np.float64)
        if not self.buckets:
            chance = self._in_order(scores[order])
            higher = Logistic().of_log_odds((scores[:, None] - scores[None, :]) / self.order_temperature)
            parts = ((higher.sum(axis=1) - 0.5) / max(len(names) - 1, 1)).tolist()
            ranked = tuple(names[i] for i in order)
            return ScoredTarget(ranked, self._whole(chance), dict(zip(names, parts, strict=True)))
        chances = confidences(logits[:, 1:], self.temperature) if len(names) else np.zeros((0, len(self.buckets)))
        places = chances.argmax(axis=1)
        chance = float(np.log(np.maximum(chances.max(axis=1), SMALLEST)).sum()) if len(names) else 0.0
        buckets = []
        for k, bucket in enumerate(self.buckets):
            own = [i for i in (range(len(names)) if bucket == self.UNSORTED else order) if places[i] == k]
            chance += 0.0 if bucket == self.UNSORTED else self._in_order(scores[own])
            buckets.append(Bucket(bucket, tuple(names[i] for i in own)))
        parts = chances.max(axis=1).tolist()
        return ScoredTarget(tuple(buckets), self._whole(chance), dict(zip(names, parts, strict=True)))

    def _in_order(self, scores: Floats) -> float:
        """Return the logarithm of the chance that each of two neighbours is in its place, were these independent."""
        chances = Logistic().of_log_odds(-np.diff(scores) / self.order_temperature)
        return float(np.log(np.maximum(chances, SMALLEST)).sum())

    def _whole(self, log_chance: float) -> float:
        return float(Logistic(self.task_slope, self.task_offset).of(np.array([np.exp(log_chance)]))[0])

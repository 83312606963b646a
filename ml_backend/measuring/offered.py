"""How good answers are that are chosen among a text's own options, as a measure."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np

from ..arrays import Floats
from ..domain.example import Bucket, Target, parts_of
from ..domain.model import ScoredTarget
from .evaluation import Evaluation
from .measures.base import Answers, LabelMeasure, PairedStatistics

__all__ = ["OfferedMeasure", "order_counts", "part_counts"]

Counts = tuple[int, int, int]
"""True parts, answered ones, and those in both."""


@dataclass(frozen=True, slots=True)
class _OfferedEvaluation(Evaluation):
    """Metrics without classes, since each text has other options.

    Attributes:
        ndcg: mean discounted gain of orders, as a share of the best that can be had; None where nothing is ordered.
    """

    ndcg: float | None = None

    def with_calibration(self, true: Sequence[Target], answers: Sequence[ScoredTarget | None]) -> Evaluation:
        return replace(Evaluation.with_calibration(self, true, answers), part_calibration=None)

    def summary(self) -> dict[str, float]:
        known = {name: each for name, each in Evaluation.summary(self).items() if name != "macro_f1"}
        return known if self.ndcg is None else known | {"ndcg": self.ndcg}

    def to_json(self) -> dict[str, Any]:
        about_labels = {"macro_f1", "per_class", "confusion", "part_calibration"}
        left_out = about_labels | ({"ndcg"} if self.ndcg is None else set())
        return {name: each for name, each in asdict(self).items() if name not in left_out}


class OfferedMeasure(LabelMeasure):
    """F1 over all parts of all answers, where options of one text have nothing to do with those of another."""

    curve = "micro_f1"

    def counts(self, true: Target, answer: Target | None) -> Counts:
        """Return how many parts are true, are answered, and are both."""
        return part_counts(true, answer)

    def gain(self, true: Target, answer: Target | None) -> float | None:  # noqa: ARG002 (orders alone have a gain)
        """Return what the order of an answer gains, from 0 to 1; None where nothing is ordered."""
        return None

    def evaluate(self, true: Sequence[Target], predicted: Answers, labels: Sequence[str] = ()) -> Evaluation:  # noqa: ARG002 (the base's shape)
        if len(true) != len(predicted):
            return Evaluation.of(true, predicted)
        whole = ("right",)
        pairs = list(zip(true, predicted, strict=True))
        same = [None if answer is None else whole if answer == truth else () for truth, answer in pairs]
        found = Evaluation.of([whole] * len(true), same)
        support, named, hits = np.array([*map(self.counts, true, predicted), (0, 0, 0)]).sum(axis=0).tolist()
        f1 = 2 * hits / max(support + named, 1)
        known = {name: getattr(found, name) for name in ("rows", "accuracy", "unanswered")}
        gains = [gain for gain in map(self.gain, true, predicted) if gain is not None]
        return _OfferedEvaluation(
            **known,
            precision=hits / max(named, 1),
            recall=hits / max(support, 1),
            macro_f1=f1,
            micro_f1=f1,
            per_class=(),
            confusion=(),
            ndcg=float(np.mean(gains)) if gains else None,
        )

    def score(self, evaluation: Evaluation) -> float:
        return evaluation.micro_f1

    def row_scores(self, true: Answers, predicted: Answers) -> Floats:
        """F1 of each row, 1 where nothing rightly is answered."""
        scores = np.full(len(true), np.nan)
        for row, (truth, answer) in enumerate(zip(true, predicted, strict=True)):
            if truth is not None:
                support, named, hits = self.counts(truth, answer)
                scores[row] = 2 * hits / (support + named) if support + named else float(answer is not None)
        return scores

    def compare(self, true: Answers, champion: Answers, challenger: Answers) -> PairedStatistics:
        statistics = np.zeros((2, len(true), 3))
        for model, answers in enumerate((champion, challenger)):
            for row, (truth, answer) in enumerate(zip(true, answers, strict=True)):
                statistics[model, row] = (0, 0, 0) if truth is None else self.counts(truth, answer)
        scores = np.stack([self.row_scores(true, answers) for answers in (champion, challenger)])
        return PairedStatistics(self.metric, statistics, _micro_f1, scores)


def part_counts(true: Target, answer: Target | None) -> Counts:
    """Count the ids that are answered."""
    wanted, given = set(parts_of(true)), set() if answer is None else set(parts_of(answer))
    return len(wanted), len(given), len(wanted & given)


def order_counts(true: Target, answer: Target | None) -> Counts:
    """Count the pairs of items that stand in the right order, or of buckets the items that lie in the right one.

    Nothing answered gets half of the pairs right, as drawing lots does, and no item.
    """
    places, given = _places(true), _places(() if answer is None else answer)
    if any(isinstance(part, Bucket) for part in parts_of(true)):
        right = sum(given.get(name, ("",))[0] == bucket for name, (bucket, _) in places.items())
        return len(places), len(places), right
    pairs = list(combinations(places, 2))
    # Pairs count twice, so that one of which an item is missing can be half right.
    hits = sum(
        1 if one not in given or other not in given else 2 * (given[one][1] < given[other][1]) for one, other in pairs
    )
    return 2 * len(pairs), 2 * len(pairs), hits


def _places(target: Target) -> dict[str, tuple[str, int]]:
    """Return the bucket of each id and its place in there; an order is one bucket."""
    parts = parts_of(target)
    order = tuple(part for part in parts if isinstance(part, str))
    buckets = [Bucket("", order), *(part for part in parts if isinstance(part, Bucket))]
    return {name: (bucket.name, place) for bucket in buckets for place, name in enumerate(bucket.ids)}


def _micro_f1(sums: Floats) -> Floats:
    support, named, hits = np.moveaxis(sums, -1, 0)
    return np.asarray(2 * hits / np.maximum(support + named, 1), dtype=np.float64)

"""Rankings: an order of a text's own options per row, or the bucket of each."""

from collections.abc import Sequence
from itertools import combinations
from statistics import fmean

import numpy as np

from ...arrays import Floats2d
from ...domain.example import Bucket, Target, parts_of
from ...measuring.offered import order_counts
from ...models.text.confidence import Logistic, confidences, log_odds
from ..annotations import AnnotatedRow, AnswerMatrix
from ..predictions import OutOfSamplePredictions
from .base import LabelFindings
from .option import OptionJudge

__all__: list[str] = []


class RankingJudge(OptionJudge):
    """Says how likely each pair of a ranking, or the bucket of each item, is on average.

    None is flagged: of the many orders that a text can be given, another one is nearly always likelier.
    """

    head = "ranking"

    def probabilities(self, logits: Floats2d) -> Floats2d:
        """Return the chance that a score's logit means, and then the chances of the buckets."""
        parts = [Logistic().of_log_odds(logits[:, :1])]
        parts += [confidences(logits[:, 1:], 1.0)] if logits.shape[1] > 1 else []
        return np.asarray(np.concatenate(parts, axis=1), dtype=np.float32)

    def likeness(self, one: Target, other: Target) -> float:
        """Return the share of pairs that stand in the same order, or of items that lie in the same bucket."""
        support, _, same = order_counts(one, other)
        return same / support if support else 1.0

    def label_errors(
        self, rows: Sequence[AnnotatedRow], predictions: OutOfSamplePredictions, _answers: AnswerMatrix, /
    ) -> LabelFindings:
        return LabelFindings(
            quality={row.row.task_id: _likelihood(row, predictions) for row in rows},
            warnings=["rankings have a quality each, and none is flagged as a label error"],
        )


def _likelihood(row: AnnotatedRow, predictions: OutOfSamplePredictions) -> float:
    if predictions.texts is None:
        raise TypeError("chances of options without the texts that offer them found; wanted both")
    chances = np.asarray(predictions.probabilities[predictions.texts.units_of([row.position])], dtype=np.float64)
    place = {name: i for i, name in enumerate(predictions.texts.names[row.position])}
    parts = parts_of(row.agreed or ())
    buckets = {part.name: part.ids for part in parts if isinstance(part, Bucket)}
    names = predictions.control.buckets
    if buckets:
        found = [
            chances[place[each], 1 + names.index(bucket)]
            for bucket, ids in buckets.items()
            for each in ids
            if each in place and bucket in names and chances.shape[1] > 1 + names.index(bucket)
        ]
    else:
        scores = log_odds(chances[:, 0])
        order = [place[part] for part in parts if part in place]
        found = Logistic().of_log_odds(np.array([scores[i] - scores[j] for i, j in combinations(order, 2)])).tolist()
    return fmean(found) if found else 1.0

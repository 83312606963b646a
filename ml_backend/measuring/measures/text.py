"""A response in words: how close it comes to the expert's."""

from collections.abc import Sequence

import numpy as np

from ...arrays import Floats
from ...domain.example import Target, references_of
from ..text_metrics import TextEvaluation, rouge_l
from .base import Answers, Measure, PairedStatistics

__all__: list[str] = []


class TextMeasure(Measure):
    """The mean over rows of ROUGE-L between the expert's response and the version's; none counts as an empty one.

    A row's target may be several responses, a tuple: each of them is right.
    """

    head = "text"
    metric = "ROUGE-L"

    def evaluate(self, true: Sequence[Target], predicted: Answers, _labels: Sequence[str] = ()) -> TextEvaluation:
        return TextEvaluation.of(
            list(map(references_of, true)), [None if answer is None else str(answer) for answer in predicted]
        )

    def compare(self, true: Answers, champion: Answers, challenger: Answers) -> PairedStatistics:
        rows = [row for row, target in enumerate(true) if target is not None]
        experts = [references_of(target) for target in true if target is not None]
        # Per row its score and a 1, so that the sums of both give the mean of any resample.
        statistics: Floats = np.zeros((2, len(true), 2))
        for model, answers in enumerate((champion, challenger)):
            statistics[model, rows, 0] = rouge_l(experts, [str(answers[row] or "") for row in rows])
            statistics[model, rows, 1] = 1
        return PairedStatistics(self.metric, statistics, _mean)


def _mean(sums: Floats) -> Floats:
    return np.asarray(sums[..., 0] / np.maximum(sums[..., 1], 1), dtype=np.float64)

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

    def row_scores(self, true: Answers, predicted: Answers) -> Floats:
        """ROUGE-L of each row."""
        rows = [row for row, target in enumerate(true) if target is not None]
        scores = np.full(len(true), np.nan)
        experts = [references_of(target) for target in true if target is not None]
        scores[rows] = rouge_l(experts, [str(predicted[row] or "") for row in rows])
        return scores

    def compare(self, true: Answers, champion: Answers, challenger: Answers) -> PairedStatistics:
        scores = (self.row_scores(true, answers) for answers in (champion, challenger))
        return PairedStatistics.of_means(self.metric, *scores)

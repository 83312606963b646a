"""Measures of answers about marked pieces: piece by piece, on the pieces that people answered about.

What a version marks wrongly is measured by its marks, and counts for nothing here.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from ..arrays import Floats, Ints
from ..domain.example import Target, spans_in
from ..domain.model import ScoredTarget
from ..tasks import ServedControl
from .measures.base import Answers, AnyEvaluation, Measure, PairedStatistics

__all__ = ["measure_of", "piece_answers"]


class _PieceMeasure(Measure):
    """The measure of single answers, over all pieces of all rows."""

    metric = ""

    def __init__(self, of_each: Measure) -> None:
        self._of_each = of_each
        self.metric = of_each.metric  # type: ignore[misc]  # each has that of the answers to single pieces

    def evaluate(self, true: Sequence[Target], predicted: Answers, labels: Sequence[str] = ()) -> AnyEvaluation:
        _, wanted, given = _pieces(true, predicted)
        return self._of_each.evaluate([each for each in wanted if each is not None], given, labels)

    def row_scores(self, true: Answers, predicted: Answers) -> Floats:
        """The mean over the pieces of each row."""
        rows, wanted, given = _pieces(true, predicted)
        return _means(self._of_each.row_scores(wanted, given), rows, len(true))

    def compare(self, true: Answers, champion: Answers, challenger: Answers) -> PairedStatistics:
        rows, wanted, first = _pieces(true, champion)
        _, _, second = _pieces(true, challenger)
        pair = self._of_each.compare(wanted, first, second)
        statistics = np.zeros((2, len(true), pair.statistics.shape[-1]))
        for of_rows, of_pieces in zip(statistics, pair.statistics, strict=True):
            np.add.at(of_rows, rows, of_pieces)
        scores = np.stack([_means(own, rows, len(true)) for own in pair.row_scores])
        return replace(pair, statistics=statistics, row_scores=scores, strata=None)


def measure_of(served: ServedControl) -> Measure:
    """Return the measure of the answers to a control."""
    measure = Measure.of(served.kind.head)
    return _PieceMeasure(measure) if served.marking else measure


def piece_answers(
    served: ServedControl, true: Sequence[Target], answers: Sequence[ScoredTarget | None]
) -> tuple[Sequence[Target], Sequence[ScoredTarget | None]]:
    """Return what people and a model say about each piece, where the control is asked about pieces; else the same."""
    if not served.marking:
        return true, answers
    of_each: list[Target] = []
    given: list[ScoredTarget | None] = []
    for target, answer in zip(true, answers, strict=True):
        spans = {(span.start, span.end): span for span in spans_in(answer.target if answer else None)}
        for span in spans_in(target):
            found = spans.get((span.start, span.end))
            of_each.append(span.label)
            given.append(ScoredTarget(found.label, answer.scores[found], {}) if answer and found else None)
    return of_each, given


def _pieces(true: Answers, predicted: Answers) -> tuple[Ints, list[Target | None], list[Target | None]]:
    """Return per piece that people answered about its row, their answer and the predicted one."""
    found = list(_found(true, predicted))
    return (
        np.array([row for row, _, _ in found], dtype=np.int64),
        [label for _, label, _ in found],
        [label for _, _, label in found],
    )


def _found(true: Answers, predicted: Answers) -> Iterator[tuple[int, str, str | None]]:
    for row, (target, answer) in enumerate(zip(true, predicted, strict=True)):
        given = {(span.start, span.end): span.label for span in spans_in(answer)}
        for span in spans_in(target):
            yield row, span.label, given.get((span.start, span.end))


def _means(scores: Floats, rows: Ints, count: int) -> Floats:
    sums, sizes = np.bincount(rows, scores, minlength=count), np.bincount(rows, minlength=count)
    return np.where(sizes > 0, sums / np.maximum(sizes, 1), np.nan)

"""F1 over classes, labels or exact spans, as a measure."""

from collections import Counter
from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from ..arrays import Floats, Ints
from ..domain.example import Target, parts_of
from ..domain.readable import listed
from .evaluation import Average, Evaluation, count_parts
from .measures.base import Answers, LabelMeasure, PairedStatistics

__all__ = ["F1Measure"]

THIN_CLASS_ROWS = 10


class F1Measure(LabelMeasure):
    """F1 over the parts that answers consist of.

    Macro-F1 averages over the labels among the true answers, for both versions and in every resample;
    a prediction outside them is a miss of what is true and adds no label. Otherwise a resample, or a version, could
    change what is averaged, and differences would compare unlike things.

    Attributes:
        average: over labels.
        is_stratified: whether rows are resampled within their true class. That cannot show any spread where the class
            has one row, and too little where it has a few: classes under `THIN_CLASS_ROWS` rows are resampled
            together, as one stratum; one that is missing from a resample is left out of that resample's average.
    """

    average: ClassVar[Average]
    is_stratified: ClassVar[bool] = False

    def evaluate(self, true: Sequence[Target], predicted: Answers, labels: Sequence[str] = ()) -> Evaluation:
        return Evaluation.of(true, predicted, labels)

    def row_scores(self, true: Answers, predicted: Answers) -> Floats:
        """1 for choices that are all right, else 0; for spans the F1 of the row's, 1 where there rightly are none."""
        score = _row_f1 if self.average is Average.MICRO else _is_same
        pairs = zip(true, predicted, strict=True)
        return np.array([np.nan if target is None else score(target, answer) for target, answer in pairs])

    def score(self, evaluation: Evaluation) -> float:
        return evaluation.macro_f1 if self.average is Average.MACRO else evaluation.micro_f1

    def compare(self, true: Answers, champion: Answers, challenger: Answers) -> PairedStatistics:
        rows = [row for row, target in enumerate(true) if target is not None]
        targets = [target for target in true if target is not None]
        both = [count_parts(targets, [answers[row] for row in rows]) for answers in (champion, challenger)]
        # Each names other labels; the columns of both must stand for the same ones.
        labels = sorted({label for occurring, _ in both for label in occurring})
        statistics: Floats = np.zeros((2, len(true), 3, len(labels)))
        for model, (occurring, counts) in enumerate(both):
            columns = [labels.index(label) for label in occurring]
            statistics[model][np.ix_(rows, range(3), columns)] = counts.swapaxes(0, 1)
        if self.average is Average.MACRO:
            statistics = statistics[..., statistics[0, :, 0].sum(axis=0) > 0]
        classes = Counter(target for target in true if isinstance(target, str))
        return PairedStatistics(
            self.metric,
            statistics.reshape(2, len(true), 3 * statistics.shape[-1]),
            _macro_f1 if self.average is Average.MACRO else _micro_f1,
            np.stack([self.row_scores(true, answers) for answers in (champion, challenger)]),
            _strata(true, classes) if self.is_stratified else None,
            tuple(_thin(classes)) if self.is_stratified else (),
        )


def _is_same(target: Target, answer: Target | None) -> float:
    return float(target == answer)


def _row_f1(target: Target, answer: Target | None) -> float:
    if answer is None:
        return 0.0
    true, named = Counter(parts_of(target)), Counter(parts_of(answer))
    parts = true.total() + named.total()
    return 2 * (true & named).total() / parts if parts else 1.0


def _macro_f1(sums: Floats) -> Floats:
    """Mean over the labels that occur, from support, named and hits of all labels; 0 where none does."""
    support, named, hits = _apart(sums)
    is_present = support > 0
    f1 = np.where(is_present, 2 * hits / np.maximum(support + named, 1), 0.0)
    return np.asarray(f1.sum(axis=-1) / np.maximum(is_present.sum(axis=-1), 1), dtype=np.float64)


def _micro_f1(sums: Floats) -> Floats:
    support, named, hits = _apart(sums)
    return np.asarray(2 * hits.sum(axis=-1) / np.maximum((support + named).sum(axis=-1), 1), dtype=np.float64)


def _apart(sums: Floats) -> Floats:
    """Support, named and hits, each of shape (..., L)."""
    return np.moveaxis(sums.reshape(*sums.shape[:-1], 3, sums.shape[-1] // 3), -2, 0)


def _strata(true: Answers, classes: Counter[str]) -> Ints:
    """A number per class; thin classes together, and rows that do not answer."""
    index = {label: k for k, label in enumerate(sorted(classes)) if classes[label] >= THIN_CLASS_ROWS}
    return np.array([-2 if target is None else index.get(str(target), -1) for target in true], dtype=np.int64)


def _thin(classes: Counter[str]) -> list[str]:
    thin = {label: count for label, count in sorted(classes.items()) if count < THIN_CLASS_ROWS}
    if not thin:
        return []
    shown = listed([f"{label} {count}" for label, count in thin.items()])
    which = "1 class" if len(thin) == 1 else f"{len(thin)} classes"
    sentence = (
        f"{which} with under {THIN_CLASS_ROWS} test rows ({shown}): "
        "their F1 is uncertain, and classes without any test row are not judged at all"
    )
    return [sentence]

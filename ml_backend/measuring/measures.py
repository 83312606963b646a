"""Measures: the one figure per control that versions are compared by, and what a bootstrap needs to know of it."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..arrays import Floats, Ints
from ..domain.example import Target
from ..domain.model import HeadKind
from .evaluation import Average, count_parts
from .text_metrics import rouge_l

__all__ = ["THIN_CLASS_ROWS", "Measure", "PairedStatistics", "measure_for"]


THIN_CLASS_ROWS = 10


@dataclass(frozen=True, slots=True, eq=False)
class PairedStatistics:
    """Champion and challenger on the test rows, as far as one control is concerned.

    Attributes:
        metric: what `value` gives.
        statistics: of the champion and the challenger, per row, what the metric is made of when it is summed over
            rows; shape (2, N, M). Rows that do not answer the control are all 0.
        value: the metric from sums of statistics, shape (..., M) to (...).
        strata: a number per row; rows are resampled within theirs. None: all rows together.
        thin: sentences about what too few rows say little about.
    """

    metric: str
    statistics: Floats
    value: Callable[[Floats], Floats]
    strata: Ints | None = None
    thin: tuple[str, ...] = ()

    @property
    def scores(self) -> tuple[float, float]:
        """Of the champion and of the challenger, on all rows."""
        champion, challenger = self.value(self.statistics.sum(axis=1)).tolist()
        return champion, challenger


class Measure(ABC):
    """How answers of one kind are compared."""

    @abstractmethod
    def paired_statistics(
        self,
        true: Sequence[Target | None],
        champion: Sequence[Target | None],
        challenger: Sequence[Target | None],
    ) -> PairedStatistics:
        """What is needed to compare two versions.

        Args:
            true: per test row, None where the row does not answer the control.
            champion: its answer per row, None where it gives none; `challenger` likewise.
        """


class PartMeasure(Measure):
    """F1 over classes, labels or exact spans.

    The labels that macro-F1 averages over are those among the true answers, for both versions and in every resample;
    a prediction outside them is a miss of what is true and adds no label. Otherwise a resample, or a version, could
    change what is averaged, and differences would compare unlike things.

    Args:
        metric: name of the figure.
        is_stratified: whether rows are resampled within their true class. That cannot show any spread where the class
            has one row, and too little where it has a few: classes under `THIN_CLASS_ROWS` rows are resampled
            together, as one stratum; one that is missing from a resample is left out of that resample's average.
    """

    def __init__(self, metric: str, average: Average, *, is_stratified: bool) -> None:
        self._metric, self._average, self._is_stratified = metric, average, is_stratified

    def paired_statistics(
        self,
        true: Sequence[Target | None],
        champion: Sequence[Target | None],
        challenger: Sequence[Target | None],
    ) -> PairedStatistics:
        rows = [row for row, target in enumerate(true) if target is not None]
        given = [target for target in true if target is not None]
        found = [count_parts(given, [answers[row] for row in rows]) for answers in (champion, challenger)]
        labels = sorted({label for counts in found for label in counts.labels})
        statistics: Floats = np.zeros((2, len(true), 3, len(labels)))
        for model, counts in enumerate(found):
            columns = [labels.index(label) for label in counts.labels]
            for position, values in enumerate((counts.support, counts.named, counts.hits)):
                statistics[model, np.array(rows, dtype=np.int64)[:, None], position, columns] = values
        if self._average is Average.MACRO:
            statistics = statistics[..., statistics[0, :, 0].sum(axis=0) > 0]
        classes = Counter(target for target in true if isinstance(target, str))
        return PairedStatistics(
            self._metric,
            statistics.reshape(2, len(true), 3 * statistics.shape[-1]),
            _macro_f1 if self._average is Average.MACRO else _micro_f1,
            _strata(true, classes) if self._is_stratified else None,
            tuple(_thin(classes)) if self._is_stratified else (),
        )


class TextMeasure(Measure):
    """The mean over rows of ROUGE-L between the expert's response and the version's; none counts as an empty one."""

    def paired_statistics(
        self,
        true: Sequence[Target | None],
        champion: Sequence[Target | None],
        challenger: Sequence[Target | None],
    ) -> PairedStatistics:
        rows = [row for row, target in enumerate(true) if target is not None]
        experts = [str(true[row]) for row in rows]
        statistics: Floats = np.zeros((2, len(true), 2))
        for model, answers in enumerate((champion, challenger)):
            statistics[model, rows, 0] = rouge_l(experts, [str(answers[row] or "") for row in rows])
            statistics[model, rows, 1] = 1
        return PairedStatistics("ROUGE-L", statistics, _mean)


def measure_for(head: HeadKind) -> Measure:
    """How answers of a kind of head are compared."""
    return _MEASURES[head]


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


def _mean(sums: Floats) -> Floats:
    return np.asarray(sums[..., 0] / np.maximum(sums[..., 1], 1), dtype=np.float64)


def _strata(true: Sequence[Target | None], classes: Counter[str]) -> Ints:
    """A number per class; thin classes together, and rows that do not answer."""
    index = {label: k for k, label in enumerate(sorted(classes)) if classes[label] >= THIN_CLASS_ROWS}
    return np.array([-2 if target is None else index.get(str(target), -1) for target in true], dtype=np.int64)


def _thin(classes: Counter[str]) -> list[str]:
    thin = {label: count for label, count in sorted(classes.items()) if count < THIN_CLASS_ROWS}
    if not thin:
        return []
    shown = ", ".join(f"{label} {count}" for label, count in list(thin.items())[:5])
    more = f" and {len(thin) - 5} more" if len(thin) > 5 else ""
    which = "1 class" if len(thin) == 1 else f"{len(thin)} classes"
    sentence = (
        f"{which} with under {THIN_CLASS_ROWS} test rows ({shown}{more}): "
        "their F1 is uncertain, and classes without any test row are not judged at all"
    )
    return [sentence]


_MEASURES: dict[HeadKind, Measure] = {
    HeadKind.SOFTMAX: PartMeasure("macro-F1", Average.MACRO, is_stratified=True),
    HeadKind.SIGMOID: PartMeasure("macro-F1", Average.MACRO, is_stratified=False),
    HeadKind.TAGS: PartMeasure("strict F1", Average.MICRO, is_stratified=False),
    HeadKind.TEXT: TextMeasure(),
}

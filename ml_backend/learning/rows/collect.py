"""From the rows of a snapshot to what a control's model is trained on."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ...domain.example import Row, Target, spans_in
from ...domain.readable import listed
from ...domain.reasons import Reason, ReasonCount, ReasonCounts
from ...errors import TrainingError
from ...tasks import ServedControl
from ...tasks.entities import without_overlaps
from ...tasks.region_rows import per_region, rows_per_region
from ..objectives.base import Objective
from .data import LabeledTexts, TrainingData

__all__ = ["training_data"]

THIN_CLASS_ROWS = 5
HINTED_ROWS = 20
"""Rows of a label up to which the phrases of its hint are learned as well: see docs/quality.md."""


def training_data(
    train_rows: Sequence[Row], validation_rows: Sequence[Row], served: ServedControl, weak_rows: Sequence[Row] = ()
) -> TrainingData:
    """The rows' texts and answers for one control.

    Rows that cannot be learned from (an empty text, no answer, an answer that the config lacks, weight 0) are left
    out with a warning. Labels without a train row never block training. Names of labels are learned from beside the
    rows where the head can, and hints of labels with few rows. The warnings are about rows of people, where there are
    any.

    Args:
        weak_rows: by label sources, trained on beside the train rows, or without any.

    Raises:
        TrainingError: no usable row, or all of them answer alike.
    """
    if served.marking:
        return _data_per_region(train_rows, validation_rows, served)
    control = served.control
    labels = control.label_values
    train, row_texts, left_out = _usable(train_rows, served)
    weak, weak_row_texts, _ = _usable(weak_rows, served) if served.kind.has_labels else _usable((), served)
    if not len(train) and not len(weak):
        raise TrainingError(
            f"none of the {len(train_rows)} train rows can be learned from ({_reasons(left_out) or 'there is none'}); "
            f"wanted a text and an answer to {control.name!r} in each: review more tasks and train again"
        )
    validation, _, _ = _usable(validation_rows, served)
    if not served.kind.has_labels:
        left = tuple(_warnings((), Counter(), left_out, knows_names=False))
        return TrainingData(control.name, served.kind.head, (), train, _labeled([]), validation, left, row_texts)
    objective = Objective.of(served.kind.head, labels)
    fault = objective.why_unusable((*train.targets, *weak.targets))
    if fault:
        raise TrainingError(f"{control.name!r} cannot be learned: {fault}")
    if not len(train):
        # Their weights are shares of a person's, and there is none.
        weak = replace(weak, weights=weak.weights / weak.weights.max())
    leading, rows = (train, "train row") if len(train) else (weak, "weak row")
    counts = Counter(label for target in leading.targets for label in served.kind.labels_in(target))
    described = [
        (text, label.value, 1.0)
        for label in (control.labels if objective.learns_descriptions else ())
        for text in label.descriptions[: None if counts[label.value] <= HINTED_ROWS else 1]
    ]
    return TrainingData(
        control.name,
        served.kind.head,
        labels,
        train,
        _labeled(described),
        validation,
        (
            *_warnings(labels, counts, left_out, knows_names=objective.learns_descriptions, rows=rows),
            *(each.line for each in _overlapping(train_rows, control.name)),
        ),
        row_texts,
        weak,
        weak_row_texts,
    )


def _data_per_region(train_rows: Sequence[Row], validation_rows: Sequence[Row], served: ServedControl) -> TrainingData:
    """The same of a control that is asked about marked pieces, a row each."""
    train = list(rows_per_region(train_rows, served))
    data = training_data(train, list(rows_per_region(validation_rows, served)), per_region(served))
    answered = tuple(row.text for row in train_rows if served.name in row.targets)
    return replace(data, row_texts=answered)


def _usable(rows: Sequence[Row], served: ServedControl) -> tuple[LabeledTexts, tuple[str, ...], list[ReasonCount]]:
    """Return the rows that can be learned from, all that is read of each, and the reasons why others cannot."""
    usable: list[tuple[str, Target, float]] = []
    row_texts: list[str] = []
    left_out = ReasonCounts()
    labels = set(served.control.label_values)
    for row in rows:
        text = served.control.prompt_in(row.text)
        target = row.targets.get(served.name)
        if not text.strip():
            left_out.add(Reason.EMPTY_TEXT, row.task_id)
        elif target is None:
            left_out.add(Reason.NO_ANSWER, row.task_id)
        elif not labels.issuperset(served.kind.labels_in(target)):
            left_out.add(Reason.UNKNOWN_LABEL, row.task_id)
        elif not row.weight > 0:
            left_out.add(Reason.NO_WEIGHT, row.task_id)
        else:
            usable.append((text, target, row.weight))
            row_texts.append(row.text)
    return _labeled(usable), tuple(row_texts), list(left_out)


def _overlapping(rows: Sequence[Row], control: str) -> ReasonCounts:
    """Count the answers of which a model learns only a part, since a word gets one label."""
    counts = ReasonCounts()
    for row in rows:
        spans = spans_in(row.targets.get(control))
        if len(without_overlaps(spans)) < len(spans):
            counts.add(Reason.OVERLAPPING_SPAN, row.task_id, control)
    return counts


def _labeled(rows: Sequence[tuple[str, Target, float]]) -> LabeledTexts:
    return LabeledTexts(
        tuple(text for text, _, _ in rows),
        tuple(target for _, target, _ in rows),
        np.array([weight for _, _, weight in rows], dtype=np.float64),
    )


def _warnings(
    labels: Sequence[str],
    counts: Counter[str],
    left_out: Sequence[ReasonCount],
    *,
    knows_names: bool,
    rows: str = "train row",
) -> list[str]:
    warnings = []
    if left_out:
        total = sum(each.count for each in left_out)
        warnings.append(f"{total} train rows were left out: {_reasons(left_out)}")
    absent = [label for label in labels if not counts[label]]
    if absent:
        consequence = "the model knows such labels by name and hint only" if knows_names else "it is never answered"
        warnings.append(f"no {rows} is labeled {listed(absent)}: {consequence}")
    thin = [f"{label} ({counts[label]})" for label in labels if 0 < counts[label] < THIN_CLASS_ROWS]
    if thin:
        warnings.append(f"under {THIN_CLASS_ROWS} {rows}s each for {listed(thin)}: answers there are little tested")
    return warnings


def _reasons(left_out: Sequence[ReasonCount]) -> str:
    return ", ".join(map(str, left_out))

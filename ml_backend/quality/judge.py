"""Agreed answers of rows, judged by what the model says of them."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ..arrays import Floats, Ints
from ..domain.example import Span, Target, label_of, parts_of
from ..domain.model import HeadKind
from ..domain.quality import ClassNoise, ClassPair, Issue, IssueKind
from ..domain.span_changes import SpanFault, span_changes
from .ambiguity import choice_noise, class_noise, class_pairs, health
from .answers import Answered
from .label_errors import FEWEST_CLASS_ROWS, label_errors, multilabel_errors
from .predictions import OutOfSamplePredictions
from .tag_errors import tag_errors

__all__ = ["Judged", "judge"]

SHOWN = 5


@dataclass(frozen=True, slots=True)
class Judged:
    """What agreed answers look like.

    Attributes:
        quality: per task id; tasks whose answer could not be judged are not in it.
        issues: label errors; without a suggestion for held-out rows.
        warnings: sentences on what could not be judged, and why.
    """

    quality: Mapping[int, float] = field(default_factory=dict)
    issues: Sequence[Issue] = ()
    health: float | None = None
    classes: Sequence[ClassNoise] = ()
    pairs: Sequence[ClassPair] = ()
    warnings: Sequence[str] = ()


def judge(rows: Sequence[Answered], predictions: OutOfSamplePredictions, mixed: Sequence[Sequence[int]] = ()) -> Judged:
    """The agreed answers of these rows, judged.

    Args:
        mixed: per text that annotators disagree about, the classes that they gave.
    """
    names = set(predictions.names)
    agreed = [row for row in rows if row.agreed is not None]
    known = [row for row in agreed if names.issuperset(_labels(row.agreed))]
    warnings = []
    if not agreed:
        warnings.append("no row has an agreed answer: label errors could not be looked for")
    if len(known) < len(agreed):
        warnings.append(
            f"{len(agreed) - len(known)} rows have an answer that the label config lacks: they were not judged"
        )
    if predictions.probabilities is None and known:
        warnings.append("there are no out-of-fold probabilities: label errors could not be looked for")
    if predictions.probabilities is None or not known:
        found = Judged(pairs=_mixed_pairs(predictions.names, mixed))
    elif predictions.head is HeadKind.SOFTMAX:
        found = _judge_classes(known, predictions.names, predictions.probabilities, mixed)
    else:
        found = _BY_HEAD[predictions.head](known, predictions, predictions.probabilities)
    return _named(replace(found, warnings=[*warnings, *found.warnings]), predictions.control.name)


def _judge_classes(
    rows: Sequence[Answered], names: Sequence[str], probabilities: Floats, mixed: Sequence[Sequence[int]]
) -> Judged:
    code = {name: index for index, name in enumerate(names)}
    labels = np.array([code[str(row.agreed)] for row in rows], dtype=np.int64)
    found = label_errors(labels, probabilities[[row.position for row in rows]])
    return Judged(
        quality={row.row.task_id: float(found.quality[i]) for i, row in enumerate(rows) if found.is_judged[i]},
        issues=[
            _issue(rows[i], float(found.quality[i]), names[int(found.suggested[i])])
            for i in np.flatnonzero(found.is_error).tolist()
        ],
        health=health(found),
        classes=class_noise(names, labels, found),
        pairs=class_pairs(names, labels, found, mixed),
        warnings=_class_warnings(names, labels),
    )


def _judge_choices(rows: Sequence[Answered], predictions: OutOfSamplePredictions, probabilities: Floats) -> Judged:
    names = predictions.names
    chosen = [set(_labels(row.agreed)) for row in rows]
    labels = np.array([[name in choices for name in names] for choices in chosen], dtype=np.bool_)
    found = multilabel_errors(labels, probabilities[[row.position for row in rows]])
    suggested = [
        tuple(sorted(name for name, is_chosen in zip(names, line, strict=True) if is_chosen))
        for line in found.suggested.tolist()
    ]
    return Judged(
        quality={row.row.task_id: float(found.quality[i]) for i, row in enumerate(rows)},
        issues=[
            _issue(rows[i], float(found.quality[i]), suggested[i]) for i in np.flatnonzero(found.is_error).tolist()
        ],
        health=1.0 - float(found.is_error.mean()),
        classes=choice_noise(names, labels, found),
        warnings=_absent_warnings([name for k, name in enumerate(names) if not labels[:, k].any()]),
    )


def _judge_spans(rows: Sequence[Answered], predictions: OutOfSamplePredictions, probabilities: Floats) -> Judged:
    if predictions.tagging is None:
        raise TypeError("probabilities of tags without the words that they are about found; wanted both")
    positions = np.array([row.position for row in rows], dtype=np.int64)
    reading = predictions.tagging.reading
    units = reading.units_of(positions)
    given = [_spans(row.agreed) for row in rows]
    found = tag_errors(
        given, predictions.names, probabilities[units], predictions.tagging.codes[units], reading.take(positions)
    )
    if not found.is_judged:
        return Judged(warnings=["all words of all texts are marked alike: label errors could not be looked for"])
    is_error = [spans != suggested for spans, suggested in zip(given, found.suggested, strict=True)]
    counts = Counter(span.label for spans in given for span in spans)
    classes, pairs = _span_noise(predictions.names, given, found.suggested)
    return Judged(
        quality={row.row.task_id: float(found.quality[i]) for i, row in enumerate(rows)},
        issues=[_issue(row, float(found.quality[i]), found.suggested[i]) for i, row in enumerate(rows) if is_error[i]],
        health=1.0 - float(np.mean(is_error)),
        classes=classes,
        pairs=pairs,
        warnings=_absent_warnings([name for name in predictions.names if not counts[name]]),
    )


_BY_HEAD: Mapping[HeadKind, Callable[[Sequence[Answered], OutOfSamplePredictions, Floats], Judged]] = {
    HeadKind.SIGMOID: _judge_choices,
    HeadKind.TAGS: _judge_spans,
}


def _span_noise(
    names: Sequence[str], given: Sequence[tuple[Span, ...]], suggested: Sequence[tuple[Span, ...]]
) -> tuple[tuple[ClassNoise, ...], tuple[ClassPair, ...]]:
    """Noise per label, counted in spans, and labels that are taken for each other."""
    rows = Counter(span.label for spans in given for span in spans)
    changes = [change for pair in zip(given, suggested, strict=True) for change in span_changes(*pair)]
    suspects = Counter(change.given.label for change in changes if change.given)
    missed = Counter(
        change.suggested.label
        for change in changes
        if change.suggested and (change.given is None or change.given.label != change.suggested.label)
    )
    types = Counter(
        (change.given.label, change.suggested.label)
        for change in changes
        if change.fault is SpanFault.WRONG_TYPE and change.given and change.suggested
    )
    return (
        tuple(
            ClassNoise(name, rows[name], suspects[name], missed[name])
            for name in names
            if rows[name] + suspects[name] + missed[name]
        ),
        tuple(ClassPair(one, other, count) for (one, other), count in types.most_common()),
    )


def _issue(row: Answered, quality: float, suggested: Target) -> Issue:
    return Issue(
        task_id=row.row.task_id,
        row_id=row.row.id,
        split=row.split,
        kind=IssueKind.LABEL_ERROR,
        quality=quality,
        given=row.agreed,
        suggested=None if row.split.is_held_out else suggested,
    )


def _named(found: Judged, control: str) -> Judged:
    """The findings with the control that they are about."""
    return replace(
        found,
        issues=[replace(each, control=control) for each in found.issues],
        classes=[replace(each, control=control) for each in found.classes],
        pairs=[replace(each, control=control) for each in found.pairs],
    )


def _mixed_pairs(names: Sequence[str], mixed: Sequence[Sequence[int]]) -> tuple[ClassPair, ...]:
    nobody = np.zeros(0, dtype=np.int64)
    return class_pairs(names, nobody, label_errors(nobody, np.zeros((0, len(names)))), mixed)


def _class_warnings(names: Sequence[str], labels: Ints) -> list[str]:
    counts = Counter(labels.tolist())
    if len(counts) == 1:
        found = f"all {len(labels)} labeled rows are {names[int(labels[0])]!r}: label errors could not be looked for"
        return [f"{found}, which takes at least 2 classes of {FEWEST_CLASS_ROWS} rows"]
    warnings = []
    judged = [index for index, count in counts.items() if count >= FEWEST_CLASS_ROWS]
    thin = [f"{names[index]} ({counts[index]})" for index in sorted(counts) if counts[index] < FEWEST_CLASS_ROWS]
    if len(judged) < 2:
        warnings.append(
            f"{len(judged)} of {len(counts)} classes with rows have {FEWEST_CLASS_ROWS} or more: label errors could "
            "not be looked for, which takes at least 2 such classes"
        )
    elif thin:
        warnings.append(f"under {FEWEST_CLASS_ROWS} rows each for {_listed(thin)}: their labels were not judged")
    return warnings + _absent_warnings([name for index, name in enumerate(names) if not counts[index]])


def _absent_warnings(absent: Sequence[str]) -> list[str]:
    return [f"no row is labeled {_listed(absent)}: nothing can be suspected to belong there"] if absent else []


def _labels(target: Target | None) -> tuple[str, ...]:
    return () if target is None else tuple(label_of(part) for part in parts_of(target))


def _spans(target: Target | None) -> tuple[Span, ...]:
    return () if target is None else tuple(part for part in parts_of(target) if isinstance(part, Span))


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")

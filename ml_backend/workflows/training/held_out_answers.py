"""Keep what a version answered to the held-out rows that it was measured on, so that people can see where it is wrong.

Looking at single answers is for people: nothing is trained, chosen or promoted by them. Texts stay in the snapshot,
which answers name by line; only what a version wrote by itself is kept as text.
"""

import json
import zlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from ...domain.example import Row, Target, spans_in
from ...domain.model import ScoredTarget
from ...domain.ports import Predictor
from ...domain.row_json import target_from_json, target_to_json
from ...domain.snapshot import Snapshot, Split, normal_form
from ...domain.span_changes import span_changes
from ...labelstudio.plans import plan_of
from ...snapshots.references import with_references
from ...tasks import ServedControl
from ...tasks.region_rows import MarkedText
from ..services import Services

__all__ = ["ControlAnswers", "answers_from_bytes", "answers_to_bytes", "keep_answers"]

MOST_ROWS = 20_000
"""Rows per version and split whose answers are kept, about 0.3 MB."""
MOST_CHARACTERS = 4_000
"""The length at which a response is cut before it is kept; how many were cut is kept as well."""
RESAMPLES = 1_000


@dataclass(frozen=True, slots=True)
class ControlAnswers:
    """Answers of a version to the rows that answer a control, each sequence a row each.

    Attributes:
        lines: of the split's file in the snapshot, from 0.
        true: what people say; None where that is a response in words, which the snapshot holds.
        references: the lines that hold such responses; empty where answers are labels.
        given: what the version answered; None for nothing.
        confidence: calibrated, None without an answer.
        score: how good the answer is, see `Measure.row_scores`.
    """

    lines: Sequence[int]
    task_ids: Sequence[int]
    true: Sequence[Target | None]
    references: Sequence[Sequence[int]]
    given: Sequence[Target | None]
    confidence: Sequence[float | None]
    score: Sequence[float]

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return {
            "lines": self.lines,
            "task_ids": self.task_ids,
            "true": list(map(target_to_json, self.true)),
            "references": self.references,
            "given": list(map(target_to_json, self.given)),
            "confidence": self.confidence,
            "score": self.score,
        }

    def at(self, places: Sequence[int]) -> "ControlAnswers":
        """Return the answers at these places, in their order."""
        columns = {each.name: getattr(self, each.name) for each in fields(self)}
        return ControlAnswers(
            **{name: [own[place] for place in places] if own else own for name, own in columns.items()}
        )

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "ControlAnswers":
        """Return what `to_json` has written."""
        targets = {name: list(map(_target, values[name])) for name in ("true", "given")}
        return cls(**{**values, **targets})


def keep_answers(
    services: Services,
    snapshot: Snapshot,
    split: Split,
    predictor: Predictor,
    rows: Sequence[Row],
    *,
    most: int = MOST_ROWS,
) -> None:
    """Measure a predictor on held-out rows, and keep the figures and what it answered.

    Args:
        predictor: has answered the rows before, see `Remembering`, or is quick.
        rows: of the snapshot's split, all of them in order.
        most: of the first so many, answers are kept; how many were left out is kept as well.
    """
    plan, key = plan_of(snapshot.manifest), snapshot.manifest.project.key
    kept, places = rows[:most], {row.id: place for place, row in enumerate(rows)}
    measured = with_references(kept, plan)
    predicted = predictor.predict([MarkedText.of(row, plan.controls) for row in measured]) if measured else []
    summary: dict[str, Any] = {"left_out": len(rows) - len(kept), "controls": {}}
    figures: dict[str, Any] = {}
    answers: dict[str, ControlAnswers] = {}
    for served in plan.controls:
        pairs = [
            (row, found.get(served.name) if found else None)
            for row, found in zip(measured, predicted, strict=True)
            if served.name in row.targets
        ]
        if not pairs:
            continue
        own = _control_answers(served, pairs, places, _references(kept, served))
        true, given = [row.targets[served.name] for row, _ in pairs], [answer for _, answer in pairs]
        seed = services.options.seed
        summary["controls"][served.name], figures[served.name] = _figures(served, true, given, own, seed=seed)
        answers[served.name] = own
    if answers:
        services.database.measurements.keep(
            key,
            predictor.version,
            snapshot.id,
            split,
            summary=summary,
            figures=figures,
            answers=answers_to_bytes(answers),
        )


def answers_to_bytes(answers: Mapping[str, ControlAnswers]) -> bytes:
    """Return answers by control as they are stored: compressed JSON."""
    values = {control: own.to_json() for control, own in answers.items()}
    return zlib.compress(json.dumps(values, separators=(",", ":")).encode(), 9)


def answers_from_bytes(content: bytes) -> Mapping[str, ControlAnswers]:
    """Return what `answers_to_bytes` has made of answers by control."""
    values = json.loads(zlib.decompress(content))
    return {control: ControlAnswers.from_json(own) for control, own in values.items()}


def _control_answers(
    served: ServedControl,
    pairs: Sequence[tuple[Row, ScoredTarget | None]],
    places: Mapping[str, int],
    references: Mapping[str, Sequence[int]],
) -> ControlAnswers:
    from ...measuring.piece_answers import measure_of

    true = [row.targets[served.name] for row, _ in pairs]
    given = [None if answer is None else answer.target for _, answer in pairs]
    scores = measure_of(served).row_scores(true, given)
    is_written = not served.kind.has_labels
    return ControlAnswers(
        lines=[places[row.id] for row, _ in pairs],
        task_ids=[row.task_id for row, _ in pairs],
        true=[None] * len(pairs) if is_written else true,
        references=[references[normal_form(row.text)] for row, _ in pairs] if is_written else (),
        given=[str(each)[:MOST_CHARACTERS] if is_written and each is not None else each for each in given],
        confidence=[None if answer is None else round(answer.score, 4) for _, answer in pairs],
        score=[round(float(each), 4) for each in scores],
    )


def _references(rows: Sequence[Row], served: ServedControl) -> Mapping[str, Sequence[int]]:
    """Return the lines that hold responses to each prompt."""
    lines: dict[str, list[int]] = defaultdict(list)
    if not served.kind.has_labels:
        for line, row in enumerate(rows):
            if served.name in row.targets:
                lines[normal_form(row.text)].append(line)
    return lines


def _figures(
    served: ServedControl,
    true: Sequence[Target],
    answers: Sequence[ScoredTarget | None],
    own: ControlAnswers,
    *,
    seed: int,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what lists show of a control, and all figures; both JSON objects."""
    from ...measuring.evaluation import Evaluation
    from ...measuring.gate import bootstrap_differences
    from ...measuring.piece_answers import measure_of, piece_answers
    from ...measuring.shares import share_interval

    measure = measure_of(served)
    given = [None if answer is None else answer.target for answer in answers]
    evaluation = measure.evaluate(true, given, served.control.label_values)
    pair = measure.compare(true, [None] * len(true), given)  # no answer scores 0, so the difference is the score
    low, high = np.quantile(bootstrap_differences([pair], seed=seed, resamples=RESAMPLES), (0.025, 0.975)).tolist()
    summary = {
        "metric": measure.metric,
        "score": pair.scores[1],
        "low": min(low, pair.scores[1]),
        "high": max(high, pair.scores[1]),
        "rows": len(true),
        "accuracy": None,
        "has_labels": served.kind.has_labels,
    }
    mistakes: dict[str, Any] = {}
    if isinstance(evaluation, Evaluation):
        accuracy = evaluation.accuracy
        summary |= {"accuracy": accuracy, "accuracy_interval": share_interval(accuracy, evaluation.rows)}
        mistakes = _span_mistakes(own)
        shown = replace(evaluation.with_calibration(*piece_answers(served, true, answers)), confusion=())
        figures = shown.to_json()
    else:
        figures = {**evaluation.to_json(), "per_row": []}
    shortened = sum(isinstance(each, str) and len(each) > MOST_CHARACTERS for each in given)
    return summary, {"kind": served.kind.name, "evaluation": figures, "mistakes": mistakes, "shortened": shortened}


def _span_mistakes(own: ControlAnswers) -> dict[str, Any]:
    """Return how often each label's spans were missed, spurious, or wrong in their label or in their ends.

    One with another label counts for the label that people gave.
    """
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for truth, answer in zip(own.true, own.given, strict=True):
        for change in span_changes(spans_in(answer), spans_in(truth)):
            span = change.suggested or change.given
            if span is not None:
                counts[span.label][change.fault.value] += 1
    return {label: dict(faults) for label, faults in counts.items()}


def _target(value: Any) -> Target | None:
    return None if value is None else target_from_json(value)

"""Find where the remaining error sits: which labels are missed or mixed up, with tasks to read, and in which slices."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from ...domain.example import Target, label_of, parts_of
from ...domain.field_texts import readable_text
from ...domain.readable import readable, shortened
from ...measuring.evaluation import ClassMetrics, Evaluation
from ...measuring.measures.base import Measure
from ...measuring.slices import score_slices
from ...tasks import ServingPlan
from ..services import Services
from ..slices import slices_of
from .frozen_rows import FrozenRows

__all__ = ["differing_labels", "mistakes_to_json"]

NOTHING = ""
"""Stands in a pair for no label at all: something was missed, or is too much."""
MOST_PAIRS, MOST_EXAMPLES, TEXT_CHARACTERS = 10, 3, 240

_Pair = tuple[str, str]


def mistakes_to_json(
    services: Services, plan: ServingPlan, rows: FrozenRows, answers: Sequence[Target | None]
) -> dict[str, Any]:
    """Return pairs of given and answered label, the most frequent first, labels by F1, and slices, as a JSON object.

    Args:
        answers: per row, of models that did not learn from it. Tasks to read are train rows alone: whoever cleans the
            held-out ones by a model's opinion measures nothing any more.
    """
    counts: Counter[_Pair] = Counter()
    examples: dict[_Pair, list[int]] = defaultdict(list)
    answered = [i for i, answer in enumerate(answers) if answer is not None and rows.targets[i] is not None]
    for place in answered:
        given, answer = rows.targets[place], answers[place]
        for pair in differing_labels(() if given is None else given, () if answer is None else answer):
            counts[pair] += 1
            if not rows.is_held_out[place]:
                examples[pair].append(place)
    total = sum(counts.values())
    evaluation = Evaluation.of(
        [target for i in answered if (target := rows.targets[i]) is not None], [answers[i] for i in answered]
    )
    return {
        "rows": len(answered),
        "mistakes": total,
        "pairs": [
            {
                "given": given,
                "answered": answer,
                "count": count,
                "share": round(count / total, 4),
                "examples": [
                    _example(rows, place, answers[place]) for place in examples[given, answer][:MOST_EXAMPLES]
                ],
            }
            for (given, answer), count in counts.most_common(MOST_PAIRS)
        ],
        "labels": [
            {
                "label": each.label,
                "rows": each.support,
                "precision": round(each.precision, 4),
                "recall": round(each.recall, 4),
                "f1": round(each.f1, 4),
            }
            for each in sorted(evaluation.per_class, key=_lost, reverse=True)
        ],
        "slices": _slices(services, plan, rows, answers),
    }


def _slices(
    services: Services, plan: ServingPlan, rows: FrozenRows, answers: Sequence[Target | None]
) -> list[dict[str, Any]]:
    """Return the scores on slices of the rows, the lowest first."""
    true = [None if answer is None else target for target, answer in zip(rows.targets, answers, strict=True)]
    scores = Measure.of(rows.served.kind.head).row_scores(true, answers)
    slices, _ = slices_of(services, [row for row, _ in rows.rows], replace(plan, controls=(rows.served,)))
    return [asdict(each) for each in sorted(score_slices({rows.served.name: scores}, slices), key=lambda s: s.score)]


def differing_labels(given: Target, answer: Target) -> list[_Pair]:
    """Return the labels that only one of two answers has, beside each other as far as possible."""
    missed, extra = (Counter(map(label_of, parts_of(each))) for each in (given, answer))
    if given != answer and missed == extra:  # the same labels in other places
        return [(label_of(part), label_of(part)) for part in set(parts_of(given)) - set(parts_of(answer))]
    first, second = sorted((missed - extra).elements()), sorted((extra - missed).elements())
    length = max(len(first), len(second))
    return [(first[i] if i < len(first) else NOTHING, second[i] if i < len(second) else NOTHING) for i in range(length)]


def _example(rows: FrozenRows, place: int, answer: Target | None) -> dict[str, Any]:
    row, _ = rows.rows[place]
    about = rows.served.control.text_in(row.text)
    return {
        "task_id": row.task_id,
        "text": shortened(readable_text(row.text), TEXT_CHARACTERS),
        "given": readable(rows.targets[place], about),
        "answered": readable(answer, about),
    }


def _lost(label: ClassMetrics) -> float:
    """Return how much the label takes off the score, its rows considered."""
    return (1 - label.f1) * max(label.support, 1)

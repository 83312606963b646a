"""Texts that annotators disagree about, and what each annotator's answers are worth."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ..domain.example import Target
from ..domain.quality import AnnotatorQuality, Disagreement, Issue, IssueKind
from .annotators import UNANSWERED, Crowd, crowd
from .answers import Answered, TextAnswers, by_text

__all__ = ["Together", "ambiguous_issues", "compare_annotators"]

Floats: TypeAlias = npt.NDArray[np.floating]

UNSURE = 0.5
"""An unsettled text is ambiguous where no answer is likelier than all others together."""


@dataclass(frozen=True, slots=True)
class Together:
    """What several annotators said about the same texts.

    Attributes:
        annotators: the lowest quality first, those without one last.
        disagreements: see `Audit`.
        mixed: per text with different answers, the classes that were given; empty where answers are no classes.
        warnings: sentences on what could not be looked at, and why.
    """

    annotators: tuple[AnnotatorQuality, ...]
    disagreements: tuple[Disagreement, ...]
    mixed: tuple[tuple[int, ...], ...]
    warnings: tuple[str, ...]


def compare_annotators(rows: Sequence[Answered], names: Sequence[str], probabilities: Floats | None) -> Together:
    """What the annotators of these rows are worth, and where they disagree.

    Args:
        names: classes in the order of the probabilities' columns.
        probabilities: shape (N, K), a line per position of a row; None: there is no model.
    """
    occurring = {target for row in rows for target in row.answers.values()}
    is_classes = all(isinstance(target, str) for target in occurring)
    targets: Sequence[Target] = names if is_classes else sorted(occurring, key=str)
    texts = by_text(rows, targets)
    firsts = [group[0].position for group in texts.rows]
    prior = probabilities[firsts] if probabilities is not None and is_classes else None
    found = crowd(texts.matrix, prior, classes=len(targets))
    lines = [line for line in range(len(texts.rows)) if len(_given(texts, line)) > 1]
    return Together(
        annotators=_annotators(rows, texts, found),
        disagreements=_disagreements(texts, found, lines),
        mixed=tuple(tuple(_given(texts, line)) for line in lines) if is_classes else (),
        warnings=_warnings(texts, found),
    )


def ambiguous_issues(disagreements: Sequence[Disagreement]) -> list[Issue]:
    """An issue for each unsettled text on which annotators and model together have no opinion either."""
    return [
        Issue(found.task_id, found.row_id, found.split, IssueKind.AMBIGUOUS, found.quality)
        for found in disagreements
        if not found.is_settled and found.quality < UNSURE
    ]


def _given(texts: TextAnswers, line: int) -> Counter[int]:
    return Counter(answer for answer in texts.matrix[line].tolist() if answer != UNANSWERED)


def _disagreements(texts: TextAnswers, found: Crowd, lines: Sequence[int]) -> tuple[Disagreement, ...]:
    disagreements = []
    for line in lines:
        answers = [(texts.targets[code], count) for code, count in sorted(_given(texts, line).items())]
        answers.sort(key=lambda answer: -answer[1])
        consensus = texts.targets[int(found.consensus[line])]
        disagreements += [
            Disagreement(
                task_id=row.row.task_id,
                row_id=row.row.id,
                split=row.split,
                answers=tuple(answers),
                is_settled=row.agreed is not None,
                consensus=None if row.split.is_held_out else consensus,
                quality=float(found.confidence[line]),
            )
            for row in texts.rows[line]
        ]
    return tuple(sorted(disagreements, key=lambda found: (found.is_settled, found.quality, found.task_id)))


def _annotators(rows: Sequence[Answered], texts: TextAnswers, found: Crowd) -> tuple[AnnotatorQuality, ...]:
    counts = Counter(annotator for row in rows for annotator in row.answers)
    columns = zip(texts.annotators, found.quality, found.agreement, strict=True)
    qualities = [AnnotatorQuality(name, counts[name], quality, agreement) for name, quality, agreement in columns]
    return tuple(sorted(qualities, key=lambda one: (one.quality is None, one.quality or 0.0, one.annotator)))


def _warnings(texts: TextAnswers, crowd_found: Crowd) -> tuple[str, ...]:
    if len(texts.annotators) < 2 or any(share is not None for share in crowd_found.agreement):
        return ()
    found = f"none of the {len(texts.rows)} texts was answered by several of the {len(texts.annotators)} annotators"
    return (f"{found}: their quality cannot be told, which takes an overlap in the project's settings",)

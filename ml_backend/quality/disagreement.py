"""Texts that annotators disagree about, and what each annotator's answers are worth."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ..domain.example import Target
from ..domain.model import HeadKind
from ..domain.quality import AnnotatorQuality, Disagreement, Issue, IssueKind
from .annotators import UNANSWERED, crowd
from .answers import Answered, TextAnswers, by_text
from .predictions import OutOfSamplePredictions
from .verdicts import Verdicts, agreement, verdict_on_choices, verdict_on_spans

__all__ = ["Together", "ambiguous_issues", "compare_annotators"]

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


def compare_annotators(rows: Sequence[Answered], predictions: OutOfSamplePredictions) -> Together:
    """What the annotators of these rows are worth, and where they disagree about the control."""
    is_single = predictions.head is HeadKind.SOFTMAX
    occurring = {target for row in rows for target in row.answers.values()}
    targets: Sequence[Target] = predictions.names if is_single else sorted(occurring, key=repr)
    texts = by_text(rows, targets, is_exact=predictions.head is HeadKind.TAGS)
    found = _verdicts(texts, predictions)
    lines = [line for line in range(len(texts.rows)) if len(_given(texts, line)) > 1]
    control = predictions.control.name
    return Together(
        annotators=_annotators(rows, texts, found, control),
        disagreements=_disagreements(texts, found, lines, control),
        mixed=tuple(tuple(_given(texts, line)) for line in lines) if is_single else (),
        warnings=_warnings(texts, found),
    )


def _verdicts(texts: TextAnswers, predictions: OutOfSamplePredictions) -> Verdicts:
    if predictions.head is HeadKind.TAGS:
        return verdict_on_spans(texts)
    firsts = [group[0].position for group in texts.rows]
    prior = None if predictions.probabilities is None else predictions.probabilities[firsts]
    if predictions.head is HeadKind.SIGMOID:
        return verdict_on_choices(texts, predictions.names, prior)
    found = crowd(texts.matrix, prior, classes=len(texts.targets))
    consensus = [None if code == UNANSWERED else texts.targets[code] for code in found.consensus.tolist()]
    return Verdicts(consensus, found.confidence.tolist(), found.quality, agreement(texts))


def ambiguous_issues(disagreements: Sequence[Disagreement]) -> list[Issue]:
    """An issue for each unsettled text on which annotators and model together have no opinion either."""
    return [
        Issue(found.task_id, found.row_id, found.split, IssueKind.AMBIGUOUS, found.quality, control=found.control)
        for found in disagreements
        if not found.is_settled and found.quality < UNSURE
    ]


def _given(texts: TextAnswers, line: int) -> Counter[int]:
    return Counter(answer for answer in texts.matrix[line].tolist() if answer != UNANSWERED)


def _disagreements(texts: TextAnswers, found: Verdicts, lines: Sequence[int], control: str) -> tuple[Disagreement, ...]:
    disagreements = []
    for line in lines:
        answers = [(texts.targets[code], count) for code, count in sorted(_given(texts, line).items())]
        answers.sort(key=lambda answer: -answer[1])
        disagreements += [
            Disagreement(
                task_id=row.row.task_id,
                row_id=row.row.id,
                split=row.split,
                answers=tuple(answers),
                is_settled=row.agreed is not None,
                consensus=None if row.split.is_held_out else found.consensus[line],
                quality=found.confidence[line],
                control=control,
            )
            for row in texts.rows[line]
        ]
    return tuple(sorted(disagreements, key=lambda found: (found.is_settled, found.quality, found.task_id)))


def _annotators(
    rows: Sequence[Answered], texts: TextAnswers, found: Verdicts, control: str
) -> tuple[AnnotatorQuality, ...]:
    counts = Counter(annotator for row in rows for annotator in row.answers)
    columns = zip(texts.annotators, found.quality, found.agreement, strict=True)
    qualities = [AnnotatorQuality(name, counts[name], quality, share, control) for name, quality, share in columns]
    return tuple(sorted(qualities, key=_rank))


def _rank(one: AnnotatorQuality) -> tuple[bool, float, str]:
    worth = one.agreement if one.quality is None else one.quality
    return worth is None, worth or 0.0, one.annotator


def _warnings(texts: TextAnswers, found: Verdicts) -> tuple[str, ...]:
    if len(texts.annotators) < 2 or any(share is not None for share in found.agreement):
        return ()
    none = f"none of the {len(texts.rows)} texts was answered by several of the {len(texts.annotators)} annotators"
    return (f"{none}: their quality cannot be told, which takes an overlap in the project's settings",)

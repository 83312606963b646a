"""Propose answers to tasks that nobody has labeled, by all sources together."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np

from ...arrays import Floats
from ...domain.example import Span, Target
from ...domain.row_json import target_to_json
from ...domain.snapshot import Split
from ...domain.source import AnswerForm, Proposal
from ...measuring.calibration import Reliability, fit_logistic
from ...measuring.label_model import CombinedAnswer, combined
from ...measuring.votes import VotedPart
from ...models.text.confidence import log_odds
from ...sources.kinds.base import AskedControl
from .read import JudgedControl, ReadTexts

__all__ = ["proposals", "source_proposals", "sourced_answers", "target_of"]

DIGITS = 4


def source_proposals(read: ReadTexts) -> Mapping[str, Any]:
    """Return the proposals as `labelloop sources propose --json` prints them."""
    proposed, sentences = proposals(read)
    return {
        "proposals": [
            {
                "task_id": each.task_id,
                "targets": {name: target_to_json(target) for name, target in each.targets.items()},
                "confidence": each.confidence,
                "by": list(each.by),
            }
            for each in proposed
        ],
        "unlabeled": len(read.task_ids) - len(read.rows),
        "faults": [asdict(fault) for fault in read.faults],
        "notes": [*read.notes, *sentences],
    }


def proposals(read: ReadTexts) -> tuple[list[Proposal], list[str]]:
    """Return proposals in the order of tasks, and sentences on what to know before their confidences are believed.

    Unlabeled train tasks on which a source that is on votes get one. Held-out tasks do not: nobody must see a proposal
    for one. A confidence is the chance that the whole answer is right.
    """
    targets: defaultdict[int, dict[str, Target]] = defaultdict(dict)
    chances: defaultdict[int, float] = defaultdict(lambda: 1.0)
    sources: defaultdict[int, set[int]] = defaultdict(set)
    sentences = []
    for control in read.controls:
        answers = sourced_answers(read, control)
        if not answers.is_calibrated:
            sentences.append(
                f"confidences of {control.asked.name} are not calibrated: fewer than {Reliability.LEAST_ROWS} labeled "
                "validation rows have a vote"
            )
        for answer, confidence in zip(answers.given, answers.confidences.tolist(), strict=True):
            if answer.row >= len(read.rows) and read.splits[answer.row] is Split.TRAIN:
                targets[answer.row][control.asked.name] = target_of(control.asked, answer.parts)
                chances[answer.row] *= confidence
                sources[answer.row].update(answer.sources)
    proposed = [
        Proposal(
            read.task_ids[row],
            targets[row],
            round(chances[row], DIGITS),
            tuple(read.sources[number].name for number in sorted(sources[row])),
        )
        for row in sorted(targets)
    ]
    return proposed, sentences


class SourcedAnswers(NamedTuple):
    """The answers that the sources that are on give together.

    Attributes:
        given: one per text with a vote, in the order of texts.
        confidences: the chance that each is right, shape (A,).
        is_calibrated: by validation rows; else as the sources' precisions have it.
    """

    given: list[CombinedAnswer]
    confidences: Floats
    is_calibrated: bool


def sourced_answers(read: ReadTexts, control: JudgedControl) -> SourcedAnswers:
    """Return what the sources that are on answer together to each text, labeled or not."""
    answers = combined(control.votes_on, read.trust(control), control.chances, control.asked.form)
    confidences = _calibrated(read, control, answers)
    if confidences is not None:
        return SourcedAnswers(answers, confidences, is_calibrated=True)
    return SourcedAnswers(answers, np.array([answer.confidence for answer in answers]), is_calibrated=False)


def _calibrated(read: ReadTexts, control: JudgedControl, answers: list[CombinedAnswer]) -> Floats | None:
    """Return the chance that each answer is right, by validation rows; None where these are too few."""
    blind = read.in_split(Split.VALIDATION)
    judged = [i for i, answer in enumerate(answers) if blind[answer.row] and answer.row in control.answers]
    if len(judged) < Reliability.LEAST_ROWS:
        return None
    odds = log_odds(np.array([answer.confidence for answer in answers]))
    is_right = [frozenset(answers[i].parts) == control.answers[answers[i].row] for i in judged]
    return fit_logistic(odds[judged], np.array(is_right, dtype=np.bool_)).of_log_odds(odds)


def target_of(asked: AskedControl, parts: Iterable[VotedPart]) -> Target:
    """Return an answer as rows hold it."""
    labels, form = asked.labels, asked.form
    if form is AnswerForm.SPANS:
        return tuple(sorted(Span(start, end, labels[label]) for label, start, end in parts))
    names = sorted(labels[label] for label, _, _ in parts)
    return names[0] if form is AnswerForm.ONE else tuple(names)

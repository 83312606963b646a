"""Propose answers to tasks that nobody has labeled, by all sources together."""

from collections import defaultdict
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ...domain.example import Span, Target
from ...domain.row_json import target_to_json
from ...domain.snapshot import Split
from ...domain.source import AnswerForm, Proposal
from ...measuring.calibration import Reliability, fit_logistic
from ...measuring.label_model import CombinedAnswer, combined
from ...models.text.confidence import Logistic
from .read import JudgedControl, ReadTexts

__all__ = ["Proposals"]

DIGITS = 4


@dataclass(frozen=True, slots=True)
class CalibratedAnswers:
    """The answers to one control by all sources together.

    Attributes:
        confidences: the chance that each is right as a whole, calibrated where validation rows suffice.
        is_calibrated: they did.
    """

    control: JudgedControl
    answers: list[CombinedAnswer]
    confidences: list[float]
    is_calibrated: bool

    @classmethod
    def of(cls, read: ReadTexts, control: JudgedControl) -> "CalibratedAnswers":
        """Combine the votes of the sources that are on."""
        answers = combined(control.votes_on, read.trust(control), control.chances, control.asked.form)
        raw = np.array([answer.confidence for answer in answers], dtype=np.float64)
        blind = read.in_split(Split.VALIDATION)
        judged = [i for i, answer in enumerate(answers) if blind[answer.row] and answer.row in control.answers]
        is_right = np.array(
            [frozenset(answers[i].parts) == control.answers[answers[i].row] for i in judged], dtype=np.bool_
        )
        is_calibrated = len(judged) >= Reliability.LEAST_ROWS
        odds = np.log(np.clip(raw, 1e-9, 1 - 1e-9) / (1 - np.clip(raw, 1e-9, 1 - 1e-9)))
        curve = fit_logistic(odds[judged], is_right) if is_calibrated else Logistic()
        return cls(control, answers, curve.of_log_odds(odds).tolist(), is_calibrated)

    def target(self, answer: CombinedAnswer) -> Target:
        """Return an answer as rows hold it."""
        labels, form = self.control.asked.labels, self.control.asked.form
        if form is AnswerForm.SPANS:
            return tuple(sorted(Span(start, end, labels[label]) for label, start, end in answer.parts))
        names = sorted(labels[label] for label, _, _ in answer.parts)
        return names[0] if form is AnswerForm.ONE else tuple(names)


@dataclass(frozen=True)
class Proposals:
    """What `labelloop sources propose` says.

    Only train tasks without a label get a proposal: nobody must see one of a held-out task.
    """

    read: ReadTexts

    @cached_property
    def answers(self) -> list[CalibratedAnswers]:
        """The answers to all texts with a vote, control by control."""
        return [CalibratedAnswers.of(self.read, control) for control in self.read.controls]

    @property
    def proposals(self) -> list[Proposal]:
        """The proposals in the order of tasks."""
        targets: defaultdict[int, dict[str, Target]] = defaultdict(dict)
        chances: defaultdict[int, float] = defaultdict(lambda: 1.0)
        sources: defaultdict[int, set[int]] = defaultdict(set)
        for each in self.answers:
            for answer, confidence in zip(each.answers, each.confidences, strict=True):
                if answer.row >= len(self.read.rows) and self.read.splits[answer.row] is Split.TRAIN:
                    targets[answer.row][each.control.asked.name] = each.target(answer)
                    chances[answer.row] *= confidence
                    sources[answer.row].update(answer.sources)
        return [
            Proposal(
                self.read.task_ids[row],
                targets[row],
                round(chances[row], DIGITS),
                tuple(self.read.sources[number].name for number in sorted(sources[row])),
            )
            for row in sorted(targets)
        ]

    @property
    def notes(self) -> list[str]:
        """Sentences on what to know before the confidences are believed."""
        uncalibrated = [each.control.asked.name for each in self.answers if each.answers and not each.is_calibrated]
        missing = (
            f"confidences of {', '.join(uncalibrated)} are not calibrated: fewer than {Reliability.LEAST_ROWS} blind "
            "validation rows have a vote"
        )
        return [*self.read.notes, *([missing] if uncalibrated else [])]

    def to_json(self) -> dict[str, Any]:
        """Return what `labelloop sources propose --json` prints."""
        proposals = self.proposals
        return {
            "proposals": [
                {
                    "task_id": each.task_id,
                    "targets": {name: target_to_json(target) for name, target in each.targets.items()},
                    "confidence": each.confidence,
                    "by": list(each.by),
                }
                for each in proposals
            ],
            "unlabeled": len(self.read.task_ids) - len(self.read.rows),
            "faults": [asdict(fault) for fault in self.read.faults],
            "notes": self.notes,
        }

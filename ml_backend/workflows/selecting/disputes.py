"""Contradictions between label sources, and between them and the model, about the tasks to choose from."""

from collections import defaultdict
from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

from ...domain.source import AnswerForm
from ...measuring.source_quality import excludes
from ...measuring.votes import VotedPart
from ...selection.pool import Dispute, ExpectedAnswers
from ..sourcing.read import ReadTexts

__all__ = ["source_disputes"]


class Said(NamedTuple):
    """A vote, the trust in its source, and both in words."""

    part: VotedPart
    trust: float
    words: str


def source_disputes(read: ReadTexts, task_ids: Sequence[int], expected: Sequence[ExpectedAnswers]) -> list[Dispute]:
    """Return the strongest contradiction about each task, in their order.

    Two sources that are on contradict each other where their answers cannot both be right. A source contradicts the
    model where this answers another label or, of several labels, gives its label a chance below one half.

    Args:
        expected: what the model would answer to the tasks, per control; of pieces it is not compared.
    """
    positions = {task_id: position for position, task_id in enumerate(task_ids)}
    strongest = [Dispute()] * len(task_ids)
    answers = {each.control: each for each in expected}
    for control in read.controls:
        cast: defaultdict[int, list[tuple[int, VotedPart]]] = defaultdict(list)
        for row, source, part in control.votes_on.listed():
            cast[row].append((source, part))
        trust = read.trust(control)
        for row, votes in cast.items():
            position = positions.get(read.task_ids[row])
            if position is None:
                continue
            text, names = read.text_of(control, row), [source.name for source in read.sources]
            said = [
                Said(part, float(trust[source]), f"`{names[source]}` says {control.shown(part, text)}")
                for source, part in votes
            ]
            found = _among_sources(control.asked.form, said)
            if (model := answers.get(control.asked.name)) is not None:
                found += _with_model(model, said, position)
            strongest[position] = max([strongest[position], *found], key=lambda each: each.strength)
    return strongest


def _among_sources(form: AnswerForm, said: Sequence[Said]) -> list[Dispute]:
    return [
        Dispute(min(one.trust, other.trust), f"{one.words}, {other.words}")
        for one, other in combinations(said, 2)
        if excludes(form, one.part, other.part)
    ]


def _with_model(model: ExpectedAnswers, said: Sequence[Said], position: int) -> list[Dispute]:
    if model.probabilities is None or not model.labels:
        return []
    chances = model.probabilities[position]
    best = int(chances.argmax())
    disputes = []
    for part, trust, words in said:
        chance = float(chances[part[0]])
        if model.is_one_label and part[0] != best:
            answer = f"the model {model.labels[best]} ({chances[best]:.0%})"
            disputes.append(Dispute(min(trust, float(chances[best])), f"{words}, {answer}"))
        elif not model.is_one_label and chance < 1 / 2:
            disputes.append(Dispute(min(trust, 1 - chance), f"{words}, the model gives that a chance of {chance:.0%}"))
    return disputes

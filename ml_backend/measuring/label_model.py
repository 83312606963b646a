"""Combine the votes of label sources into one answer per text, with the chance that it is right.

A source counts by its precision, the share of its votes that are right. Three things tell it: rows that people labeled;
texts with one label that several sources answer, where the others' votes say how likely this one is right; and the
precision of all sources together, towards which one with few votes is drawn. What a source does not say counts for
nothing. Votes are taken as independent of each other given the right answer.

Source: Nitzan and Paroush 1982, "Optimal Decision Rules in Uncertain Dichotomous Choice Situations" (the weights);
Dawid and Skene 1979, "Maximum Likelihood Estimation of Observer Error-Rates Using the EM Algorithm" (precision by
agreement; people's labels take part here); Ratner et al. 2017, "Snorkel" (the setting).
`benchmarks/sources.py` compares.
"""

from collections import defaultdict
from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np

from ..arrays import Floats, Ints
from ..domain.source import AnswerForm
from .votes import VotedPart, Votes

__all__ = ["CombinedAnswer", "combined", "precisions", "supports"]

PRIOR_PRECISION, PRIOR_VOTES, OWN_PRIOR_VOTES = 0.75, 20.0, 4.0
"""What is thought of sources together before a vote is judged, worth so many votes; and of one, by all of them."""
LEAST, MOST = 0.02, 0.98
AGREEMENT_WEIGHT, AGREEMENT_ROUNDS = 0.3, 10
"""How much a vote that others judge counts beside one that people judged; weights from .1 to 1 differ little."""


class CombinedAnswer(NamedTuple):
    """The answer of all sources together to one text.

    Attributes:
        row: number of the text.
        parts: one label, several, or pieces with a label each, in order.
        confidence: the chance that all of it is right, before it is calibrated.
        sources: numbers of the sources that say so, in order.
    """

    row: int
    parts: tuple[VotedPart, ...]
    confidence: float
    sources: tuple[int, ...]


def precisions(votes: Votes, verdicts: Ints, *, sources: int, classes: int = 0) -> Floats:
    """Return the precision of each source, shape (S,).

    Args:
        votes: of the sources of one control.
        verdicts: 1 for a right vote, 0 for a wrong one, -1 where nobody knows, shape (V,).
        classes: how many labels there are, where each text has exactly one; 0 where it may have several, and what
            others say does not speak against a vote.
    """
    right = np.bincount(votes.source[verdicts == 1], minlength=sources).astype(np.float64)
    decided = np.bincount(votes.source[verdicts >= 0], minlength=sources).astype(np.float64)
    together = (right.sum() + PRIOR_PRECISION * PRIOR_VOTES) / (decided.sum() + PRIOR_VOTES)
    by_people = _drawn_together(right, decided, together)
    unjudged = votes.where(verdicts < 0)
    _, place, count = np.unique(unjudged.row, return_inverse=True, return_counts=True)
    disputed = unjudged.where(count[place] > 1)
    if not classes or not len(disputed):
        return by_people
    agreed = AGREEMENT_WEIGHT * np.bincount(disputed.source, minlength=sources)
    trust = by_people
    for _ in range(AGREEMENT_ROUNDS):
        chances = AGREEMENT_WEIGHT * _chances_of(disputed, trust, classes)
        agreeing = np.bincount(disputed.source, weights=chances, minlength=sources)
        trust = _drawn_together(right + agreeing, decided + agreed, together)
    return _levelled(trust, by_people, np.bincount(votes.source, minlength=sources))


def _drawn_together(right: Floats, decided: Floats, together: float) -> Floats:
    """Return the share of right votes per source, drawn towards that of all."""
    return np.asarray((right + together * OWN_PRIOR_VOTES) / (decided + OWN_PRIOR_VOTES), dtype=np.float64)


def _chances_of(votes: Votes, trust: Floats, classes: int) -> Floats:
    """Return how likely each vote is right by all votes on its text, all classes alike before; shape (V,)."""
    clipped = np.clip(trust, LEAST, MOST)[votes.source]
    weights = np.log(clipped * max(classes - 1, 1) / (1 - clipped))
    rows, row = np.unique(votes.row, return_inverse=True)
    answers, answer = np.unique(row * classes + votes.label, return_inverse=True)
    scores = np.exp(np.bincount(answer, weights=weights))
    by_row = np.bincount(answers // classes, weights=scores, minlength=len(rows))
    unanswered = classes - np.bincount(answers // classes, minlength=len(rows))
    return np.asarray(scores[answer] / (by_row[row] + unanswered[row]), dtype=np.float64)


def _levelled(trust: Floats, level: Floats, votes: Ints) -> Floats:
    """Return precisions moved alike, in log odds, until their mean over the votes is that of others.

    Texts that several sources answer are the harder ones: agreement on them tells good sources from bad ones, and not
    how good they are on texts that one of them answers alone.
    """
    from scipy.optimize import brentq

    odds = np.log(np.clip(trust, LEAST, MOST) / (1 - np.clip(trust, LEAST, MOST)))
    wanted = np.clip(np.average(level, weights=votes), LEAST, MOST)
    step = brentq(lambda by: np.average(1 / (1 + np.exp(-odds - by)), weights=votes) - wanted, -20.0, 20.0)
    return np.asarray(1 / (1 + np.exp(-odds - step)), dtype=np.float64)


def combined(votes: Votes, trust: Floats, chances: Floats, form: AnswerForm) -> list[CombinedAnswer]:
    """Return an answer for each text with a vote, in the order of rows.

    Args:
        votes: of the sources of one control, those that are off left out.
        trust: precision of every source, shape (S,).
        chances: of each label before anybody has voted, shape (K,).
    """
    combine = {AnswerForm.ONE: _one, AnswerForm.SEVERAL: _several, AnswerForm.SPANS: _spans}[form]
    clipped = np.clip(trust, LEAST, MOST)
    answers = []
    for row, group in groupby(votes.listed(), key=lambda each: each[0]):
        cast = [(source, part) for _, source, part in group]
        parts, confidence = combine(cast, clipped, chances)
        agreeing = sorted({source for source, part in cast if supports(part, parts)})
        if parts:
            answers.append(CombinedAnswer(row, parts, confidence, tuple(agreeing)))
    return answers


_Cast = Sequence[tuple[int, VotedPart]]


def _one(cast: _Cast, trust: Floats, chances: Floats) -> tuple[tuple[VotedPart, ...], float]:
    """Return the likeliest label: its chance, times what the precision of each source makes of it."""
    gains: dict[VotedPart, float] = defaultdict(float)
    others = 0.0
    for source, part in cast:
        chance = float(chances[part[0]])
        against = np.log((1 - trust[source]) / (1 - chance)) if chance < 1 else 0.0
        others += against
        gains[part] += np.log(trust[source] / chance) - against
    scores = {part: float(np.log(chances[part[0]]) + others + gain) for part, gain in gains.items()}
    rest = max(1.0 - sum(float(chances[part[0]]) for part in gains), 0.0)
    highest = max(scores.values())
    total = sum(np.exp(score - highest) for score in scores.values()) + rest * np.exp(others - highest)
    best = min(scores, key=lambda part: (-scores[part], part))
    return (best,), float(np.exp(scores[best] - highest) / total)


def _several(cast: _Cast, trust: Floats, chances: Floats) -> tuple[tuple[VotedPart, ...], float]:
    """Return the labels that are likelier than not, each by itself; nothing where none is."""
    odds: dict[VotedPart, float] = {}
    for source, part in cast:
        before = _log_odds(float(np.clip(chances[part[0]], LEAST, MOST)))
        odds[part] = odds.get(part, before) + _log_odds(trust[source]) - before
    parts = tuple(sorted(part for part, value in odds.items() if value >= 0))
    return parts, float(np.prod([_chance(abs(value)) for value in odds.values()]))


def _spans(cast: _Cast, trust: Floats, chances: Floats) -> tuple[tuple[VotedPart, ...], float]:  # noqa: ARG001 (the same form)
    """Return pieces that do not overlap: of overlapping ones that with the most weight, of equals the longest."""
    weights: dict[VotedPart, float] = defaultdict(float)
    for source, part in cast:
        weights[part] += _log_odds(trust[source])
    parts: list[VotedPart] = []
    confidence = 1.0
    for part in sorted(weights, key=lambda each: (-weights[each], each[1] - each[2], each)):
        if any(_overlap(part, each) for each in parts):
            continue
        against = sum(max(weights[each], 0.0) for each in weights if each != part and _overlap(part, each))
        parts.append(part)
        confidence *= _chance(weights[part] - against)
    return tuple(sorted(parts, key=lambda each: each[1:])), confidence


def _overlap(one: VotedPart, other: VotedPart) -> bool:
    return one[1] < other[2] and other[1] < one[2]


def supports(part: VotedPart, parts: Sequence[VotedPart]) -> bool:
    """Return True for a vote that an answer follows, for pieces at least in a part of its place."""
    return any(part[0] == each[0] and (part[1:] == each[1:] or _overlap(part, each)) for each in parts)


def _log_odds(chance: float) -> float:
    return float(np.log(chance / (1 - chance)))


def _chance(log_odds: float) -> float:
    return float(1 / (1 + np.exp(-log_odds)))

"""Measure label sources by rows that people labeled: how often each is right, and what it adds to the others."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple, TypeAlias

import numpy as np

from ..arrays import Bools, Ints
from ..domain.source import AnswerForm
from .intervals import exact_interval
from .votes import VotedPart, Votes

__all__ = ["Answers", "Share", "SourceFigures", "excludes", "judged", "measured_sources"]

Answers: TypeAlias = Mapping[int, frozenset[VotedPart]]
"""What people answered, by row: labels with the places of their pieces, 0 and 0 where a label is about a whole text."""

RIGHT, WRONG, UNKNOWN = 1, 0, -1
DIGITS = 4
LEAST_DECIDED = 20
"""With fewer decided votes, a share is not surely below anything that is asked."""


class Share(NamedTuple):
    """How many of the votes that people's answers decide are right."""

    right: int = 0
    decided: int = 0

    @property
    def value(self) -> float | None:
        """The share; None where nothing is decided."""
        return self.right / self.decided if self.decided else None

    @property
    def interval(self) -> tuple[float, float]:
        """Its exact 95% interval, from 0 to 1 where nothing is decided."""
        return exact_interval(self.right, self.decided)

    def to_json(self) -> list[float | None]:
        """Return the lower end of the interval, the share, None where nothing is decided, and the upper end."""
        low, high = self.interval
        return [round(low, DIGITS), None if self.value is None else round(self.value, DIGITS), round(high, DIGITS)]

    def is_surely_below(self, floor: float) -> bool:
        """True where enough is decided, and the whole interval is below the floor."""
        return self.decided >= LEAST_DECIDED and self.interval[1] < floor


@dataclass(frozen=True, slots=True)
class SourceFigures:
    """The figures of a source. Overlaps and conflicts are shares of the texts that it answers.

    Attributes:
        coverage: share of all texts that it answers.
        blind: its votes on blind validation rows.
        train: its votes on train rows.
        overlaps: another source answers them too.
        conflicts: another source gives an answer that excludes its own.
        alone: texts that no other source answers.
        alone_right: those of them that people labeled, with how many it answers rightly.
    """

    coverage: float
    blind: Share
    train: Share
    overlaps: float
    conflicts: float
    alone: int
    alone_right: Share


def judged(votes: Votes, answers: Answers) -> Ints:
    """Return 1 for each vote that people's answers confirm, 0 for those that they do not, -1 without an answer."""
    verdicts = (
        UNKNOWN if row not in answers else RIGHT if part in answers[row] else WRONG for row, _, part in votes.listed()
    )
    return np.fromiter(verdicts, dtype=np.int64, count=len(votes))


def measured_sources(
    votes: Votes, verdicts: Ints, *, train: Bools, blind: Bools, sources: Sequence[int], form: AnswerForm
) -> dict[int, SourceFigures]:
    """Return the figures of the sources of one control, by their numbers.

    Args:
        votes: those of these sources.
        verdicts: what `judged` says of each, shape (V,).
        train: the train rows among all texts, shape (N,).
        blind: the validation rows that people labeled without a hint, shape (N,).
        sources: their numbers.
        form: of the control's answers, which decides what excludes what.
    """
    tallies = {source: _Tally() for source in sources}
    judged_votes = zip(votes.listed(), verdicts.tolist(), strict=True)
    for row, group in groupby(judged_votes, key=lambda each: each[0][0]):
        cast = [(source, part, verdict) for (_, source, part), verdict in group]
        present = {source for source, _, _ in cast}
        for source in present:
            own = [(part, verdict) for each, part, verdict in cast if each == source]
            others = [part for each, part, _ in cast if each != source]
            conflicts = any(excludes(form, part, other) for part, _ in own for other in others)
            verdict_counts = Counter(verdict for _, verdict in own)
            tally = tallies[source]
            tally.covered += 1
            tally.overlaps += bool(others)
            tally.conflicts += conflicts
            tally.alone += not others
            if not others and (train[row] or blind[row]):
                tally.alone_verdicts.update(verdict_counts)
            if train[row]:
                tally.train.update(verdict_counts)
            if blind[row]:
                tally.blind.update(verdict_counts)
    return {source: tally.figures(len(train)) for source, tally in tallies.items()}


class _Tally:
    """Counts that grow while the votes of a source are read."""

    def __init__(self) -> None:
        self.covered = self.overlaps = self.conflicts = self.alone = 0
        self.train, self.blind, self.alone_verdicts = Counter[int](), Counter[int](), Counter[int]()

    def figures(self, texts: int) -> SourceFigures:
        covered = max(self.covered, 1)
        return SourceFigures(
            coverage=self.covered / max(texts, 1),
            blind=_share(self.blind),
            train=_share(self.train),
            overlaps=self.overlaps / covered,
            conflicts=self.conflicts / covered,
            alone=self.alone,
            alone_right=_share(self.alone_verdicts),
        )


def _share(verdicts: Counter[int]) -> Share:
    return Share(verdicts[RIGHT], verdicts[RIGHT] + verdicts[WRONG])


def excludes(form: AnswerForm, one: VotedPart, other: VotedPart) -> bool:
    """Return True where two answers to the same text cannot both be right."""
    if form is AnswerForm.ONE:
        return one != other
    return form is AnswerForm.SPANS and one != other and one[1] < other[2] and other[1] < one[2]

"""Find the train rows on which sources together say something else than people did: one of the two is wrong."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from ...domain.example import Target
from ...domain.snapshot import Split
from ...domain.source import AnswerForm
from ...measuring.label_model import supports
from ...measuring.votes import VotedPart
from .propose import sourced_answers, target_of
from .read import ReadTexts

__all__ = ["SourceDifference", "source_differences"]

LEAST = 0.01
"""No opinion is surer than this, so that none decides alone."""


class SourceDifference(NamedTuple):
    """A train row on which sources and people differ.

    Attributes:
        says: people's answer as the sources would correct it.
        given: what people said.
        confidence: the chance that the sources are right rather than people.
        sources: numbers of those that say so.
        text: what the answers are about.
    """

    task_id: int
    control: str
    says: Target
    given: Target
    confidence: float
    sources: tuple[int, ...]
    text: str


def source_differences(
    read: ReadTexts, quality: Mapping[str, Mapping[int, float]] | None = None
) -> list[SourceDifference]:
    """Return the train rows on which the sources that are on, taken together, differ from people; the surest first.

    They differ where sources give a label, or a piece, that people did not. What sources do not say counts for nothing,
    and neither does what was made from people's own marks.
    Held-out rows are not among them: whoever corrected these by what sources say would have nothing left to measure by.
    A row with several answers in dispute is there once, with the surest one.

    Args:
        quality: of people's answers by control and task id, as an audit has it: the chance that they are right by a
            model that did not learn from them. It is taken as independent of the sources. None: nothing is known.
    """
    train = read.in_split(Split.TRAIN)
    found: dict[int, SourceDifference] = {}
    for control in read.controls:
        answers = sourced_answers(read, control)
        cast: defaultdict[int, list[tuple[int, VotedPart]]] = defaultdict(list)
        for voted_row, source, part in control.votes_on.listed():
            if not read.sources[source].learns:
                cast[voted_row].append((source, part))
        for answer, chance in zip(answers.given, answers.confidences.tolist(), strict=True):
            people = control.answers.get(answer.row) if train[answer.row] else None
            told = cast[answer.row]
            extra = [
                part
                for part in answer.parts
                if people is not None and part not in people and any(supports(each, (part,)) for _, each in told)
            ]
            if people is None or not extra:
                continue  # what sources leave out speaks against nothing
            row, name = read.rows[answer.row], control.asked.name
            believed = (quality or {}).get(name, {}).get(row.task_id)
            confidence = chance if believed is None else _weighed(chance, believed)
            difference = SourceDifference(
                row.task_id,
                name,
                target_of(control.asked, _corrected(control.asked.form, people, extra)),
                row.targets[name],
                confidence,
                tuple(sorted({source for source, part in told if supports(part, extra)})),
                read.text_of(control, answer.row),
            )
            if answer.row not in found or confidence > found[answer.row].confidence:
                found[answer.row] = difference
    return sorted(found.values(), key=lambda each: (-each.confidence, each.task_id))


def _corrected(form: AnswerForm, people: Iterable[VotedPart], extra: Sequence[VotedPart]) -> tuple[VotedPart, ...]:
    """Return people's answer with what sources say besides, or in its place."""
    kept = [] if form is AnswerForm.ONE else list(people)
    if form is AnswerForm.SPANS:
        kept = [part for part in kept if not any(part[1] < each[2] and each[1] < part[2] for each in extra)]
    return tuple(sorted([*kept, *extra]))


def _weighed(confidence: float, quality: float) -> float:
    """Return the chance that sources are right rather than people, by two independent opinions on that."""
    sources, people = (min(max(chance, LEAST), 1 - LEAST) for chance in (confidence, quality))
    ours, theirs = sources * (1 - people), (1 - sources) * people
    return ours / (ours + theirs)

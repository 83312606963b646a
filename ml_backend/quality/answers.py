"""What rows say about one control: texts, agreed answers, and who gave which answer."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..arrays import Ints
from ..domain.example import Row, Span, Target
from ..domain.label_config import Control
from ..domain.snapshot import Split, normalised, text_digest
from .annotators import UNANSWERED

__all__ = ["Answered", "TextAnswers", "answered", "by_text"]


@dataclass(frozen=True, slots=True)
class Answered:
    """A row, as far as one control is concerned.

    Attributes:
        position: index among the rows that were given.
        key: the same for texts that are equal but for case and white space.
        agreed: the row's answer, None where its annotators disagree or did not answer.
        answers: each annotator's own answer, their last one.
    """

    position: int
    row: Row
    split: Split
    text: str
    key: str
    agreed: Target | None
    answers: Mapping[str, Target]

    @property
    def own(self) -> Target | None:
        """What the row stands for: its agreed answer, else the one that all its annotators gave, else None."""
        given = set(self.answers.values())
        return self.agreed if self.agreed is not None or len(given) != 1 else given.pop()

    @property
    def meaning(self) -> object:
        """The same for rows of like texts that stand for the same: of pieces of a text, what they say, not where."""
        if self.own is None or isinstance(self.own, str):
            return self.own
        return tuple(
            sorted(
                (normalised(self.text[part.start : part.end]), part.label) if isinstance(part, Span) else (part, "")
                for part in self.own
            )
        )


@dataclass(frozen=True, slots=True, eq=False)
class TextAnswers:
    """The answers to each different text, whichever task it was seen in.

    Attributes:
        rows: of each text, at least one.
        annotators: in alphabetical order.
        targets: the answers that occur, one per class of `matrix`.
        matrix: class per text and annotator, `UNANSWERED` where there is none.
    """

    rows: Sequence[Sequence[Answered]]
    annotators: Sequence[str]
    targets: Sequence[Target]
    matrix: Ints


def answered(rows: Sequence[Row], splits: Sequence[Split], control: Control) -> list[Answered]:
    """The rows as the control's answers see them, in the order given."""
    found = []
    for position, (row, split) in enumerate(zip(rows, splits, strict=True)):
        text = row.input.get(control.object.field or "", "")
        answers = {
            label.annotator: label.targets[control.name] for label in row.labels if control.name in label.targets
        }
        found.append(Answered(position, row, split, text, text_digest(text), row.targets.get(control.name), answers))
    return found


def by_text(rows: Sequence[Answered], targets: Sequence[Target], *, is_exact: bool = False) -> TextAnswers:
    """The rows' answers, text by text in order of appearance.

    Args:
        targets: the answers that count, other ones are left out.
        is_exact: texts that differ in case or white space are two: places in one are not those in the other.
    """
    texts: dict[str, list[Answered]] = defaultdict(list)
    for row in rows:
        texts[row.text if is_exact else row.key].append(row)
    annotators = sorted({annotator for row in rows for annotator in row.answers})
    column = {annotator: index for index, annotator in enumerate(annotators)}
    code = {target: index for index, target in enumerate(targets)}
    matrix = np.full((len(texts), len(annotators)), UNANSWERED, dtype=np.int64)
    for line, group in enumerate(texts.values()):
        for row in group:
            for annotator, target in row.answers.items():
                if target in code:
                    matrix[line, column[annotator]] = code[target]
    return TextAnswers(list(texts.values()), annotators, targets, matrix)

"""Rows as one control sees them: texts, agreed answers, and who gave which answer."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean
from typing import ClassVar

import numpy as np

from ..arrays import Ints
from ..domain.example import Row, Target, label_of, parts_of, spans_in
from ..domain.label_config import Control
from ..domain.quality import Issue, IssueKind
from ..domain.snapshot import Split, normal_form, text_digest

__all__ = ["AnnotatedRow", "AnswerMatrix"]


@dataclass(frozen=True, slots=True)
class AnnotatedRow:
    """A row, as far as one control is concerned.

    Attributes:
        position: index among the rows that were given.
        key: the same for texts that are equal but for case and white space.
        agreed: the row's answer; None where its annotators disagree or did not answer.
        answers: each annotator's last answer.
    """

    position: int
    row: Row
    split: Split
    text: str
    key: str
    agreed: Target | None
    answers: Mapping[str, Target]

    @classmethod
    def of(cls, rows: Sequence[Row], splits: Sequence[Split], control: Control) -> "list[AnnotatedRow]":
        """Return the rows as the control sees them, in the order given."""
        annotated = []
        for position, (row, split) in enumerate(zip(rows, splits, strict=True)):
            text = control.text_in(row.text)
            answers = {
                label.annotator: label.targets[control.name] for label in row.labels if control.name in label.targets
            }
            agreed = row.targets.get(control.name)
            annotated.append(cls(position, row, split, text, text_digest(text), agreed, answers))
        return annotated

    @property
    def answer(self) -> Target | None:
        """The agreed answer, else the one that all annotators gave, else None."""
        targets = set(self.answers.values())
        return self.agreed if self.agreed is not None or len(targets) != 1 else targets.pop()

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of the agreed answer, one per part."""
        return () if self.agreed is None else tuple(label_of(part) for part in parts_of(self.agreed))

    @property
    def meaning(self) -> object:
        """A value that is the same for rows of like texts whose answers say the same, wherever spans lie."""
        if isinstance(self.answer, int | float):
            return None  # like texts may have numbers that differ; judges say how far is too far
        if not (spans := spans_in(self.answer)):
            return self.answer  # names are sorted, but for rankings, whose order tells
        return tuple(sorted((normal_form(self.text[part.start : part.end]), part.label) for part in spans))

    def issue(
        self,
        kind: IssueKind,
        quality: float,
        *,
        control: str = "",
        suggested: Target | None = None,
        other: "AnnotatedRow | None" = None,
    ) -> Issue:
        """Return an issue of the row, without the suggestion where it is held out."""
        return Issue(
            task_id=self.row.task_id,
            row_id=self.row.id,
            split=self.split,
            kind=kind,
            quality=quality,
            given=self.answer,
            suggested=None if self.split.is_held_out else suggested,
            other_task_id=None if other is None else other.row.task_id,
            control=control,
        )


@dataclass(frozen=True, slots=True, eq=False)
class AnswerMatrix:
    """The answers to each different text, whichever task it was seen in.

    Attributes:
        rows: of each text, at least one.
        annotators: in alphabetical order.
        targets: the answers that occur, one per class of `codes`.
        codes: class per text and annotator, shape (N, M), `AnswerMatrix.UNANSWERED` where there is none.
    """

    UNANSWERED: ClassVar[int] = -1

    rows: Sequence[Sequence[AnnotatedRow]]
    annotators: Sequence[str]
    targets: Sequence[Target]
    codes: Ints

    @classmethod
    def of(cls, rows: Sequence[AnnotatedRow], targets: Sequence[Target], *, is_exact: bool) -> "AnswerMatrix":
        """Return the rows' answers, text by text in order of appearance.

        Args:
            targets: the answers that count; other ones are left out.
            is_exact: texts that differ in case or white space are two: places in one are not those in the other.
        """
        texts: dict[str, list[AnnotatedRow]] = defaultdict(list)
        for row in rows:
            texts[row.text if is_exact else row.key].append(row)
        annotators = sorted({annotator for row in rows for annotator in row.answers})
        column = {annotator: index for index, annotator in enumerate(annotators)}
        code = {target: index for index, target in enumerate(targets)}
        codes = np.full((len(texts), len(annotators)), AnswerMatrix.UNANSWERED, dtype=np.int64)
        for line, group in enumerate(texts.values()):
            for row in group:
                for annotator, target in row.answers.items():
                    if target in code:
                        codes[line, column[annotator]] = code[target]
        return cls(list(texts.values()), annotators, targets, codes)

    def disputed(self) -> dict[int, Counter[int]]:
        """Return how often each class was answered, for the texts with different answers."""
        counts = (Counter(code for code in line if code != AnswerMatrix.UNANSWERED) for line in self.codes.tolist())
        return {line: count for line, count in enumerate(counts) if len(count) > 1}

    def agreement(self, likeness: Callable[[Target, Target], float] | None = None) -> tuple[float | None, ...]:
        """Return per annotator how like each other annotator's answers of the same text theirs are, on average.

        None where they shared no text.

        Args:
            likeness: of two answers, from 0 to 1; None: their F1, which for single choices gives the share of the
                others who said the same.
        """
        alike = likeness or AnswerMatrix.answer_f1
        scores: list[list[float]] = [[] for _ in self.annotators]
        for line in self.codes:
            for one, other in combinations(np.flatnonzero(line != AnswerMatrix.UNANSWERED).tolist(), 2):
                score = alike(self.targets[int(line[one])], self.targets[int(line[other])])
                scores[one].append(score)
                scores[other].append(score)
        return tuple(fmean(each) if each else None for each in scores)

    @staticmethod
    def answer_f1(one: Target, other: Target) -> float:
        """Return the F1 between the parts of two answers; 1 where both have none."""
        first, second = Counter(parts_of(one)), Counter(parts_of(other))
        total = first.total() + second.total()
        return 2 * (first & second).total() / total if total else 1.0

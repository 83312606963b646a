"""The answers that a model would give to unlabeled tasks, before anybody has labeled them."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...arrays import Floats2d
from ...batches import in_batches
from ...domain.example import Row
from ...domain.field_texts import readable_text
from ...tasks import ServedControl
from .candidates import Candidates

if TYPE_CHECKING:
    from ...models.text.torch_encoder import TextEncoder
    from ...selection.answers import Block
    from ...selection.pool import ExpectedAnswers

__all__ = ["MOST_MARKED", "expected_answers", "needs_reading"]

MOST_MARKED = 5_000
"""Texts whose words are read to find the uncertain ones, drawn at random from more: this takes a pass of the model."""
MARKED_AT_ONCE = 256
MOST_ROWS = 2_000
"""Labeled rows whose marked words are learned from, the newest ones."""


def needs_reading(controls: Sequence[ServedControl], candidates: Candidates) -> bool:
    """True where words of the texts have to be read again, since no stored score says how sure a model is."""
    return any(map(_reads_texts, controls)) and not _has_scores(candidates)


def expected_answers(
    controls: Sequence[ServedControl],
    rows: Sequence[Row],
    candidates: Candidates,
    encoder: "TextEncoder",
    vectors: Floats2d,
) -> "list[ExpectedAnswers]":
    """Return what is expected, control by control; nothing for those that cannot be learned yet.

    Answers chosen from labels come from a regression on the vectors of whole texts. How sure a model is of marked
    words, of comparisons and of responses, the scores of stored predictions say, where most tasks have one; else the
    words and the compared texts are read again. Answers about marked pieces count for nothing.

    Args:
        vectors: of the rows and, after them, of the candidates, shape (M + N, D).
    """
    answers: list[ExpectedAnswers] = []
    for served in (each for each in controls if not each.marking):
        if served.kind.has_labels and not _reads_texts(served):
            expected = _whole_texts(served, rows, encoder, vectors)
        elif _has_scores(candidates):
            expected = _stored(served, rows, candidates)
        elif _reads_texts(served):
            expected = _read(served, rows, candidates, encoder)
        else:
            expected = None
        answers += [] if expected is None else [expected]
    return answers


def _reads_texts(served: ServedControl) -> bool:
    """True where a vector of all that is read does not do: words are marked, or one of several texts is answered."""
    return served.control.marks_regions or served.control.reads_apart


def _has_scores(candidates: Candidates) -> bool:
    return 2 * sum(score is not None for score in candidates.scores) > len(candidates)


def _answered(served: ServedControl, rows: Sequence[Row]) -> list[int]:
    """Return the positions of rows with an answer that the config knows."""
    known = set(served.control.label_values)
    return [
        i
        for i, row in enumerate(rows)
        if (target := row.targets.get(served.name)) is not None and known.issuperset(served.kind.labels_in(target))
    ]


def _counts(served: ServedControl, rows: Sequence[Row]) -> Counter[str]:
    return Counter(
        label
        for row in rows
        if (target := row.targets.get(served.name)) is not None
        for label in served.kind.labels_in(target)
    )


def _whole_texts(
    served: ServedControl, rows: Sequence[Row], encoder: "TextEncoder", vectors: Floats2d
) -> "ExpectedAnswers | None":
    from ...learning.objectives.base import Objective
    from ...learning.rows.data import LabeledTexts
    from ...selection.answers import LearnedAnswers, encoded_vectors, pieces_of_vectors

    positions = _answered(served, rows)
    if not positions:
        return None
    own = [rows[i] for i in positions]
    labeled = LabeledTexts(
        tuple(readable_text(row.text) for row in own), tuple(row.targets[served.name] for row in own), np.ones(len(own))
    )
    objective = Objective.of(served.kind.head, served.control.label_values)
    objective.prepare(encoder, labeled)
    learned = LearnedAnswers.of(
        served.name, objective, vectors[positions], encoded_vectors(objective, labeled), _counts(served, own)
    )
    return None if learned is None else learned.expected(pieces_of_vectors(vectors[len(rows) :]))


def _read(
    served: ServedControl, rows: Sequence[Row], candidates: Candidates, encoder: "TextEncoder"
) -> "ExpectedAnswers | None":
    from ...learning.objectives.base import Objective
    from ...learning.rows.data import LabeledTexts
    from ...selection.answers import LearnedAnswers

    own = [rows[i] for i in _answered(served, rows)][-MOST_ROWS:]
    if not own:
        return None
    labeled = LabeledTexts(
        tuple(served.control.text_in(row.text) for row in own),
        tuple(row.targets[served.name] for row in own),
        np.ones(len(own)),
    )
    objective = Objective.of(served.kind.head, served.control.label_values)
    objective.prepare(encoder, labeled)
    encoded = objective.encode(encoder, labeled)
    learned = LearnedAnswers.of(
        served.name, objective, encoder.vectors(encoded.tokenised), encoded, _counts(served, own)
    )
    if learned is None:
        return None

    def blocks() -> "Iterator[Block]":
        for batch in in_batches(candidates.texts, MARKED_AT_ONCE):
            tokenised = objective.decoder.tokenise(encoder, [served.control.text_in(text) for text in batch])
            yield encoder.vectors(tokenised), tokenised

    return learned.expected(blocks())


def _stored(served: ServedControl, rows: Sequence[Row], candidates: Candidates) -> "ExpectedAnswers":
    """Return confidences by stored scores; a task without one is as sure as the mean of the others."""
    from ...selection.pool import ExpectedAnswers
    from ...words import words

    scores = np.array([np.nan if score is None else score for score in candidates.scores], dtype=np.float64)
    scores = np.where(np.isnan(scores), np.nanmean(scores), scores)
    lengths = np.array([max(len(words(text)), 1) for text in candidates.readable])
    # Scores of responses are per token already; those of marked words fall with every word.
    confidence = scores ** (1 / lengths) if served.control.marks_regions else scores
    counts = _counts(served, rows)
    labels = served.control.label_values if served.kind.has_labels else ()
    return ExpectedAnswers(
        served.name, labels, np.array([counts[label] for label in labels], dtype=np.int64), confidence
    )

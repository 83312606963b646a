"""What annotators say together about texts that several of them answered, whatever the kind of answer."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean

import numpy as np

from ..arrays import Floats
from ..domain.example import Span, Target, parts_of
from .annotators import UNANSWERED, crowd
from .answers import TextAnswers

__all__ = ["Verdicts", "agreement", "verdict_on_choices", "verdict_on_spans"]


@dataclass(frozen=True, slots=True)
class Verdicts:
    """One entry per text, or per annotator.

    Attributes:
        consensus: the answer that is most likely right; None where nobody answered.
        confidence: how sure that is, 0 to 1; 1 where only one answered.
        quality: what an annotator is worth, 0 to 1; None where it cannot be told.
        agreement: see `agreement`.
    """

    consensus: Sequence[Target | None]
    confidence: Sequence[float]
    quality: Sequence[float | None]
    agreement: Sequence[float | None]


def agreement(texts: TextAnswers) -> tuple[float | None, ...]:
    """Per annotator the mean F1 of their answers against those of each other annotator of the same text.

    None where they shared no text. For single choices it is the share of the others who said the same.
    """
    scores: list[list[float]] = [[] for _ in texts.annotators]
    for line in texts.matrix:
        for one, other in combinations(np.flatnonzero(line != UNANSWERED).tolist(), 2):
            score = _f1(texts.targets[int(line[one])], texts.targets[int(line[other])])
            scores[one].append(score)
            scores[other].append(score)
    return tuple(fmean(each) if each else None for each in scores)


def verdict_on_choices(texts: TextAnswers, names: Sequence[str], probabilities: Floats | None) -> Verdicts:
    """Several choices at a time: CROWDLAB choice by choice, for those that annotators disagree about anywhere.

    The confidence in a set is the product over its choices, as if they were independent; an annotator's quality is the
    mean over the choices.

    Args:
        probabilities: the model's for each choice by itself, a line per text; None: there is no model.
    """
    given = [frozenset(map(str, parts_of(target))) for target in texts.targets]
    consensus: list[set[str]] = [set() for _ in texts.rows]
    confidence = np.ones(len(texts.rows))
    qualities: list[list[float]] = [[] for _ in texts.annotators]
    for k, name in enumerate(names):
        has = np.array([name in choices for choices in given], dtype=np.int64)
        answers = np.where(texts.matrix == UNANSWERED, UNANSWERED, has[texts.matrix] if len(has) else UNANSWERED)
        chosen = answers.max(axis=1, initial=UNANSWERED) == 1
        if (chosen & (answers == 0).any(axis=1)).any():
            prior = None
            if probabilities is not None:
                chance = np.clip(probabilities[:, k].astype(np.float64), 0.0, 1.0)
                prior = np.stack([1.0 - chance, chance], axis=1)
            found = crowd(answers, prior, classes=2)
            chosen = found.consensus == 1
            is_disputed = (answers == 0).any(axis=1) & (answers == 1).any(axis=1)
            confidence *= np.where(is_disputed, found.confidence, 1.0)
            for annotator, quality in enumerate(found.quality):
                if quality is not None:
                    qualities[annotator].append(quality)
        for line in np.flatnonzero(chosen).tolist():
            consensus[line].add(name)
    is_answered = (texts.matrix != UNANSWERED).any(axis=1)
    shares = agreement(texts)
    return Verdicts(
        [tuple(sorted(each)) if is_known else None for each, is_known in zip(consensus, is_answered, strict=True)],
        confidence.tolist(),
        [fmean(each) if each else share for each, share in zip(qualities, shares, strict=True)],
        shares,
    )


def verdict_on_spans(texts: TextAnswers) -> Verdicts:
    """Pieces of texts: those that more than half of a text's annotators marked alike.

    How sure that is, is how far the annotators agree: the mean F1 over their pairs, by exact spans. There is no model
    in it, and no quality of an annotator: CROWDLAB knows answers that are right or wrong as a whole.
    """
    consensus: list[Target | None] = []
    confidence = []
    for line in texts.matrix:
        given = [texts.targets[code] for code in line[line != UNANSWERED].tolist()]
        counts = Counter(part for target in given for part in parts_of(target) if isinstance(part, Span))
        agreed = [span for span, count in counts.items() if 2 * count > len(given)]
        consensus.append(tuple(sorted(agreed)) if given else None)
        pairs = [_f1(one, other) for one, other in combinations(given, 2)]
        confidence.append(fmean(pairs) if pairs else 1.0)
    return Verdicts(consensus, confidence, [None] * len(texts.annotators), agreement(texts))


def _f1(one: Target, other: Target) -> float:
    """Of the parts of two answers; 1 where both have none."""
    first, second = Counter(parts_of(one)), Counter(parts_of(other))
    total = first.total() + second.total()
    return 2 * (first & second).total() / total if total else 1.0

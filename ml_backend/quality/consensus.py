"""Estimate what annotators agree on, and how far each one's answers can be relied on."""

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..arrays import AnyFloats, Floats, Ints
from ..domain.example import Target
from ..domain.quality import AnnotatorQuality, Disagreement, Issue, IssueKind
from .annotations import AnswerMatrix

__all__ = ["Consensus", "ambiguous_issues", "crowdlab"]


UNSURE = 0.5
"""An unsettled text is ambiguous where no answer is likelier than all others together."""


@dataclass(frozen=True, slots=True)
class Consensus:
    """The answers that annotators agree on, with an entry per text or per annotator.

    Attributes:
        targets: the answer that is most likely right; None where nobody answered.
        confidence: how sure that is, 0 to 1; 1 where only one answered.
        quality: how far an annotator can be relied on, 0 to 1; None where that is unknown.
        agreement: see `AnswerMatrix.agreement`.
    """

    answers: AnswerMatrix
    targets: Sequence[Target | None]
    confidence: Sequence[float]
    quality: Sequence[float | None]
    agreement: Sequence[float | None]

    def annotators(self, control: str) -> list[AnnotatorQuality]:
        """Return how reliable each annotator is, the lowest quality first, those without one last."""
        rows = (row for group in self.answers.rows for row in group)
        counts = Counter(annotator for row in rows for annotator in row.answers)
        columns = zip(self.answers.annotators, self.quality, self.agreement, strict=True)
        qualities = [AnnotatorQuality(name, counts[name], quality, share, control) for name, quality, share in columns]
        return sorted(qualities, key=_rank)

    def disagreements(self, control: str) -> list[Disagreement]:
        """Return the tasks with a text that was answered differently; see `Audit` for their order."""
        disagreements = []
        for line, counts in self.answers.disputed().items():
            answers = [(self.answers.targets[code], count) for code, count in sorted(counts.items())]
            answers.sort(key=lambda answer: -answer[1])
            disagreements += [
                Disagreement(
                    task_id=row.row.task_id,
                    row_id=row.row.id,
                    split=row.split,
                    answers=tuple(answers),
                    is_settled=row.agreed is not None,
                    consensus=None if row.split.is_held_out else self.targets[line],
                    quality=self.confidence[line],
                    control=control,
                )
                for row in self.answers.rows[line]
            ]
        return sorted(disagreements, key=lambda each: (each.is_settled, each.quality, each.task_id))

    def warnings(self) -> list[str]:
        """Return sentences on what could not be looked at, and why."""
        texts, annotators = len(self.answers.rows), len(self.answers.annotators)
        if annotators < 2 or any(share is not None for share in self.agreement):
            return []
        none = f"none of the {texts} texts was answered by several of the {annotators} annotators"
        return [f"{none}: their quality cannot be told, which takes an overlap in the project's settings"]


def ambiguous_issues(disagreements: Sequence[Disagreement]) -> list[Issue]:
    """Return an issue for each unsettled text on which annotators and model together have no opinion either."""
    return [
        Issue(each.task_id, each.row_id, each.split, IssueKind.AMBIGUOUS, each.quality, control=each.control)
        for each in disagreements
        if not each.is_settled and each.quality < UNSURE
    ]


def crowdlab(codes: Ints, probabilities: AnyFloats) -> tuple[Ints, Floats, tuple[float | None, ...]]:
    """Return the most likely class per text, how likely it is, and the quality of each annotator.

    Estimated by CROWDLAB (Goh, Tkachenko and Mueller 2022; `cleanlab.multiannotator`), which weighs annotators by
    how they agree with each other and the model by how it agrees with them.

    Args:
        codes: class per text and annotator, shape (N, M), `AnswerMatrix.UNANSWERED` where there is none.
        probabilities: the model's, shape (N, K), out of fold.

    Returns:
        Classes, shape (N,), that of the only answer where there is one; confidences, shape (N,), 0 to 1, never NaN, 1
        where nobody answered or nothing is shared; and M qualities, None where no text has several answers.
    """
    answered = np.flatnonzero((codes != AnswerMatrix.UNANSWERED).any(axis=1))
    consensus = codes.max(axis=1, initial=AnswerMatrix.UNANSWERED)
    confidence = np.ones(len(codes))
    if not ((codes != AnswerMatrix.UNANSWERED).sum(axis=1) > 1).any():
        return consensus, confidence, (None,) * codes.shape[1]
    votes = np.where(codes == AnswerMatrix.UNANSWERED, np.nan, codes.astype(np.float64))[answered]
    consensus[answered], confidence[answered], quality = _estimate(votes, probabilities[answered])
    bounded = tuple(float(np.clip(value, 0, 1)) if np.isfinite(value) else None for value in quality)
    return consensus, confidence, bounded


def _estimate(votes: Floats, probabilities: AnyFloats) -> tuple[Ints, Floats, Floats]:
    """Return consensus and confidence per text, quality per annotator."""
    from cleanlab.multiannotator import get_label_quality_multiannotator

    # cleanlab breaks ties by the probabilities, and by chance where they tie too: so they never do.
    prior = probabilities.astype(np.float64) + np.linspace(1e-9, 0.0, probabilities.shape[1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimate = get_label_quality_multiannotator(
            votes,
            prior / prior.sum(axis=1, keepdims=True),
            return_detailed_quality=False,
            verbose=False,
        )
    texts = estimate["label_quality"]
    confidence = np.nan_to_num(texts["consensus_quality_score"].to_numpy(dtype=np.float64))
    quality = estimate["annotator_stats"]["annotator_quality"].reindex(range(votes.shape[1]))
    return (
        texts["consensus_label"].to_numpy(dtype=np.int64),
        np.clip(confidence, 0.0, 1.0),
        quality.to_numpy(dtype=np.float64),
    )


def _rank(one: AnnotatorQuality) -> tuple[bool, float, str]:
    worth = one.agreement if one.quality is None else one.quality
    return worth is None, worth or 0.0, one.annotator

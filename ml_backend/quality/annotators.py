"""How far annotators can be relied on, and what they agree on together, by CROWDLAB."""

import warnings
from dataclasses import dataclass

import numpy as np

from ..arrays import AnyFloats, Floats, Ints

__all__ = ["UNANSWERED", "Crowd", "crowd"]


UNANSWERED = -1


@dataclass(frozen=True, slots=True, eq=False)
class Crowd:
    """What annotators are worth together and each.

    Attributes:
        consensus: the class that is most likely right, shape (N,); that of the only answer where there is one.
        confidence: how likely that is, shape (N,), 0 to 1, never NaN; 1 where nobody answered or nothing is shared.
        quality: per annotator, shape (M,), 0 to 1; None where no text has several answers.
    """

    consensus: Ints
    confidence: Floats
    quality: tuple[float | None, ...]


def crowd(answers: Ints, probabilities: AnyFloats | None, *, classes: int) -> Crowd:
    """Consensus and annotators' quality.

    Estimated by CROWDLAB (Goh, Tkachenko and Mueller 2022; `cleanlab.multiannotator`), which weighs annotators by
    how they agree with each other and the model by how it agrees with them; without a model by agreement alone.

    Args:
        answers: class per text and annotator, shape (N, M), `UNANSWERED` where there is none.
        probabilities: the model's, shape (N, K), out of fold; None: there is no model.
        classes: K.
    """
    answered = np.flatnonzero((answers != UNANSWERED).any(axis=1))
    consensus = answers.max(axis=1, initial=UNANSWERED)
    confidence = np.ones(len(answers))
    if not ((answers != UNANSWERED).sum(axis=1) > 1).any():
        return Crowd(consensus, confidence, (None,) * answers.shape[1])
    given = np.where(answers == UNANSWERED, np.nan, answers.astype(np.float64))[answered]
    prior = None if probabilities is None else probabilities[answered]
    consensus[answered], confidence[answered], quality = _estimate(given, prior, classes)
    return Crowd(
        consensus,
        confidence,
        tuple(float(np.clip(value, 0, 1)) if np.isfinite(value) else None for value in quality),
    )


def _estimate(given: Floats, probabilities: AnyFloats | None, classes: int) -> tuple[Ints, Floats, Floats]:
    """Consensus and confidence per text, quality per annotator."""
    from cleanlab.multiannotator import get_label_quality_multiannotator

    # cleanlab breaks ties by the probabilities, and by chance where they tie too: so they never do.
    prior = np.ones((len(given), classes)) if probabilities is None else probabilities.astype(np.float64)
    prior = prior + np.linspace(1e-9, 0.0, classes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = get_label_quality_multiannotator(
            given,
            prior / prior.sum(axis=1, keepdims=True),
            # Without a model nothing is known beyond the votes, and cleanlab miscounts them for its other method.
            consensus_method="majority_vote" if probabilities is None else "best_quality",
            quality_method="agreement" if probabilities is None else "crowdlab",
            return_detailed_quality=False,
            verbose=False,
        )
    texts = found["label_quality"]
    confidence = np.nan_to_num(texts["consensus_quality_score"].to_numpy(dtype=np.float64))
    quality = found["annotator_stats"]["annotator_quality"].reindex(range(given.shape[1]))
    return (
        texts["consensus_label"].to_numpy(dtype=np.int64),
        np.clip(confidence, 0.0, 1.0),
        quality.to_numpy(dtype=np.float64),
    )

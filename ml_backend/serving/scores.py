"""What every predictor does alike: confidences into answers, and draws for blind tasks."""

import hashlib
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from ..domain.model import ScoredTarget

__all__ = ["draw_from_quantiles", "scored_targets"]


def scored_targets(
    texts: Sequence[str],
    labels: Sequence[str],
    confidences: Callable[[Sequence[str]], npt.NDArray[np.float64]],
) -> list[ScoredTarget | None]:
    """One answer per text, in order; None for an empty text.

    Args:
        confidences: of texts, shape (N, K), rows summing to 1; not asked about empty texts.
    """
    asked = [position for position, text in enumerate(texts) if text.strip()]
    answers: list[ScoredTarget | None] = [None] * len(texts)
    if not asked:
        return answers
    for position, row in zip(asked, confidences([texts[i] for i in asked]), strict=True):
        best = int(row.argmax())
        scores = {label: float(score) for label, score in zip(labels, row, strict=True)}
        answers[position] = ScoredTarget(labels[best], float(row[best]), scores)
    return answers


def draw_from_quantiles(quantiles: Sequence[float], version: str, key: int) -> float:
    """A draw from the distribution whose evenly spaced quantiles are given; version and key determine it."""
    digest = hashlib.sha256(f"{version}:{key}".encode()).digest()
    share = int.from_bytes(digest[:8], "big") / 2**64
    return float(np.interp(share, np.linspace(0.0, 1.0, len(quantiles)), quantiles))

"""A number per text, with how far it may be off.

How far off held-out answers were, in the unit of what the model expects of each, gives the chances: split conformal
prediction with normalised residuals. Source: Lei et al. 2018, "Distribution-Free Predictive Inference for Regression".
"""

from typing import Annotated, Self

import numpy as np
from pydantic import Field, model_validator

from ...arrays import Floats, Floats2d
from ...domain.model import ScoredTarget
from ..text.confidence import Logistic, log_odds
from ..text.tokenised import TokenisedTexts
from .base import Labels, WholeTextDecoder

__all__ = ["NumberDecoder"]

INTERVAL = 0.9
SMALLEST_ERROR, GREATEST_ERROR = -5.0, 3.0
"""Bounds of the logarithm of the error that is expected, in units of `spread`."""


class NumberDecoder(WholeTextDecoder):
    """A number in steps, within the range of the numbers that were learned.

    Confidence is the chance that the number is exactly right, that is, that the truth lies within half a step of it.
    The scores of an answer are the ends of its 90% interval with the chance that the truth lies below each.

    Attributes:
        labels: none.
        center: the first logit times `spread` is added to it.
        spread: with the exponential of the second logit it gives the error that is expected.
        step: answers are multiples of it, counted from `least`.
        least: of the numbers that were learned; `most` is the greatest.
        errors: the 0th to 100th percentile of held-out errors, each as a multiple of the one expected; empty: unknown.
        held_out: how many held-out errors these are of.
        slope: with `offset` the map from the chance by these errors to the confidence, see `Logistic`.
    """

    head = "number"
    labels: Labels = ()
    center: float
    spread: float
    step: float
    least: float
    most: float
    errors: Annotated[tuple[float, ...], Field(strict=False)] = ()
    held_out: int = 0
    slope: float = 1.0
    offset: float = 0.0

    @property
    def columns(self) -> int:
        return 2

    @property
    def numbers(self) -> dict[str, float]:
        return {"slope": self.slope, "offset": self.offset}

    @model_validator(mode="after")
    def _check_values(self) -> Self:
        values = (self.center, self.spread, self.step, self.least, self.most, *self.errors, *self.numbers.values())
        if not np.isfinite(values).all() or self.spread <= 0 or self.step <= 0 or self.least > self.most:
            raise ValueError(f"{values} found; wanted finite numbers, spread and step above 0, least up to most")
        if self.labels or len(self.errors) not in (0, 101) or np.any(np.diff(self.errors) < 0):
            raise ValueError(f"{len(self.labels)} labels and {len(self.errors)} errors found; wanted 0, and 0 or 101")
        return self

    def expected(self, logits: Floats2d) -> tuple[Floats, Floats]:
        """Return the number expected of each text, in no steps, and how far it is expected to be off, shape (N,)."""
        doubt = np.clip(logits[:, 1].astype(np.float64), SMALLEST_ERROR, GREATEST_ERROR)
        return self.center + self.spread * logits[:, 0].astype(np.float64), self.spread * np.exp(doubt)

    def stepped(self, numbers: Floats) -> Floats:
        """Return the nearest answers that can be given, shape (N,)."""
        steps = np.round((np.clip(numbers, self.least, self.most) - self.least) / self.step)
        return np.array([float(f"{self.least + count * self.step:.12g}") for count in steps], dtype=np.float64)

    def chances(self, logits: Floats2d) -> Floats:
        """Return the chance that the truth is within half a step of the answer, by the held-out errors, shape (N,)."""
        numbers, errors = self.expected(logits)
        answers = self.stepped(numbers)
        above, below = ((answers + sign * self.step / 2 - numbers) / errors for sign in (1, -1))
        return np.asarray((self._side(above) - self._side(below)) / 2, dtype=np.float64)

    def answers(self, logits: Floats2d, _tokenised: TokenisedTexts, /) -> list[ScoredTarget]:
        numbers, errors = self.expected(logits)
        half = errors * self._reach(INTERVAL)
        scores = Logistic(self.slope, self.offset).of_log_odds(log_odds(self.chances(logits)))
        ends = [[_rounded(end) for end in both] for both in (numbers - half, numbers + half)]
        return [
            ScoredTarget(
                int(answer) if answer.is_integer() else answer,
                score,
                {low: (1 - INTERVAL) / 2, high: (1 + INTERVAL) / 2},
            )
            for answer, score, low, high in zip(self.stepped(numbers).tolist(), scores.tolist(), *ends, strict=True)
        ]

    def _side(self, distances: Floats) -> Floats:
        """The chance of an error on the same side up to each distance, both sides counted, negative below 0."""
        sizes = np.abs(distances)
        if not self.errors:
            return np.asarray(np.sign(distances) * -np.expm1(-sizes), dtype=np.float64)
        # One more error than were seen, which may be of any size, keeps few rows from making an answer certain.
        shares = np.linspace(0.0, self.held_out / (self.held_out + 1), len(self.errors))
        return np.asarray(np.sign(distances) * np.interp(sizes, self.errors, shares, left=0.0), dtype=np.float64)

    def _reach(self, share: float) -> float:
        """The multiple of the expected error within which this share of the errors lies."""
        if not self.errors:
            return float(-np.log1p(-share))
        level = min(share * (self.held_out + 1) / max(self.held_out, 1), 1.0)
        return float(np.interp(level, np.linspace(0.0, 1.0, len(self.errors)), self.errors))


def _rounded(number: float) -> float:
    return float(f"{number:.6g}")

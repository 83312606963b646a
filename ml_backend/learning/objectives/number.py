"""A number per text: ridge regression on frozen features, or absolute error, and how far each answer may be off."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...arrays import Codes, Floats, Floats2d, Ints
from ...domain.example import Target
from ...domain.model import Method
from ...measuring.calibration import Reliability, fit_logistic
from ...models.bundle.head import Head
from ...models.decoders.base import Decoder
from ...models.decoders.number import GREATEST_ERROR, SMALLEST_ERROR, NumberDecoder
from ...models.text.confidence import log_odds
from ...models.text.tokenised import TokenisedTexts
from ...models.text.torch_encoder import TextEncoder
from ..classification.pooled_regression import Loss
from ..classification.settings import Hyperparameters
from ..rows.data import LabeledTexts
from ..rows.encoded import EncodedRows
from .whole_texts import WholeTextObjective

if TYPE_CHECKING:
    import torch

__all__: list[str] = []

PENALTIES = np.logspace(-2, 3, 11)
STRATA = 10
IN_STEPS = 0.99
"""The share of numbers that must be multiples of a step for it to be theirs."""
FINEST = 1e-4
"""The finest step, as a share of the spread."""
CORNER = 0.05
"""Below this distance, in units of the spread, the loss is round instead of having a corner."""


class NumberObjective(WholeTextObjective):
    """A code is the number less the median of the train numbers, in units of their mean distance from it, (U, 1)."""

    head = "number"

    def first_decoder(self, encoder: TextEncoder, rows: LabeledTexts, /) -> Decoder:
        self._numbers = _numbers(rows.targets)
        return super().first_decoder(encoder, rows)

    def plain_decoder(self) -> NumberDecoder:
        numbers = self._numbers
        center = float(np.median(numbers)) if len(numbers) else 0.0
        spread = float(np.abs(numbers - center).mean()) if len(numbers) else 0.0
        least, most = (float(numbers.min()), float(numbers.max())) if len(numbers) else (0.0, 0.0)
        return NumberDecoder(
            pooling=self.pooling,
            fields=self.fields,
            center=center,
            spread=spread or 1.0,
            step=_step(numbers - least, spread or 1.0),
            least=least,
            most=most,
        )

    def why_unusable(self, targets: Sequence[Target]) -> str | None:
        numbers = _numbers(targets)
        if len(set(numbers.tolist())) > 1:
            return None
        return (
            f"all {len(targets)} train rows have the same number, {numbers[0] if len(numbers) else 'none'}; wanted "
            "rows that differ: review more tasks and train again"
        )

    def codes(self, targets: Sequence[Target | None], _tokenised: TokenisedTexts, /) -> Codes:
        decoder = self.plain_decoder()
        numbers = np.array([decoder.center if isinstance(t, str | tuple) or t is None else float(t) for t in targets])
        return ((numbers - decoder.center) / decoder.spread).astype(np.float32).reshape(len(targets), 1)

    def strata(self, targets: Sequence[Target]) -> Ints:
        """Tenths of the numbers, the lowest first."""
        numbers = _numbers(targets)
        edges = np.unique(np.quantile(numbers, np.linspace(0, 1, STRATA + 1)[1:-1])) if len(numbers) else []
        return np.asarray(np.searchsorted(edges, numbers, side="right"), dtype=np.int64)

    def hyperparameters(self, _method: Method | None, rows: int, /) -> Hyperparameters:
        """The regression chooses its own penalty; `regression_c` divides those that it tries."""
        return Hyperparameters(epochs=5, regression_c=1.0).with_enough_steps(rows)

    def plain_regression(self, features: Floats2d, encoded: EncodedRows, *, c: float, max_iterations: int) -> Head:  # noqa: ARG002 (solved at once)
        """A ridge regression of the numbers, and one of the logarithm of how far it is off on rows left out of it.

        The penalty is the one that is the best for rows that are left out one at a time (scikit-learn's `RidgeCV`).
        """
        numbers = np.asarray(encoded.codes, dtype=np.float64)[:, 0]
        weights, bias, errors = _ridge(features, numbers, encoded.unit_weights, c)
        # A row that is hit by chance must not count for a certain one.
        doubts = np.log(np.clip(np.abs(errors), CORNER, None))
        doubt_weights, doubt_bias, doubt_errors = _ridge(features, doubts, encoded.unit_weights, c)
        if np.mean(doubt_errors**2) >= np.var(doubts):  # nothing tells where it is far off
            doubt_weights, doubt_bias = np.zeros_like(doubt_weights), float(doubts.mean())
        weight = np.stack([weights, doubt_weights]).astype(np.float32)
        return Head(weight, np.array([bias, doubt_bias], dtype=np.float32))

    def pooled_loss(self, encoded: EncodedRows) -> Loss:
        numbers = np.asarray(encoded.codes, dtype=np.float64)[:, 0]

        def loss(logits: Floats) -> tuple[Floats, Floats]:
            distance = logits[:, 0] - numbers
            doubt = np.clip(logits[:, 1], SMALLEST_ERROR, GREATEST_ERROR)
            size = np.sqrt(distance**2 + CORNER**2)
            ratio = size * np.exp(-doubt)
            gradient = np.stack([distance / size * np.exp(-doubt), np.where(doubt == logits[:, 1], 1 - ratio, 0.0)], 1)
            return ratio + doubt, gradient

        return loss

    def first_bias(self, _encoded: EncodedRows, /) -> Floats:
        return np.zeros(2)

    def loss(self, logits: "torch.Tensor", codes: "torch.Tensor") -> "torch.Tensor":
        """The likelihood of a Laplace distribution, whose scale the second logit gives."""
        doubt = logits[:, 1].clamp(SMALLEST_ERROR, GREATEST_ERROR)
        size = ((logits[:, 0] - codes[:, 0]) ** 2 + CORNER**2).sqrt()
        return size * (-doubt).exp() + doubt

    def calibrated(self, logits: Floats2d, encoded: EncodedRows) -> Decoder:
        """The errors that were made, as multiples of the expected ones, then a logistic map of exact hits."""
        decoder = self.plain_decoder()
        if len(encoded) < Reliability.LEAST_ROWS:
            return decoder
        numbers, errors = decoder.expected(logits)
        true = _numbers(encoded.rows.targets)
        multiples = np.quantile(np.abs(true - numbers) / errors, np.linspace(0, 1, 101))
        decoder = decoder.copy_with(errors=tuple(multiples.tolist()), held_out=len(encoded))
        of_hits = fit_logistic(log_odds(decoder.chances(logits)), decoder.stepped(numbers) == true)
        return decoder.copy_with(slope=of_hits.slope, offset=of_hits.offset)

    def reliability(self, decoder: Decoder, logits: Floats2d, encoded: EncodedRows) -> Reliability:
        if not isinstance(decoder, NumberDecoder):
            raise TypeError(f"{decoder} found; wanted the decoder of a number")
        answers = decoder.answers(logits, encoded.tokenised)
        return Reliability(
            decoder.chances(logits),
            np.array([answer.score for answer in answers], dtype=np.float64),
            _numbers([answer.target for answer in answers]) == _numbers(encoded.rows.targets),
        )


def _numbers(targets: Sequence[Target]) -> Floats:
    return np.array([target for target in targets if isinstance(target, int | float)], dtype=np.float64)


def _step(distances: Floats, spread: float) -> float:
    """The greatest of the steps 1, 2 and 5 times a power of ten in which nearly all numbers lie, from the least on.

    The finest one where there is none.
    """
    finest = int(np.floor(np.log10(spread * FINEST)))
    for power in range(int(np.floor(np.log10(spread))) + 1, finest - 1, -1):
        for factor in (5, 2, 1):
            steps = distances / (factor * 10.0**power)
            if np.mean(np.abs(steps - np.round(steps)) < 1e-6 * np.maximum(steps, 1)) >= IN_STEPS:
                return float(f"{factor * 10.0**power:.1g}")
    return float(f"{10.0**finest:.1g}")


def _ridge(features: Floats2d, values: Floats, row_weights: Floats, c: float) -> tuple[Floats, float, Floats]:
    """Weights, bias, and the error on each row of a regression without it."""
    from sklearn.linear_model import RidgeCV
    from threadpoolctl import threadpool_limits

    model = RidgeCV(PENALTIES / c, store_cv_results=True)
    with threadpool_limits(1):
        model.fit(features.astype(np.float64), values, sample_weight=row_weights / row_weights.mean())
    best = int(np.argmin(np.abs(PENALTIES / c - model.alpha_)))
    errors = np.sqrt(np.maximum(model.cv_results_[:, best], 0.0))
    return np.asarray(model.coef_, dtype=np.float64), float(model.intercept_), np.asarray(errors, dtype=np.float64)

"""One of the options that a text offers: a logistic regression on choices."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...arrays import Codes, Floats2d, Ints
from ...domain.example import Target, parts_of
from ...domain.model import Method
from ...measuring.calibration import Reliability, fit_logistic, fit_temperature
from ...models.bundle.head import Head
from ...models.decoders.base import Decoder
from ...models.decoders.option import OptionDecoder
from ...models.text.confidence import log_odds
from ...models.text.offered import option_features, options_by_text
from ...models.text.tokenised import TokenisedTexts
from ...models.text.torch_encoder import TextEncoder
from ..classification.option_regression import fit_choices
from ..classification.settings import Hyperparameters
from ..rows.data import LabeledTexts
from ..rows.encoded import EncodedRows
from .base import Objective

if TYPE_CHECKING:
    import torch

__all__ = ["OptionObjective"]

ABSENT = -1e4
"""The logit of an option that a text does not have, where texts with fewer options stand beside others."""


class OptionObjective(Objective):
    """A code is 1 for the option that was chosen, and 0 for others. The base model is not tuned for it."""

    head = "option"
    is_tuned = False

    def first_decoder(self, encoder: TextEncoder, rows: LabeledTexts, /) -> Decoder:  # noqa: ARG002 (the base's shape)
        return OptionDecoder()

    def why_unusable(self, targets: Sequence[Target]) -> str | None:
        return None if len(targets) else "no train row has an answer; wanted at least one: review more tasks"

    def codes(self, targets: Sequence[Target | None], tokenised: TokenisedTexts, /) -> Codes:
        chosen = [() if target is None else parts_of(target) for target in targets]
        flat = [name in own for own, names in zip(chosen, tokenised.names, strict=True) for name in names]
        return np.array(flat, dtype=np.int64)

    def strata(self, targets: Sequence[Target]) -> Ints:
        """One class, since each text has other options."""
        return np.zeros(len(targets), dtype=np.int64)

    def hyperparameters(self, method: Method | None, rows: int, /) -> Hyperparameters:  # noqa: ARG002 (the base's shape)
        return Hyperparameters(epochs=1, regression_c=1.0)

    def regression(self, features: Floats2d, encoded: EncodedRows, *, c: float, max_iterations: int) -> Head:
        numbers = np.arange(encoded.tokenised.units)
        codes = np.asarray(encoded.codes)
        choices, weights = [], []
        for (_, own), weight in zip(
            options_by_text(encoded.tokenised, numbers), encoded.rows.weights.tolist(), strict=True
        ):
            chosen = own[codes[own] == 1]
            choices += [np.concatenate([[each], own[own != each]]) for each in chosen]
            weights += [weight] * len(chosen)
        own_features = option_features(features, encoded.tokenised)
        return fit_choices(own_features, choices, np.array(weights), c=c, max_iterations=max_iterations)

    def loss(self, logits: "torch.Tensor", codes: "torch.Tensor") -> "torch.Tensor":
        from torch.nn import functional

        return functional.binary_cross_entropy_with_logits(logits[:, 0], codes.to(logits.dtype), reduction="none")

    def calibrated(self, logits: Floats2d, encoded: EncodedRows) -> Decoder:
        """A temperature."""
        if len(encoded) < Reliability.LEAST_ROWS:
            return self.decoder
        tokenised = encoded.tokenised
        most = max(map(len, tokenised.names))
        side_by_side = np.full((len(encoded), max(most, 1)), ABSENT, dtype=np.float32)
        for line, (_, own) in zip(side_by_side, options_by_text(tokenised, logits), strict=True):
            line[: len(own)] = own[:, 0]
        right = [int(np.argmax(own)) for _, own in options_by_text(tokenised, encoded.codes)]
        return self.decoder.copy_with(temperature=fit_temperature(side_by_side, np.array(right)))

    @staticmethod
    def with_task_map(decoder: Decoder, logits: Floats2d, encoded: EncodedRows) -> Decoder:
        """Return the decoder with a logistic map of the confidences in whole answers."""
        pairs = list(zip(decoder.answers(logits, encoded.tokenised), encoded.rows.targets, strict=True))
        of_task = fit_logistic(
            log_odds(np.array([answer.score for answer, _ in pairs])),
            np.array([answer.target == target for answer, target in pairs], dtype=np.bool_),
        )
        return decoder.copy_with(task_slope=of_task.slope, task_offset=of_task.offset)

    def reliability(self, decoder: Decoder, logits: Floats2d, encoded: EncodedRows) -> Reliability:
        answers, raw = (each.answers(logits, encoded.tokenised) for each in (decoder, self.decoder))
        is_right = [each.target == target for each, target in zip(answers, encoded.rows.targets, strict=True)]
        return Reliability(
            np.array([each.score for each in raw], dtype=np.float64),
            np.array([each.score for each in answers], dtype=np.float64),
            np.array(is_right, dtype=np.bool_),
        )

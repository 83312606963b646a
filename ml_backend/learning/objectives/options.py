"""Each of the options that a text offers, or not: a logistic regression on all options."""

import numpy as np

from ...arrays import Bools, Floats2d
from ...measuring.calibration import Reliability, fit_logistic
from ...models.bundle.head import Head
from ...models.decoders.base import Decoder
from ...models.decoders.options import OptionsDecoder
from ...models.text.confidence import Logistic
from ...models.text.offered import option_features
from ...models.text.torch_encoder import TextEncoder
from ..classification.regression import fit_label_regressions
from ..rows.data import LabeledTexts
from ..rows.encoded import EncodedRows
from .option import OptionObjective

__all__: list[str] = []

THRESHOLDS = np.arange(0.1, 0.91, 0.05)


class OptionsObjective(OptionObjective):
    """A code is 1 for options that were chosen, and 0 for others."""

    head = "options"

    def first_decoder(self, encoder: TextEncoder, rows: LabeledTexts, /) -> Decoder:  # noqa: ARG002 (the base's shape)
        return OptionsDecoder()

    def regression(self, features: Floats2d, encoded: EncodedRows, *, c: float, max_iterations: int) -> Head:
        chosen = np.asarray(encoded.codes, dtype=np.bool_)[:, None]
        own_features = option_features(features, encoded.tokenised)
        return fit_label_regressions(own_features, chosen, encoded.unit_weights, c=c, max_iterations=max_iterations)

    def calibrated(self, logits: Floats2d, encoded: EncodedRows) -> Decoder:
        """A logistic map of all options, the threshold of the highest F1, and a logistic map of whole answers."""
        if len(encoded) < Reliability.LEAST_ROWS:
            return self.decoder
        chosen = np.asarray(encoded.codes, dtype=np.bool_)
        of_option = fit_logistic(logits[:, 0].astype(np.float64), chosen)
        chances = Logistic(of_option.slope, of_option.offset).of_log_odds(logits[:, 0])
        best = max(THRESHOLDS.tolist(), key=lambda threshold: _f1(chances >= threshold, chosen))
        decoder = self.decoder.copy_with(slope=of_option.slope, offset=of_option.offset, threshold=best)
        return self.with_task_map(decoder, logits, encoded)


def _f1(given: Bools, chosen: Bools) -> float:
    return float(2 * (given & chosen).sum() / max(given.sum() + chosen.sum(), 1))

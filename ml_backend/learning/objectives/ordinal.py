"""One of several levels per text: cross-entropy, as for classes, and the middle level as the answer.

Cumulative logits (McCullagh 1980) were no better on two planted scorers, see docs/quality.md.
"""

from collections.abc import Sequence
from dataclasses import replace

from ...arrays import Codes, Floats2d, Ints
from ...domain.example import Target, label_of, parts_of
from ...domain.model import Method
from ...measuring.calibration import Reliability, fit_logistic
from ...models.decoders.base import Decoder
from ...models.decoders.ordinal import OrdinalDecoder
from ...models.text.confidence import log_odds
from ...models.text.tokenised import TokenisedTexts
from ...models.text.torch_encoder import TextEncoder
from ..classification.settings import Hyperparameters
from ..rows.data import LabeledTexts
from ..rows.encoded import EncodedRows
from .softmax import SoftmaxObjective
from .whole_texts import WholeTextObjective

__all__: list[str] = []


class OrdinalObjective(SoftmaxObjective):
    """A code is the position of the level. Names of levels say nothing, so nothing is learned from them."""

    head = "ordinal"
    learns_descriptions = False

    def first_decoder(self, encoder: TextEncoder, rows: LabeledTexts, /) -> Decoder:
        # Rare levels are not favoured: the middle of the chances is the best answer as it is.
        return WholeTextObjective.first_decoder(self, encoder, rows)

    def plain_decoder(self) -> OrdinalDecoder:
        return OrdinalDecoder(labels=self.labels, pooling=self.pooling, fields=self.fields)

    def codes(self, targets: Sequence[Target | None], tokenised: TokenisedTexts, /) -> Codes:
        return super().codes([None if target is None else _level(target) for target in targets], tokenised)

    def strata(self, targets: Sequence[Target]) -> Ints:
        return super().strata([_level(target) for target in targets])

    def hyperparameters(self, method: Method | None, rows: int, /) -> Hyperparameters:
        return replace(super().hyperparameters(method, rows), regression_c=10.0)

    def calibrated(self, logits: Floats2d, encoded: EncodedRows) -> Decoder:
        """A temperature of all levels, then a logistic map of the middle one's chance to the share of exact hits."""
        decoder = super().calibrated(logits, encoded)
        if len(encoded) < Reliability.LEAST_ROWS:
            return decoder
        hits = self.reliability(decoder, logits, encoded)
        of_hits = fit_logistic(log_odds(hits.scores), hits.is_right)
        return decoder.copy_with(slope=of_hits.slope, offset=of_hits.offset)


def _level(target: Target) -> str:
    """The level as a label; of anything but one level "", for which there is no code."""
    levels = [label_of(part) for part in parts_of(target)]
    return levels[0] if len(levels) == 1 else ""

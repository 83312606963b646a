"""Labels inside labels.

Where every row has one label with its parents, the innermost one is learned as one of all, by cross-entropy; elsewhere
every label by itself. See docs/quality.md for how much better the former is.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ...arrays import Codes, Floats, Floats2d, Ints
from ...domain.example import Target, label_of, parts_of
from ...domain.label_config import parent_of
from ...domain.model import Method
from ...measuring.calibration import Reliability, fit_logistic, fit_temperature
from ...models.bundle.head import Head
from ...models.decoders.base import Decoder
from ...models.decoders.taxonomy import TaxonomyDecoder, with_parents
from ...models.text.confidence import confidences, log_odds
from ...models.text.tokenised import TokenisedTexts
from ...models.text.torch_encoder import TextEncoder
from ..classification.pooled_regression import Loss
from ..classification.regression import fit_regression
from ..classification.settings import Hyperparameters
from ..rows.data import LabeledTexts
from ..rows.encoded import EncodedRows
from .sigmoid import SigmoidObjective

if TYPE_CHECKING:
    import torch

__all__: list[str] = []

ONE_PATH_C = 30.0


class TaxonomyObjective(SigmoidObjective):
    """A code is a line of 1 for the labels that were chosen and for their parents, shape (U, K).

    Attributes:
        is_one_path: every train row has one label with its parents.
    """

    head = "taxonomy"
    is_one_path = False

    def first_decoder(self, encoder: TextEncoder, rows: LabeledTexts, /) -> Decoder:
        chosen = [with_parents([label_of(part) for part in parts_of(target)]) for target in rows.targets]
        ends = [set(labels) - set(map(parent_of, labels)) for labels in chosen]
        self.is_one_path = all(len(each) == 1 for each in ends)
        return super().first_decoder(encoder, rows)

    def plain_decoder(self) -> TaxonomyDecoder:
        return TaxonomyDecoder(
            labels=self.labels, pooling=self.pooling, fields=self.fields, is_one_path=self.is_one_path
        )

    def codes(self, targets: Sequence[Target | None], tokenised: TokenisedTexts, /) -> Codes:
        given = [() if target is None else parts_of(target) for target in targets]
        whole: list[Target] = [with_parents(list(map(label_of, parts))) for parts in given]
        return super().codes(whole, tokenised)

    def hyperparameters(self, method: Method | None, rows: int, /) -> Hyperparameters:
        found = super().hyperparameters(method, rows)
        return replace(found, regression_c=ONE_PATH_C) if self.is_one_path else found

    def plain_regression(self, features: Floats2d, encoded: EncodedRows, *, c: float, max_iterations: int) -> Head:
        if not self.is_one_path:
            return super().plain_regression(features, encoded, c=c, max_iterations=max_iterations)
        ends, classes = _innermost(encoded), len(self.labels)
        return fit_regression(features, ends, encoded.unit_weights, classes=classes, c=c, max_iterations=max_iterations)

    def pooled_loss(self, encoded: EncodedRows) -> Loss:
        if not self.is_one_path:
            return super().pooled_loss(encoded)
        ends = _innermost(encoded)
        rows = np.arange(len(ends))

        def loss(logits: Floats) -> tuple[Floats, Floats]:
            chances = confidences(logits, 1.0)
            losses = -np.log(np.maximum(chances[rows, ends], 1e-300))
            chances[rows, ends] -= 1.0
            return losses, chances

        return loss

    def loss(self, logits: "torch.Tensor", codes: "torch.Tensor") -> "torch.Tensor":
        from torch.nn import functional

        if not self.is_one_path:
            return super().loss(logits, codes)
        # Of a path, the label that comes last in the config is the innermost one.
        ends = codes.shape[1] - 1 - codes.flip(1).argmax(dim=1)
        return functional.cross_entropy(logits, ends, reduction="none")

    def calibrated(self, logits: Floats2d, encoded: EncodedRows) -> Decoder:
        if not self.is_one_path or len(encoded) < Reliability.LEAST_ROWS:
            return super().calibrated(logits, encoded)
        decoder = self.plain_decoder().copy_with(temperature=fit_temperature(logits, _innermost(encoded)))
        hits = self.reliability(decoder, logits, encoded)
        of_task = fit_logistic(log_odds(hits.raw), hits.is_right)
        return decoder.copy_with(task_slope=of_task.slope, task_offset=of_task.offset)


def _innermost(encoded: EncodedRows) -> Ints:
    """The place of the innermost label of each row, shape (N,): of a path, the one that comes last in the config."""
    codes = np.asarray(encoded.codes)
    return np.asarray(codes.shape[1] - 1 - codes[:, ::-1].argmax(axis=1), dtype=np.int64)

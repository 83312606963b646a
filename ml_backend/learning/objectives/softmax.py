"""One of the labels per text: cross-entropy.

Versions are compared by macro-F1, in which a rare class counts as much as a frequent one, while the likeliest label is
the best answer for accuracy alone. So rare labels are favoured when the answer is picked, by a power of how often they
occur. Source: Menon et al. 2021, "Long-tail learning via logit adjustment", applied after training.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ...arrays import Codes, Floats, Floats2d, Ints
from ...domain.example import Target
from ...domain.model import Method
from ...measuring.calibration import Reliability, fit_temperature
from ...models.bundle.head import Head
from ...models.decoders.base import Decoder
from ...models.decoders.softmax import SoftmaxDecoder
from ...models.text.confidence import confidences
from ...models.text.pooling import Pooling, pooled_features
from ...models.text.tokenised import TokenisedTexts
from ...models.text.torch_encoder import TextEncoder
from ..classification.pooled_regression import Loss
from ..classification.regression import NEVER, class_mean_head, fit_regression
from ..classification.settings import Hyperparameters
from ..rows.data import LabeledTexts
from ..rows.encoded import EncodedRows
from .whole_texts import WholeTextObjective

if TYPE_CHECKING:
    import torch

__all__: list[str] = []

ADJUSTMENT = 0.5
"""The power of a label's share of the rows that is taken off: 0 is best for accuracy, 1 where labels are equally
frequent in what is asked about. Half was best or nearly so on texts whose labels are as skewed as those of the rows."""


MOST_EPOCHS, ADAPTER_STRENGTH = 10, 0.75
"""Passes over few rows at most, and what is kept of the adapter then: see the table of sizes in docs/quality.md."""
CLASSES_BY_MEANS = 30
"""The number of classes up to which the head starts from their means, where rows are few. Measured at up to 15 classes,
where the means are better or equal, and at 77, where the regression is: see the decision on training time."""


class SoftmaxObjective(WholeTextObjective):
    """A code is the position of the class.

    Attributes:
        offsets: see the decoder's.
    """

    head = "softmax"
    learns_descriptions = True
    offsets: tuple[float, ...] = ()

    def first_decoder(self, encoder: TextEncoder, rows: LabeledTexts, /) -> Decoder:
        self.offsets = _offsets(rows.targets, self.labels)
        return super().first_decoder(encoder, rows)

    def plain_decoder(self) -> SoftmaxDecoder:
        return SoftmaxDecoder(labels=self.labels, pooling=self.pooling, fields=self.fields, offsets=self.offsets)

    def why_unusable(self, targets: Sequence[Target]) -> str | None:
        if len(set(targets)) > 1:
            return None
        return (
            f"all {len(targets)} train rows are labeled {targets[0]!r}; wanted rows of at least 2 classes: "
            "review tasks of another class and train again"
        )

    def codes(self, targets: Sequence[Target | None], _tokenised: TokenisedTexts, /) -> Codes:
        index: dict[Target | None, int] = {label: k for k, label in enumerate(self.labels)}
        return np.array([index.get(target, 0) for target in targets], dtype=np.int64)

    def strata(self, targets: Sequence[Target]) -> Ints:
        index: dict[Target, int] = {label: k for k, label in enumerate(self.labels)}
        return np.array([index[target] for target in targets], dtype=np.int64)

    def hyperparameters(self, _method: Method | None, rows: int, /) -> Hyperparameters:
        """Two epochs of many rows; more of few, with adversarial passes and a head that starts with less certainty.

        A regression separates few rows so well that their loss, and all that could be learned from it, is next to 0.
        Of many classes the means of similar ones lie too close together, and the regression is the better start.
        """
        many = Hyperparameters(epochs=2, head_scale=20.0)
        few = many.with_enough_steps(rows, most_epochs=MOST_EPOCHS)
        if few == many:
            return many
        head_scale = 10.0 if len(self.labels) <= CLASSES_BY_MEANS else 0.0
        return replace(few, adversarial_size=0.35, adapter_strength=ADAPTER_STRENGTH, head_scale=head_scale)

    def plain_regression(self, features: Floats2d, encoded: EncodedRows, *, c: float, max_iterations: int) -> Head:
        return fit_regression(
            features,
            np.asarray(encoded.codes, dtype=np.int64),
            encoded.unit_weights,
            classes=len(self.labels),
            c=c,
            max_iterations=max_iterations,
        )

    def first_head(
        self,
        regression: Head,
        features: Floats2d,
        encoded: EncodedRows,
        scale: float,
        /,
    ) -> Head:
        """The class means times `scale`, or the regression: where that is 0, or one piece of a long text may decide."""
        if not scale or (self.pooling is not Pooling.MEAN and encoded.tokenised.has_windows):
            return regression
        return class_mean_head(
            pooled_features(features, encoded.tokenised),
            np.asarray(encoded.codes, dtype=np.int64),
            encoded.unit_weights,
            classes=len(self.labels),
            scale=scale,
        )

    def pooled_loss(self, encoded: EncodedRows) -> Loss:
        codes = np.asarray(encoded.codes, dtype=np.int64)
        rows = np.arange(len(codes))

        def loss(logits: Floats) -> tuple[Floats, Floats]:
            probabilities = confidences(logits, 1.0)
            losses = -np.log(np.maximum(probabilities[rows, codes], 1e-300))
            probabilities[rows, codes] -= 1.0
            return losses, probabilities

        return loss

    def first_bias(self, encoded: EncodedRows, /) -> Floats:
        """A class without a row never wins."""
        counts = np.bincount(np.asarray(encoded.codes, dtype=np.int64), minlength=len(self.labels))
        return np.where(counts > 0, 0.0, NEVER)

    def loss(self, logits: "torch.Tensor", codes: "torch.Tensor") -> "torch.Tensor":
        from torch.nn import functional

        return functional.cross_entropy(logits, codes, reduction="none")

    def calibrated(self, logits: Floats2d, encoded: EncodedRows) -> Decoder:
        if len(encoded) < Reliability.LEAST_ROWS:
            return self.plain_decoder()
        temperature = fit_temperature(logits, np.asarray(encoded.codes, dtype=np.int64))
        return self.plain_decoder().copy_with(temperature=temperature)

    def reliability(self, decoder: Decoder, logits: Floats2d, encoded: EncodedRows) -> Reliability:
        answers = decoder.answers(logits, encoded.tokenised)
        chosen = self.codes([answer.target for answer in answers], encoded.tokenised)
        return Reliability(
            confidences(logits, 1.0)[np.arange(len(answers)), chosen],
            np.array([answer.score for answer in answers], dtype=np.float64),
            chosen == encoded.codes,
        )


def _offsets(targets: Sequence[Target], labels: Sequence[str]) -> tuple[float, ...]:
    """Per label, to be added to the logarithm of its probability; none where all labels are equally frequent.

    A label without a row counts as if it had one, which its name and hint are.
    """
    counts = Counter(targets)
    logarithms = np.log([max(counts[label], 1) for label in labels])
    offsets = -ADJUSTMENT * (logarithms - logarithms.mean())
    return tuple(offsets.tolist()) if np.ptp(logarithms) else ()

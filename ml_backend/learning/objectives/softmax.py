"""One of the labels per text: cross-entropy.

Versions are compared by macro-F1, in which a rare class counts as much as a frequent one, while the likeliest label is
the best answer for accuracy alone. So rare labels are favoured when the answer is picked, by a power of how often they
occur. Source: Menon et al. 2021, "Long-tail learning via logit adjustment", applied after training.
"""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...arrays import Codes, Floats2d, Ints
from ...domain.example import Target
from ...domain.model import Method
from ...measuring.calibration import Reliability, fit_temperature
from ...models.bundle.head import Head
from ...models.decoders.base import Decoder
from ...models.decoders.softmax import SoftmaxDecoder
from ...models.text.confidence import confidences
from ...models.text.tokenised import TokenisedTexts
from ...models.text.torch_encoder import TextEncoder
from ..classification.regression import class_mean_head, fit_regression
from ..classification.settings import Hyperparameters, TrainingSettings
from ..rows.data import LabeledTexts
from ..rows.encoded import EncodedRows
from .base import Objective

if TYPE_CHECKING:
    import torch

__all__: list[str] = []

ADJUSTMENT = 0.5
"""The power of a label's share of the rows that is taken off: 0 is best for accuracy, 1 where labels are equally
frequent in what is asked about. Half was best or nearly so on texts whose labels are as skewed as those of the rows."""


class SoftmaxObjective(Objective):
    """A code is the position of the class."""

    head = "softmax"
    learns_descriptions = True

    def __init__(self, labels: tuple[str, ...]) -> None:
        super().__init__(labels)
        self.decoder = SoftmaxDecoder(labels=labels)

    def first_decoder(self, _encoder: TextEncoder, rows: LabeledTexts, /) -> Decoder:
        return SoftmaxDecoder(labels=self.labels, offsets=_offsets(rows.targets, self.labels))

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

    def hyperparameters(self, _method: Method | None, /, *, has_few_rows: bool) -> Hyperparameters:
        return Hyperparameters(epochs=5, adversarial_size=0.1) if has_few_rows else Hyperparameters(epochs=2)

    def regression(self, features: Floats2d, encoded: EncodedRows, *, c: float, max_iterations: int) -> Head:
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
        settings: TrainingSettings,
        has_few_rows: bool,
        /,
    ) -> Head:
        """The regression with few rows, the class means with many."""
        if has_few_rows:
            return regression
        return class_mean_head(
            features,
            np.asarray(encoded.codes, dtype=np.int64),
            encoded.unit_weights,
            classes=len(self.labels),
            scale=settings.head_scale,
        )

    def loss(self, logits: "torch.Tensor", codes: "torch.Tensor") -> "torch.Tensor":
        from torch.nn import functional

        return functional.cross_entropy(logits, codes, reduction="none")

    def calibrated(self, logits: Floats2d, encoded: EncodedRows) -> Decoder:
        if len(encoded) < Reliability.LEAST_ROWS:
            return self.decoder
        temperature = fit_temperature(logits, np.asarray(encoded.codes, dtype=np.int64))
        return self.decoder.model_copy(update={"temperature": temperature})

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

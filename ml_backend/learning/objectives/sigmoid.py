"""Each label or not, per text: a cross-entropy per label."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...arrays import Bools, Codes, Floats, Floats2d, Ints
from ...domain.example import Target, label_of, parts_of
from ...domain.model import Method
from ...measuring.calibration import Reliability, fit_logistic
from ...models.bundle.head import Head
from ...models.decoders.base import Decoder
from ...models.decoders.sigmoid import SigmoidDecoder
from ...models.text.confidence import Logistic, log_odds
from ...models.text.tokenised import TokenisedTexts
from ..classification.pooled_regression import Loss
from ..classification.regression import fit_label_regressions
from ..classification.settings import Hyperparameters
from ..rows.encoded import EncodedRows
from .whole_texts import WholeTextObjective

if TYPE_CHECKING:
    import torch

__all__: list[str] = []

PRIOR_ROWS = 10.0
"""How many rows the threshold of all labels together counts for, against the rows that carry a label."""


class SigmoidObjective(WholeTextObjective):
    """A code is a line of 1 for the labels that were chosen and 0 for the others, shape (U, K)."""

    head = "sigmoid"

    def plain_decoder(self) -> SigmoidDecoder:
        return SigmoidDecoder(labels=self.labels, pooling=self.pooling, fields=self.fields)

    def why_unusable(self, targets: Sequence[Target]) -> str | None:
        if len(set(targets)) > 1:
            return None
        choices = ", ".join(map(label_of, parts_of(targets[0]))) or "none"
        return (
            f"all {len(targets)} train rows have the same choices, {choices}; wanted "
            "rows that differ: review more tasks and train again"
        )

    def codes(self, targets: Sequence[Target | None], _tokenised: TokenisedTexts, /) -> Codes:
        chosen = [frozenset(() if target is None else parts_of(target)) for target in targets]
        lines = [[label in labels for label in self.labels] for labels in chosen]
        return np.array(lines, dtype=np.float32).reshape(len(lines), len(self.labels))

    def strata(self, targets: Sequence[Target]) -> Ints:
        """The rarest label of each row; rows without a label are one more class."""
        chosen = [[label_of(part) for part in parts_of(target)] for target in targets]
        counts = Counter(label for own in chosen for label in own)
        index: dict[object, int] = {label: k for k, label in enumerate(self.labels)}
        return np.array(
            [index[min(own, key=lambda label: (counts[label], index[label]))] if own else len(index) for own in chosen],
            dtype=np.int64,
        )

    def hyperparameters(self, _method: Method | None, rows: int, /) -> Hyperparameters:
        """Without adversarial steps: they take as long again, and what they gained was within chance."""
        return Hyperparameters(epochs=5, regression_c=10.0).with_enough_steps(rows)

    def plain_regression(self, features: Floats2d, encoded: EncodedRows, *, c: float, max_iterations: int) -> Head:
        return fit_label_regressions(
            features,
            np.asarray(encoded.codes, dtype=np.bool_),
            encoded.unit_weights,
            c=c,
            max_iterations=max_iterations,
        )

    def pooled_loss(self, encoded: EncodedRows) -> Loss:
        chosen = np.asarray(encoded.codes, dtype=np.float64)

        def loss(logits: Floats) -> tuple[Floats, Floats]:
            losses = np.logaddexp(0.0, logits) - chosen * logits
            return losses.sum(axis=1), Logistic().of_log_odds(logits) - chosen

        return loss

    def loss(self, logits: "torch.Tensor", codes: "torch.Tensor") -> "torch.Tensor":
        from torch.nn import functional

        return functional.binary_cross_entropy_with_logits(logits, codes, reduction="none").sum(dim=1)

    def calibrated(self, logits: Floats2d, encoded: EncodedRows) -> Decoder:
        """A logistic map of all labels together, then thresholds on what it gives, then the same of whole answers."""
        decoder = self.plain_decoder()
        if len(encoded) < Reliability.LEAST_ROWS:
            return decoder
        chosen = np.asarray(encoded.codes, dtype=np.bool_)
        of_label = fit_logistic(logits.ravel().astype(np.float64), chosen.ravel())
        decoder = decoder.copy_with(slope=of_label.slope, offset=of_label.offset)
        probabilities = decoder.probabilities(logits)
        decoder = decoder.copy_with(thresholds=_thresholds(probabilities, chosen))
        raw, is_right = _whole(decoder, probabilities, chosen)
        of_task = fit_logistic(log_odds(raw), is_right)
        return decoder.copy_with(task_slope=of_task.slope, task_offset=of_task.offset)

    def reliability(self, decoder: Decoder, logits: Floats2d, encoded: EncodedRows) -> Reliability:
        if not isinstance(decoder, SigmoidDecoder):
            raise TypeError(f"{decoder} found; wanted the decoder of a sigmoid head")
        chosen = np.asarray(encoded.codes, dtype=np.bool_)
        raw, is_right = _whole(decoder, decoder.probabilities(logits), chosen)
        scores = [answer.score for answer in decoder.answers(logits, encoded.tokenised)]
        return Reliability(raw, np.array(scores, dtype=np.float64), is_right)


def _whole(decoder: SigmoidDecoder, probabilities: Floats, chosen: Bools) -> tuple[Floats, Bools]:
    """Raw confidence in whole answers, and which of them are right."""
    return decoder.joint(probabilities), (decoder.chosen(probabilities) == chosen).all(axis=1)


def _thresholds(probabilities: Floats, chosen: Bools) -> tuple[float, ...]:
    """Per label the threshold of its highest F1, drawn towards that of all labels together the rarer the label is.

    The best threshold of a handful of rows is mostly chance.
    """
    overall = _best_threshold(probabilities.ravel(), chosen.ravel())
    thresholds = []
    for k in range(chosen.shape[1]):
        rows = float(chosen[:, k].sum())
        own = _best_threshold(probabilities[:, k], chosen[:, k]) if rows else overall
        thresholds.append((rows * own + PRIOR_ROWS * overall) / (rows + PRIOR_ROWS))
    return tuple(thresholds)


def _best_threshold(probabilities: Floats, chosen: Bools) -> float:
    """In the middle between the two confidences that F1 is highest between; 0.5 without a chosen one."""
    if not chosen.any():
        return 0.5
    order = np.argsort(-probabilities, kind="stable")
    ranked = probabilities[order]
    hits = np.cumsum(chosen[order])
    f1 = 2 * hits / (np.arange(1, len(order) + 1) + chosen.sum())
    # A cut between equal confidences is none.
    is_cut = np.append(ranked[:-1] > ranked[1:], True)
    best = int(np.argmax(np.where(is_cut, f1, -1.0)))
    below = ranked[best + 1] if best + 1 < len(ranked) else 0.0
    return float((ranked[best] + below) / 2)

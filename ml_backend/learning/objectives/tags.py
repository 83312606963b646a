"""Which pieces of a text carry which label: cross-entropy over the tags of its words or tokens."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...arrays import Bools, Codes, Floats2d, Ints
from ...domain.example import Span, Target, spans_in
from ...domain.model import Method
from ...measuring.calibration import Reliability, fit_logistic, fit_temperature
from ...models.bundle.head import Head
from ...models.decoders.base import Decoder
from ...models.decoders.tags import TagsDecoder
from ...models.text.confidence import log_odds
from ...models.text.tokenised import TokenisedTexts
from ...models.text.torch_encoder import TextEncoder
from ...models.text.windows import Unit, stands_between_spaces, stands_on
from ...tasks.entities import without_overlaps
from ..classification.regression import fit_regression
from ..classification.settings import Hyperparameters
from ..rows.data import LabeledTexts
from ..rows.encoded import EncodedRows
from .base import Objective

if TYPE_CHECKING:
    import torch

__all__: list[str] = []

REGRESSION_ITERATIONS = 60
"""At most: at its end it is too sure of names that it has seen, and what is tuned from there finds fewer others."""
BIASES = np.arange(-1.0, 3.01, 0.25)
SPARED_F1 = 0.01
LEAST_SPANS = 20
"""With fewer spans in the held-out rows the balance of found and missed ones cannot be told from chance."""


class TagsObjective(Objective):
    """A code is a tag per unit: O, then B and I of each label in turn. Of spans that overlap one is learned.

    On what label sources propose for WNUT17, a tuned model reaches a strict F1 of .42, and the regression .34.
    """

    head = "tags"
    tunes_unseen = True

    def why_unusable(self, targets: Sequence[Target]) -> str | None:
        if any(targets):
            return None
        return f"none of the {len(targets)} train rows marks anything; wanted at least one span: review more tasks"

    def first_decoder(self, encoder: TextEncoder, rows: LabeledTexts, /) -> Decoder:
        """Return a decoder of words, unless people marked parts of words."""
        spans = [[(span.start, span.end) for span in spans_in(target)] for target in rows.targets]
        units = [Unit.PIECE] if stands_between_spaces(rows.texts, spans) else [Unit.WORD, Unit.MODEL_WORD]
        fitting = (unit for unit in units if stands_on(unit, encoder, rows.texts, spans))
        return TagsDecoder(labels=self.labels, unit=next(fitting, Unit.TOKEN))

    def codes(self, targets: Sequence[Target | None], tokenised: TokenisedTexts, /) -> Codes:
        index = {label: k for k, label in enumerate(self.labels)}
        codes = np.zeros(tokenised.units, dtype=np.int64)
        if tokenised.spans is None:
            return codes
        for target, start, end in zip(targets, tokenised.unit_starts[:-1], tokenised.unit_starts[1:], strict=True):
            codes[start:end] = tags_of(spans_in(target), tokenised.spans[start:end], index)
        return codes

    def strata(self, targets: Sequence[Target]) -> Ints:
        """The rarest label of each row; rows without a span are one more class."""
        counts = Counter(span.label for target in targets for span in spans_in(target))
        index = {label: k for k, label in enumerate(self.labels)}
        return np.array(
            [
                min(
                    (index[span.label] for span in spans_in(target)),
                    key=lambda k: (counts[self.labels[k]], k),
                    default=len(index),
                )
                for target in targets
            ],
            dtype=np.int64,
        )

    def hyperparameters(self, method: Method | None, rows: int, /) -> Hyperparameters:
        """Two passes of all weights, three of an adapter: further ones learn the names in many rows by heart."""
        return Hyperparameters(
            epochs=2 if method is Method.FULL else 3,
            lora_r=16,
            lora_alpha=32,
            adapter_learning_rate=1e-3,
            full_learning_rate=2e-4,
        ).with_enough_steps(rows)

    def regression(self, features: Floats2d, encoded: EncodedRows, *, c: float, max_iterations: int) -> Head:
        return fit_regression(
            features,
            np.asarray(encoded.codes, dtype=np.int64),
            encoded.unit_weights,
            classes=self.decoder.columns,
            c=c,
            max_iterations=min(max_iterations, REGRESSION_ITERATIONS),
        )

    def loss(self, logits: "torch.Tensor", codes: "torch.Tensor") -> "torch.Tensor":
        from torch.nn import functional

        return functional.cross_entropy(logits, codes, reduction="none")

    def calibrated(self, logits: Floats2d, encoded: EncodedRows) -> Decoder:
        """A temperature of tags, the bias of the highest strict F1, and logistic maps for spans and for whole texts."""
        decoder = self._tags_decoder()
        if len(encoded) < Reliability.LEAST_ROWS:
            return decoder
        codes = np.asarray(encoded.codes, dtype=np.int64)
        decoder = decoder.copy_with(temperature=fit_temperature(logits, codes))
        if sum(len(spans_in(target)) for target in encoded.rows.targets) >= LEAST_SPANS:
            decoder = decoder.copy_with(entity_bias=self._best_bias(decoder, logits, encoded))
        tagged = decoder.tagged(logits, encoded.tokenised)
        marks = [set(spans_in(target)) for target in encoded.rows.targets]
        pairs = [
            (score, span in truth) for (spans, _), truth in zip(tagged, marks, strict=True) for span, score in spans
        ]
        of_span = fit_logistic(
            log_odds(np.array([score for score, _ in pairs])),
            np.array([is_right for _, is_right in pairs], dtype=np.bool_),
        )
        of_task = fit_logistic(log_odds(np.array([joint for _, joint in tagged])), _exact(tagged, marks))
        return decoder.copy_with(
            span_slope=of_span.slope,
            span_offset=of_span.offset,
            task_slope=of_task.slope,
            task_offset=of_task.offset,
        )

    def reliability(self, decoder: Decoder, logits: Floats2d, encoded: EncodedRows) -> Reliability:
        answers = decoder.answers(logits, encoded.tokenised)
        tagged = self._tags_decoder().tagged(logits, encoded.tokenised)
        return Reliability(
            np.array([joint for _, joint in tagged], dtype=np.float64),
            np.array([answer.score for answer in answers], dtype=np.float64),
            np.array(
                [
                    set(spans_in(answer.target)) == set(spans_in(target))
                    for answer, target in zip(answers, encoded.rows.targets, strict=True)
                ],
                dtype=np.bool_,
            ),
        )

    def _best_bias(self, decoder: TagsDecoder, logits: Floats2d, encoded: EncodedRows) -> float:
        """The largest bias that costs next to no strict F1 here.

        New texts hold names that no row has shown, so a model that is balanced on rows like its own finds too few.
        """
        scores = {}
        for bias in BIASES.tolist():
            tagged = decoder.copy_with(entity_bias=bias).tagged(logits, encoded.tokenised)
            answers: list[Target] = [tuple(span for span, _ in spans) for spans, _ in tagged]
            scores[bias] = self.measure.score(self.measure.evaluate(encoded.rows.targets, answers))
        return max(bias for bias, score in scores.items() if score >= max(scores.values()) - SPARED_F1)

    def _tags_decoder(self) -> TagsDecoder:
        if not isinstance(self.decoder, TagsDecoder):
            raise TypeError(f"{self.decoder} found; wanted the decoder of a tags head")
        return self.decoder


def tags_of(spans: Sequence[Span], unit_spans: Ints, index: dict[str, int]) -> Ints:
    """A tag per unit, shape (T,), for the spans of a text.

    A unit belongs to a span that covers at least half of its characters; a span that covers no unit so far gets the
    one that it covers most of, unless another span has it. Spans that cover no unit at all are lost.

    Args:
        spans: that may overlap; see `without_overlaps`.
        unit_spans: characters of the text's units, in order, shape (T, 2).
        index: number of each label.
    """
    tags = np.full(len(unit_spans), TagsDecoder.OUTSIDE, dtype=np.int64)
    without_unit = []
    for span in sorted(without_overlaps(spans)):
        covered = np.minimum(unit_spans[:, 1], span.end) - np.maximum(unit_spans[:, 0], span.start)
        share = covered / np.maximum(unit_spans[:, 1] - unit_spans[:, 0], 1)
        own = np.flatnonzero((share >= 0.5) & (tags == TagsDecoder.OUTSIDE))
        if len(own):
            tags[own] = 2 * index[span.label] + 2
            tags[own[0]] -= 1
        elif len(share) and share.max() > 0:
            without_unit.append((span, int(share.argmax())))
    for span, nearest in without_unit:
        if tags[nearest] == TagsDecoder.OUTSIDE:
            tags[nearest] = 2 * index[span.label] + 1
    return tags


def _exact(tagged: Sequence[tuple[Sequence[tuple[Span, float]], float]], marks: Sequence[set[Span]]) -> Bools:
    return np.array(
        [{span for span, _ in spans} == truth for (spans, _), truth in zip(tagged, marks, strict=True)], dtype=np.bool_
    )

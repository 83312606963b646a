"""The options that a text offers in an order, or in buckets: regressions on choices, and on buckets."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from ...arrays import Codes, Floats2d, Ints
from ...domain.example import Bucket, Target
from ...measuring.calibration import Reliability, fit_temperature
from ...models.bundle.head import Head
from ...models.decoders.base import Decoder
from ...models.decoders.ranking import RankingDecoder
from ...models.text.offered import option_features, options_by_text
from ...models.text.tokenised import TokenisedTexts
from ...models.text.torch_encoder import TextEncoder
from ..classification.option_regression import fit_choices
from ..classification.regression import fit_regression
from ..rows.data import LabeledTexts
from ..rows.encoded import EncodedRows
from .option import OptionObjective

__all__: list[str] = []

UNORDERED = -1


class RankingObjective(OptionObjective):
    """A code is the number of the bucket and the place in there, from 0; -1 where there is no order, shape (U, 2)."""

    head = "ranking"

    def first_decoder(self, encoder: TextEncoder, rows: LabeledTexts, /) -> Decoder:  # noqa: ARG002 (the base's shape)
        return self._for(rows.targets)

    def codes(self, targets: Sequence[Target | None], tokenised: TokenisedTexts, /) -> Codes:
        codes = np.zeros((tokenised.units, 2), dtype=np.int64)
        for target, (names, own) in zip(targets, options_by_text(tokenised, codes), strict=True):
            places = dict(_places(target, self._buckets))
            own[:] = [places.get(name, (0, UNORDERED)) for name in names] if len(names) else own
        return codes

    def regression(self, features: Floats2d, encoded: EncodedRows, *, c: float, max_iterations: int) -> Head:
        own, codes = option_features(features, encoded.tokenised), np.asarray(encoded.codes, dtype=np.int64)
        orders = [(order, weight) for order, weight in self._orders(encoded) if len(order) > 1]
        choices = [order[first:] for order, _ in orders for first in range(len(order) - 1)]
        weights = [weight for order, weight in orders for _ in range(len(order) - 1)]
        head = fit_choices(own, choices, np.array(weights), c=c, max_iterations=max_iterations)
        if not self._buckets:
            return head
        count = len(self._buckets)
        placed = Head(np.zeros((count, own.shape[1]), dtype=np.float32), np.zeros(count, dtype=np.float32))
        if len(np.unique(codes[:, 0])) > 1:
            placed = fit_regression(
                own, codes[:, 0], encoded.unit_weights, classes=count, c=c, max_iterations=max_iterations
            )
        return Head(np.concatenate([head.weight, placed.weight]), np.concatenate([head.bias, placed.bias]))

    def calibrated(self, logits: Floats2d, encoded: EncodedRows) -> Decoder:
        """Temperatures of the order and of the buckets, and a logistic map of whole answers."""
        if len(encoded) < Reliability.LEAST_ROWS:
            return self.decoder
        decoder, codes = self.decoder, np.asarray(encoded.codes, dtype=np.int64)
        orders = [order for order, _ in self._orders(encoded)]
        pairs = np.array([(one, other) for order in orders for one, other in pairwise(order.tolist())])
        if len(pairs):
            temperature = fit_temperature(logits[:, 0][pairs], np.zeros(len(pairs), dtype=np.int64))
            decoder = decoder.copy_with(order_temperature=temperature)
        if self._buckets:
            decoder = decoder.copy_with(temperature=fit_temperature(logits[:, 1:], codes[:, 0]))
        return self.with_task_map(decoder, logits, encoded)

    def prepare(self, encoder: TextEncoder, rows: LabeledTexts) -> None:
        self._buckets = self._for(rows.targets).buckets
        super().prepare(encoder, rows)

    @staticmethod
    def _for(targets: Sequence[Target]) -> RankingDecoder:
        parts = (part for target in targets if isinstance(target, tuple) for part in target)
        return RankingDecoder(buckets=tuple(dict.fromkeys(part.name for part in parts if isinstance(part, Bucket))))

    def _orders(self, encoded: EncodedRows) -> Iterator[tuple[Ints, float]]:
        """Yield the numbers of options that people put in an order, the best first, with the weight of the row."""
        numbers, codes = np.arange(encoded.tokenised.units), np.asarray(encoded.codes, dtype=np.int64)
        texts = zip(options_by_text(encoded.tokenised, numbers), encoded.rows.weights.tolist(), strict=True)
        for (_, own), weight in texts:
            for bucket in range(max(len(self._buckets), 1)):
                among = own[(codes[own, 0] == bucket) & (codes[own, 1] != UNORDERED)]
                yield among[np.argsort(codes[among, 1])], weight


def _places(target: Target | None, buckets: Sequence[str]) -> Iterator[tuple[str, tuple[int, int]]]:
    """Yield the bucket and the place of each id."""
    parts = target if isinstance(target, tuple) else ()
    names = tuple(part for part in parts if isinstance(part, str))
    for bucket in [Bucket("", names), *(part for part in parts if isinstance(part, Bucket) and part.name in buckets)]:
        number = buckets.index(bucket.name) if bucket.name in buckets else 0
        for place, name in enumerate(bucket.ids):
            yield name, (number, UNORDERED if bucket.name == RankingDecoder.UNSORTED else place)

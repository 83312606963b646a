"""Objectives of heads that label whole texts: how long texts and several fields are learned from."""

from abc import abstractmethod

import numpy as np

from ...arrays import AnyFloats, Floats, Floats2d, Ints
from ...domain.field_texts import field_texts
from ...models.bundle.head import Head
from ...models.decoders.base import Decoder, WholeTextDecoder
from ...models.text.pooling import Pooling, piece_logits, pooled_features
from ...models.text.tokenised import TokenisedTexts
from ...models.text.torch_encoder import TextEncoder
from ..classification.pooled_regression import Loss, fit_pooled_regression
from ..rows.data import LabeledTexts
from ..rows.encoded import EncodedRows
from ..rows.folds import deal_out
from .base import Objective

__all__ = ["WholeTextObjective"]

FOLDS, LEAST_LONG_ROWS, MOST_LONG_ROWS, MOST_SHORT_ROWS = 3, 10, 600, 2000
FOLD_ITERATIONS = 100


class WholeTextObjective(Objective):
    """An objective whose units are texts.

    Attributes:
        fields: names of the fields that texts have, where they have several.
    """

    fields: tuple[str, ...] = ()

    @abstractmethod
    def plain_decoder(self) -> WholeTextDecoder:
        """The decoder before anything is calibrated, for the pooling and the fields as they are now."""

    @abstractmethod
    def plain_regression(self, features: Floats2d, encoded: EncodedRows, *, c: float, max_iterations: int) -> Head:
        """The head of a regression on one line of features per text, shape (N, D)."""

    @abstractmethod
    def pooled_loss(self, encoded: EncodedRows) -> Loss:
        """The loss of the texts' logits."""

    def first_bias(self, _encoded: EncodedRows, /) -> Floats:
        """Return the bias that the search for a head of pieces begins with, shape (K,)."""
        return np.zeros(len(self.labels))

    def first_decoder(self, _encoder: TextEncoder, rows: LabeledTexts, /) -> Decoder:
        names = dict.fromkeys(name for text in rows.texts for name in field_texts(text))
        names.pop("", None)
        self.fields = tuple(names) if len(names) > 1 else ()
        return self.plain_decoder()

    def settle_pooling(self, features: Floats2d, encoded: EncodedRows, *, c: float, seed: int) -> None:
        """Choose the pooling that answers held-out long rows better; with few of them it stays as it is."""
        self.pooling = self._better_pooling(features, encoded, c=c, seed=seed)
        self.decoder = self.plain_decoder()

    def regression(self, features: Floats2d, encoded: EncodedRows, *, c: float, max_iterations: int) -> Head:
        tokenised = encoded.tokenised
        if self.pooling is Pooling.MEAN or not tokenised.has_windows:
            return self.plain_regression(
                pooled_features(features, tokenised), encoded, c=c, max_iterations=max_iterations
            )
        return fit_pooled_regression(
            features,
            tokenised,
            self.pooled_loss(encoded),
            encoded.unit_weights,
            first_bias=self.first_bias(encoded),
            c=c,
            max_iterations=max_iterations,
        )

    def piece_weights(self, regression: Head, features: Floats2d, tokenised: TokenisedTexts) -> AnyFloats | None:
        if self.pooling is Pooling.MEAN:
            return None
        return np.asarray(piece_logits(regression.weight, features, tokenised).max(axis=1))

    def sample_for_regression(self, encoded: EncodedRows, rng: np.random.Generator, /, *, kept: int = 0) -> Ints:
        if not encoded.tokenised.has_windows:
            return np.arange(len(encoded))
        return super().sample_for_regression(encoded, rng, kept=kept)

    def _better_pooling(self, features: Floats2d, encoded: EncodedRows, *, c: float, seed: int) -> Pooling:
        tokenised = encoded.tokenised
        sizes = np.diff(tokenised.piece_starts)
        fields_per_text = np.bincount(tokenised.groups[1], minlength=len(encoded))
        rng = np.random.default_rng(seed)
        long, short = np.flatnonzero(sizes > fields_per_text), np.flatnonzero(sizes <= fields_per_text)
        if len(long) < LEAST_LONG_ROWS:
            return Pooling.MEAN
        long = np.sort(rng.permutation(long)[:MOST_LONG_ROWS])
        short = np.sort(rng.permutation(short)[:MOST_SHORT_ROWS])
        number_of = deal_out(self.strata([encoded.rows.targets[i] for i in long]), FOLDS, rng)
        scores: dict[Pooling, float] = {}
        for pooling in Pooling:
            self.pooling = pooling
            logits = np.zeros((len(long), self.decoder.columns), dtype=np.float32)
            for number in range(FOLDS):
                train = np.concatenate([long[number_of != number], short])
                scored = long[number_of == number]
                if len(scored) and self.why_unusable([encoded.rows.targets[i] for i in train]) is None:
                    head = self.regression(
                        features[tokenised.pieces_of(train)], encoded.take(train), c=c, max_iterations=FOLD_ITERATIONS
                    )
                    logits[number_of == number] = self.plain_decoder().logits(
                        head, features[tokenised.pieces_of(scored)], tokenised.take(scored)
                    )
            scores[pooling] = self.measure.score(self.evaluation(logits, encoded.take(long)))
        return max(scores, key=lambda pooling: scores[pooling])

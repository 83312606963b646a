"""The base class of objectives, and how they are found."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ...arrays import AnyFloats, Codes, Floats2d, Ints
from ...domain.example import Target
from ...domain.model import Method
from ...measuring.calibration import Reliability
from ...measuring.evaluation import Evaluation
from ...measuring.measures.base import LabelMeasure
from ...models.bundle.head import Head
from ...models.decoders.base import Decoder
from ...models.text.pooling import Pooling
from ...models.text.tokenised import TokenisedTexts
from ...models.text.torch_encoder import TextEncoder
from ...plugins import classes_in
from ..classification.settings import Hyperparameters
from ..rows.data import LabeledTexts
from ..rows.encoded import EncodedRows

if TYPE_CHECKING:
    import torch

__all__ = ["Objective"]

MOST_PIECES = 200_000
"""Pieces of texts whose frozen vectors are held at a time: 300 MB at 384 numbers each."""


class Objective(ABC):
    """How a kind of head is learned.

    Args:
        labels: stored values of the control, in the order of the label config.

    Attributes:
        head: the kind of head.
        learns_descriptions: whether names and hints of labels are learned from as texts.
        is_tuned: whether a tuned base model is tried as well; else the head is a regression, whatever was asked for.
        tunes_unseen: with AUTO the base model is tuned even where nobody has labeled a row to choose a method by.
        pooling: how the pieces of a long text decide together, where units are whole texts.
        decoder: how the head is read as long as nothing is calibrated; there from `prepare` on.
    """

    head: ClassVar[str]
    learns_descriptions: ClassVar[bool] = False
    is_tuned: ClassVar[bool] = True
    tunes_unseen: ClassVar[bool] = False
    pooling: Pooling = Pooling.MEAN
    decoder: Decoder

    def __init__(self, labels: tuple[str, ...]) -> None:
        self.labels = labels

    @cached_property
    def measure(self) -> LabelMeasure:
        """The measure that methods and versions are compared by."""
        return LabelMeasure.of(self.head)

    def prepare(self, encoder: TextEncoder, rows: LabeledTexts) -> None:
        """Settle how texts are read, by the rows that are to be learned."""
        self.decoder = self.first_decoder(encoder, rows)

    @abstractmethod
    def first_decoder(self, encoder: TextEncoder, rows: LabeledTexts, /) -> Decoder:
        """The decoder before anything is calibrated."""

    @abstractmethod
    def why_unusable(self, targets: Sequence[Target]) -> str | None:
        """None where a head can be learned from rows with these answers, else why not, as a sentence."""

    @abstractmethod
    def codes(self, targets: Sequence[Target | None], tokenised: TokenisedTexts, /) -> Codes:
        """Return the answers to learn per unit; anything for a row without an answer, which must not be learned."""

    @abstractmethod
    def strata(self, targets: Sequence[Target]) -> Ints:
        """A class per row, by which rows are dealt out over folds evenly."""

    @abstractmethod
    def hyperparameters(self, method: Method | None, rows: int, /) -> Hyperparameters:
        """Return what trains this head well unless the settings say otherwise.

        Args:
            method: how the base model is tuned; None: it is not.
            rows: how many rows are learned from.
        """

    @abstractmethod
    def regression(self, features: Floats2d, encoded: EncodedRows, *, c: float, max_iterations: int) -> Head:
        """The head of a regression on features of the encoded rows' pieces, shape (P, D)."""

    def first_head(
        self,
        regression: Head,
        _features: Floats2d,
        _encoded: EncodedRows,
        _scale: float,
        /,
    ) -> Head:
        """Return the head that a tuned model starts from: here, the regression on the same rows.

        Args:
            _scale: the hyperparameter `head_scale`.
        """
        return regression

    @abstractmethod
    def loss(self, logits: "torch.Tensor", codes: "torch.Tensor") -> "torch.Tensor":
        """Per unit, shape (U,)."""

    @abstractmethod
    def calibrated(self, logits: Floats2d, encoded: EncodedRows) -> Decoder:
        """The decoder fitted on held-out rows; what too few of them cannot tell stays as it was.

        Args:
            logits: of the encoded rows' units, of a model that was not trained on them.
        """

    @abstractmethod
    def reliability(self, decoder: Decoder, logits: Floats2d, encoded: EncodedRows) -> Reliability:
        """How confident the decoder's answers to the rows are, and which of them are right."""

    def encode(self, encoder: TextEncoder, rows: LabeledTexts) -> EncodedRows:
        """The rows as the head learns them."""
        tokenised = self.decoder.tokenise(encoder, rows.texts)
        return EncodedRows(rows, tokenised, self.codes(rows.targets, tokenised))

    def evaluation(self, logits: Floats2d, encoded: EncodedRows) -> Evaluation:
        """Metrics of logits on the encoded rows, read as well as these rows allow."""
        answers = self.calibrated(logits, encoded).answers(logits, encoded.tokenised)
        return self.measure.evaluate(encoded.rows.targets, [answer.target for answer in answers], self.labels)

    def settle_pooling(self, _features: Floats2d, _encoded: EncodedRows, /, *, c: float, seed: int) -> None:  # noqa: B027
        """Choose the pooling by features of the rows' pieces, where units are texts of several pieces.

        Args:
            c: of the regression.
            seed: of the folds that it is chosen on.
        """

    def piece_weights(self, _regression: Head, _features: Floats2d, _tokenised: TokenisedTexts, /) -> AnyFloats | None:
        """Return how much every piece of the texts tells, shape (P,); None: all alike."""
        return None

    def sample_for_regression(self, encoded: EncodedRows, rng: np.random.Generator, /, *, kept: int = 0) -> Ints:
        """Rows that frozen features are computed of: all, or as many as fit into memory.

        Args:
            kept: the last so many rows are among them.
        """
        return encoded.sample(MOST_PIECES, rng, kept=kept)

    @staticmethod
    def of(head: str, labels: tuple[str, ...]) -> "Objective":
        """A new objective for a kind of head.

        Raises:
            KeyError: the head is not a linear one.
        """
        return classes_in(__package__, Objective, "head")[head](labels)

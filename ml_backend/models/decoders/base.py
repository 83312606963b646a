"""The base class of decoders, and how they are found."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from ...arrays import Floats2d
from ...domain.example import Target
from ...domain.field_texts import readable_text
from ...domain.model import ScoredTarget
from ...plugins import classes_in
from ..base.stored_facts import StoredFacts
from ..bundle.head import Head
from ..text.encoder import Encoder
from ..text.pooling import Pooling, pooled_logits
from ..text.tokenised import TokenisedTexts

__all__ = ["AnyDecoder", "Decoder", "WholeTextDecoder", "decoder_of"]

LARGEST = 1e6
"""The largest value that is accepted, far above any that calibration fits; above it, computing probabilities fails."""

Labels = Annotated[tuple[str, ...], Field(strict=False)]  # JSON holds them as a list


class AnyDecoder(StoredFacts, ABC):
    """How the answers of one control's head come about. Its fields are JSON values that stand in the bundle.

    Attributes:
        head: the kind of head; a task kind names it.
        is_written: True where a language model writes the answers; else a linear head's logits are decoded.
        is_one_label: True where an answer is exactly one of the labels.
        is_named: True where how close a text is to the labels' names tells something before anything is trained.
    """

    head: ClassVar[str]
    is_written: ClassVar[bool] = False
    is_one_label: ClassVar[bool] = False
    is_named: ClassVar[bool] = False

    @property
    @abstractmethod
    def known_labels(self) -> Sequence[str]:
        """The labels that answers are made of; none where they are written."""

    @classmethod
    def answer_named(cls, label: str) -> Target:
        """Return the answer that naming one label amounts to."""
        return label

    @property
    def reads_beginning_alone(self) -> bool:
        """True for versions that read no more of a text than one sequence holds; new ones are none of these."""
        return False

    @property
    def writer(self) -> str:
        """Name of the base model that writes the answers; "" where none does."""
        return ""


class Decoder(AnyDecoder):
    """How a linear head's logits become answers. Besides the labels, its fields are what calibration fits.

    Attributes:
        labels: stored values of the control, in the order of the label config; none where numbers are answered.
    """

    labels: Labels

    @property
    def known_labels(self) -> Sequence[str]:
        return self.labels

    @property
    @abstractmethod
    def columns(self) -> int:
        """Logits per unit."""

    def features(self, width: int) -> int:
        """The number of features that the head reads, for vectors of an encoder of this width."""
        return width

    def likeness(self, _features: Floats2d, _logits: Floats2d, _tokenised: TokenisedTexts, /) -> Floats2d | None:
        """Return what tells how well texts fit the labels, shape (N, D + 1); None where nothing does.

        It is a vector of length 1 per text, to be compared with those of train rows, and then its greatest logit. D is
        0 where the logit alone tells.

        Args:
            _features: of the tokenised texts' pieces; `_logits` of their units.
        """
        return None

    @abstractmethod
    def tokenise(self, encoder: Encoder, texts: Sequence[str]) -> TokenisedTexts:
        """Tokenise texts and say which units of them the head answers."""

    def logits(self, head: Head, features: Floats2d, _tokenised: TokenisedTexts, /) -> Floats2d:
        """Logits per unit, shape (U, columns), from the features of the tokenised texts' pieces."""
        return head.logits(features)

    @abstractmethod
    def answers(self, logits: Floats2d, tokenised: TokenisedTexts, /) -> list[ScoredTarget]:
        """One answer per tokenised text, in order.

        Args:
            logits: shape (units, columns).
        """

    @property
    def numbers(self) -> dict[str, float]:
        """The fitted numbers by name, as a run logs them."""
        return {name: value for name, value in self if isinstance(value, float)}

    @model_validator(mode="after")
    def _check_values(self) -> Self:
        if not self.labels or len(set(self.labels)) < len(self.labels):
            raise ValueError(
                f"labels: {len(self.labels)} labels found, {len(set(self.labels))} different ones; wanted each once"
            )
        for name, value in self.numbers.items():
            least = 1 / LARGEST if name == "temperature" else -LARGEST
            # Written so that NaN fails, since no comparison with NaN is true.
            if not least <= value <= LARGEST:
                raise ValueError(f"{name}: {value} found; wanted a number from {least:g} to {LARGEST:g}")
        return self


class WholeTextDecoder(Decoder):
    """How a head that labels whole texts reads them.

    Attributes:
        pooling: how the pieces of a long text decide together; None: the beginning of a text alone is read, as versions
            from before this was known do.
        fields: names of the fields that are read one by one, where texts hold several; see `join_fields`.
    """

    pooling: Annotated[Pooling | None, Field(strict=False)] = None
    fields: Annotated[tuple[str, ...], Field(strict=False)] = ()

    @property
    def reads_beginning_alone(self) -> bool:
        return self.pooling is None

    def features(self, width: int) -> int:
        return max(len(self.fields), 1) * width

    def tokenise(self, encoder: Encoder, texts: Sequence[str]) -> TokenisedTexts:
        if self.pooling is None:
            return TokenisedTexts.whole(encoder.tokenise([readable_text(text) for text in texts]))
        return encoder.read(texts, self.fields)

    def logits(self, head: Head, features: Floats2d, tokenised: TokenisedTexts, /) -> Floats2d:
        return pooled_logits(head, features, tokenised, self.pooling or Pooling.MEAN)


def decoder_of(head: str) -> type[AnyDecoder]:
    """The decoder for a kind of head.

    Raises:
        KeyError: there is no such head.
    """
    return classes_in(__package__, AnyDecoder, "head")[head]

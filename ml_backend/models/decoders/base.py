"""What a readout provides, and how it is found."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Self

from ...arrays import Floats2d
from ...domain.model import HeadKind, ScoredTarget
from ...errors import BundleError
from ...plugins import classes_in
from ..base.stored_facts import EXACT, facts_of
from ..text.encoder import Encoder
from ..text.tokenised import TokenisedTexts

__all__ = ["Decoder", "decoder_from_json", "decoder_of"]

LARGEST = 1e6
"""The largest value that is accepted, far above any that calibration fits; above it, computing probabilities fails."""


@dataclass(frozen=True, slots=True)
class Decoder(ABC):
    """How one control's linear head is read. Its fields are JSON values: they are what calibration fits.

    Attributes:
        head: the kind that it reads.
        labels: stored values of the control, in the order of the label config.
    """

    __pydantic_config__ = EXACT

    head: ClassVar[HeadKind]
    labels: tuple[str, ...]

    @property
    @abstractmethod
    def columns(self) -> int:
        """Logits per unit."""

    @property
    def added_features(self) -> int:
        """The number of features per unit in addition to the encoder's."""
        return 0

    @abstractmethod
    def reading(self, encoder: Encoder, texts: Sequence[str]) -> TokenisedTexts:
        """What the head reads of the texts."""

    @abstractmethod
    def answers(self, logits: Floats2d, reading: TokenisedTexts, /) -> list[ScoredTarget]:
        """One answer per text of the reading, in order.

        Args:
            logits: shape (units, columns).
        """

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Make the readout from the document that `to_json` returned.

        Raises:
            ValueError: a value is missing, unknown, of another type or not finite.
        """
        return facts_of(cls, document)

    def __post_init__(self) -> None:
        if not self.labels or len(set(self.labels)) < len(self.labels):
            raise ValueError(
                f"{len(self.labels)} labels found, {len(set(self.labels))} different ones; wanted each once"
            )
        numbers = {name: value for name, value in asdict(self).items() if isinstance(value, float)}
        for name, value in numbers.items():
            least = 1 / LARGEST if name == "temperature" else -LARGEST
            if not least <= value <= LARGEST:
                raise ValueError(f"{name}: {value} found; wanted a number from {least:g} to {LARGEST:g}")


def decoder_of(head: HeadKind) -> type[Decoder]:
    """The readout for a kind of head.

    Raises:
        KeyError: the head is not a linear one.
    """
    return classes_in(__package__, Decoder, "head")[head]


def decoder_from_json(head: HeadKind, document: Mapping[str, Any]) -> Decoder:
    """The readout that a bundle describes.

    Raises:
        BundleError: it does not describe one.
    """
    try:
        return decoder_of(head).from_json(document)
    except (KeyError, ValueError) as error:
        raise BundleError(f"the readout of a {head} head cannot be read ({error}); train again") from error

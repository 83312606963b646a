"""One of the labels per text."""

from collections.abc import Sequence
from dataclasses import dataclass

from ...arrays import Floats2d
from ...domain.model import HeadKind, ScoredTarget
from ..text.confidence import confidences
from ..text.encoder import Encoder
from ..text.tokenised import TokenisedTexts, whole_texts
from .base import Decoder

__all__ = ["SoftmaxDecoder"]


@dataclass(frozen=True, slots=True)
class SoftmaxDecoder(Decoder):
    """The likeliest label.

    Attributes:
        temperature: the logits are divided by it before the softmax.
    """

    head = HeadKind.SOFTMAX
    temperature: float = 1.0

    @property
    def columns(self) -> int:
        return len(self.labels)

    def reading(self, encoder: Encoder, texts: Sequence[str]) -> TokenisedTexts:
        return whole_texts(encoder.tokenise(texts))

    def answers(self, logits: Floats2d, _reading: TokenisedTexts, /) -> list[ScoredTarget]:
        found = []
        for row in confidences(logits, self.temperature):
            best = int(row.argmax())
            found.append(
                ScoredTarget(self.labels[best], float(row[best]), dict(zip(self.labels, map(float, row), strict=True)))
            )
        return found

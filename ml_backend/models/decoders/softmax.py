"""One of the labels per text."""

from ...arrays import Floats2d
from ...domain.example import Part
from ...domain.model import ScoredTarget
from ..text.confidence import confidences
from ..text.tokenised import TokenisedTexts
from .base import WholeTextDecoder

__all__ = ["SoftmaxDecoder"]


class SoftmaxDecoder(WholeTextDecoder):
    """The likeliest label.

    Attributes:
        temperature: the logits are divided by it before the softmax.
    """

    head = "softmax"
    is_one_label = True
    temperature: float = 1.0

    @property
    def columns(self) -> int:
        return len(self.labels)

    def answers(self, logits: Floats2d, _tokenised: TokenisedTexts, /) -> list[ScoredTarget]:
        answers = []
        for row in confidences(logits, self.temperature):
            best = int(row.argmax())
            scores: dict[Part, float] = dict(zip(self.labels, map(float, row), strict=True))
            answers.append(ScoredTarget(self.labels[best], float(row[best]), scores))
        return answers

"""Choose where the answer is the least likely to be right."""

from ...arrays import Floats
from ..pool import ExpectedAnswers
from .base import UncertaintyStrategy

__all__: list[str] = []


class LeastConfidenceStrategy(UncertaintyStrategy):
    """Source: Lewis and Gale 1994; of spans and responses by their words, as in Shen et al. 2018."""

    name = "least_confidence"

    def doubts(self, answers: ExpectedAnswers) -> Floats:
        return 1.0 - answers.confidence

"""Choose where many answers are nearly as likely."""

from ...arrays import Floats
from ..pool import ExpectedAnswers
from .base import UncertaintyStrategy

__all__: list[str] = []


class EntropyStrategy(UncertaintyStrategy):
    """Source: Shannon 1948; summed over the labels where several may be chosen."""

    name = "entropy"
    needs_labels = True

    def doubts(self, answers: ExpectedAnswers) -> Floats:
        return answers.entropy

"""Choose where two answers are nearly as likely."""

from ...arrays import Floats
from ..pool import ExpectedAnswers
from .base import UncertaintyStrategy

__all__: list[str] = []


class MarginStrategy(UncertaintyStrategy):
    """Source: Scheffer, Decomain and Wrobel 2001; per label where several may be chosen."""

    name = "margin"
    needs_labels = True

    def doubts(self, answers: ExpectedAnswers) -> Floats:
        return 1.0 - answers.margin

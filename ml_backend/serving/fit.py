"""Answers that also say how well texts fit the labels."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from ..domain.model import ScoredTarget
from ..models.bundle.bundle import Bundle
from ..models.text.classifier import TextClassifier

if TYPE_CHECKING:
    from ..measuring.novelty import Novelty

__all__ = ["FittingClassifier"]


@dataclass(frozen=True, eq=False)
class FittingClassifier:
    """The model of a bundle's part, with what compares texts with those that it knows; that is read when first needed.

    Attributes:
        position: of the part.
    """

    model: TextClassifier
    bundle: Bundle
    position: int

    def answers(self, texts: Sequence[str]) -> list[ScoredTarget]:
        """One answer per text, in order, each with its `fit` where the version can tell it.

        Raises:
            BundleError: what compares texts cannot be read.
        """
        answers, likeness = self.model.answers_and_likeness(texts)
        if self._novelty is None or likeness is None:
            return answers
        fits = self._novelty.p_values(likeness).tolist()
        return [replace(answer, fit=fit) for answer, fit in zip(answers, fits, strict=True)]

    def nearest(self, text: str, count: int) -> list[tuple[int, float]]:
        """Key and cosine of the train rows that are nearest to a text; none where the version keeps none.

        Raises:
            BundleError: they cannot be read.
        """
        known = self.bundle.known_texts(self.position)
        if known is None or not len(known.keys):
            return []
        _, likeness = self.model.answers_and_likeness([text])
        return [] if likeness is None else known.nearest(likeness[:, :-1], count)

    @cached_property
    def _novelty(self) -> "Novelty | None":
        known = self.bundle.known_texts(self.position)
        if known is None:
            return None
        from ..measuring.novelty import Novelty

        return Novelty(known.vectors, known.codes, known.gaps, known.held_out)

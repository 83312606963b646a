"""Answers that also say how well texts fit the labels."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from ..arrays import Floats, Floats2d
from ..domain.model import ScoredTarget
from ..models.bundle.bundle import Bundle
from ..models.text.classifier import TextClassifier

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
        if self._p_values is None or likeness is None:
            return answers
        fits = self._p_values(likeness).tolist()
        return [replace(answer, fit=fit) for answer, fit in zip(answers, fits, strict=True)]

    @cached_property
    def _p_values(self) -> Callable[[Floats2d], Floats] | None:
        known = self.bundle.known_texts(self.position)
        if known is None:
            return None
        from ..measuring.novelty import Novelty, p_values

        if not len(known.vectors):
            return lambda likeness: p_values(-likeness[:, 0], -known.held_out[:, 0])
        return Novelty(known.vectors, known.codes, known.held_out).p_values

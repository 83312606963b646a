"""The form in which an audit gets the predictions that it judges answers by."""

from dataclasses import dataclass

from ..arrays import AnyFloats, Bools, Codes
from ..domain.label_config import Control
from ..models.text.tokenised import TokenisedTexts

__all__ = ["OutOfSamplePredictions"]


@dataclass(frozen=True, slots=True, eq=False)
class OutOfSamplePredictions:
    """Out-of-sample predictions for one control, beside what people answered.

    A unit is what the control's head answers: a row's whole text, or a word of it where pieces of texts are labeled.

    Attributes:
        head: how the control is answered.
        probabilities: per unit, shape (U, K): of each class, of each label by itself, or of each tag. Where no model
            could be trained, the shares of all answers stand instead.
        codes: what people answered, per unit, as the head's objective has it; anything where the row is not usable.
        texts: the rows' texts with their units; None for a head that answers whole texts will do.
        is_usable: which rows have an answer that can be learned from, shape (N,); None: all.
    """

    control: Control
    head: str
    probabilities: AnyFloats
    codes: "Codes | None" = None
    texts: TokenisedTexts | None = None
    is_usable: Bools | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The labels, in the order of the columns."""
        return self.control.label_values

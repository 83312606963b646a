"""What models say of the answers to one control: the form in which an audit is given it."""

from dataclasses import dataclass

import numpy as np

from ..arrays import AnyFloats, Ints
from ..domain.example import Target, label_of, parts_of
from ..domain.label_config import Control
from ..domain.model import HeadKind
from ..models.text.tokenised import TokenisedTexts

__all__ = ["OutOfSamplePredictions", "Tagging"]


@dataclass(frozen=True, slots=True, eq=False)
class Tagging:
    """The words or tokens of the rows' texts.

    Attributes:
        reading: of all rows.
        codes: the tag that people gave each of its units, shape (U,): 0 outside, then begin and inside of each label.
    """

    reading: TokenisedTexts
    codes: Ints


@dataclass(frozen=True, slots=True, eq=False)
class OutOfSamplePredictions:
    """What models say that were not trained on the rows.

    Attributes:
        head: how the control is answered: one label, several, or pieces of the text.
        probabilities: a line per row and a column per label of the control, shape (N, K): of each class, or of each
            label by itself; for pieces of the text a line per unit of the tagging and a column per tag,
            shape (U, 2K + 1). None: there is no model.
        tagging: None unless pieces of the text are labeled.
    """

    control: Control
    head: str
    probabilities: AnyFloats | None = None
    tagging: Tagging | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The labels, in the order of the columns."""
        return self.control.label_values

    def preference(self, position: int, own: Target, other: Target) -> float | None:
        """How likely the first answer to a row is where it must be one of the two; None where that cannot be told."""
        column = {name: k for k, name in enumerate(self.names)}
        one, two = ({label_of(part) for part in parts_of(target)} for target in (own, other))
        if self.probabilities is None or self.head is HeadKind.TAGS or not one | two <= column.keys():
            return None
        line = self.probabilities[position].astype(np.float64)
        likely, contrary = 1.0, 1.0
        for name in one ^ two:
            in_first, in_second = (name in one), (name in two)
            chance = float(line[column[name]])
            if self.head is HeadKind.SOFTMAX:
                likely, contrary = (chance, contrary) if in_first else (likely, chance)
            else:
                likely *= chance if in_first else 1 - chance
                contrary *= chance if in_second else 1 - chance
        return likely / (likely + contrary) if likely + contrary > 0 else None

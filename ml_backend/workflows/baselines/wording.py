"""Say in plain words what a prompted model and one that learned from labels cost beside each other."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from ...measuring.break_even import cheaper_from
from ...options import PREFIX
from ..reporting.forecast import LabelPrice

__all__ = ["Verdict"]

DIGITS = 4


class Verdict(NamedTuple):
    """A prompted model beside the best one that learned from labels.

    Attributes:
        prompted, trained: their figures.
        labels: train rows that the trained model learned from.
        price: of a label.
    """

    prompted: Mapping[str, Any]
    trained: Mapping[str, Any]
    labels: int
    price: LabelPrice

    def to_json(self, difference: tuple[float, float, float], metric: str) -> dict[str, Any]:
        """Return from how many texts the trained model is cheaper, and a sentence on score and price.

        `cheaper_from` is 0 where it is at once, and None where it never is or a price is not known; `is_priced` tells
        these two apart.

        Args:
            difference: score of the prompted model less that of the other: lower end, value and upper end.
        """
        volume = self.volume
        return {
            "compared_with": self.trained["name"],
            "difference": [round(each, DIGITS) for each in difference],
            "is_priced": volume is not None,
            "cheaper_from": None if volume is None or math.isinf(volume) else volume,
            "sentence": f"{self._score_words(difference, metric)} {self._price_words()}",
        }

    @property
    def volume(self) -> float | None:
        """Texts from which the trained model is cheaper; infinity: never; None: a price is not known."""
        own, other = self.trained["per_thousand"]["price"], self.prompted["per_thousand"]["price"]
        # Examples are taken from the same labels, so these are paid for either way.
        once = 0.0 if self.prompted["examples"] else self.price.price(self.labels)
        return None if other is None or once is None else cheaper_from(once, own or 0.0, other)

    def _score_words(self, difference: tuple[float, float, float], metric: str) -> str:
        low, middle, high = (100 * each for each in difference)
        name = self.trained["name"]
        if low > 0:
            result = f"is surely better than the {name}"
        elif high < 0:
            result = f"is surely worse than the {name}"
        else:
            result = f"cannot be told from the {name} by these rows"
        count = self.prompted["examples"]
        shown = "1 example" if count == 1 else f"{count} examples"
        return (
            f"With {shown} the prompted model {result} ({middle:+.1f} points of {metric}, {low:+.1f} to {high:+.1f})."
        )

    def _price_words(self) -> str:
        own, other = self.trained["per_thousand"]["price"] or 0.0, self.prompted["per_thousand"]["price"]
        if other is None:
            return (
                f"What it costs is not known: set {PREFIX}PROMPT_INPUT_PRICE and {PREFIX}PROMPT_OUTPUT_PRICE, or for a "
                f"server of your own {PREFIX}MACHINE_HOUR_PRICE."
            )
        each = f"1,000 texts cost {self._money(other)} by prompt and {self._money(own)} by the {self.trained['name']}"
        return f"{each}; {self._labels_words()}, so {self._volume_words()}."

    def _labels_words(self) -> str:
        labels = f"{self.labels:,} labels"
        if self.prompted["examples"]:
            return f"the examples are taken from the same {labels}, which both need"
        cost = self.price.price(self.labels)
        if cost is not None:
            return f"the {labels} that this one learned from cost {self._money(cost)} once"
        is_measured = self.price.hours(self.labels) is not None
        why = f"set {PREFIX}EXPERT_HOUR_PRICE" if is_measured else "nobody measured how long they took"
        return f"the price of the {labels} that this one learned from is not known ({why})"

    def _volume_words(self) -> str:
        volume = self.volume
        if volume is None:
            return "from how many texts on fine-tuning is cheaper is open"
        if math.isinf(volume):
            return "fine-tuning is never cheaper"
        return f"fine-tuning is cheaper from {f'{volume:,.0f} texts' if volume else 'the first text'} on"

    def _money(self, value: float) -> str:
        shown = f"{value:,.2f}" if value >= 1 or value == 0 else f"{value:.2g}"
        return f"{shown} {self.price.options.currency}"

"""Numbers: `<Number>` on `<Text>`."""

import math
from collections.abc import Sequence

from ..domain.annotation import Region
from ..domain.example import Target
from ..domain.label_config import Control
from ..domain.model import ScoredTarget
from .base import GivenAnswer, TaskKind
from .numbers import given_number, middle_number

__all__: list[str] = []

LIMITS = ("min", "max", "step", "defaultvalue")
NEAR = 0.05
"""Numbers of annotators are near one another where they differ by at most this share of the greater one."""


class Number(TaskKind):
    """A number per text. A target is that number.

    The editor stores a `defaultValue` that nobody touched as if it had been given: such controls teach nothing.
    """

    name = "number"
    head = "number"
    rates = True
    example = "<Number>"

    def refusal(self, control: Control) -> str | None:
        if control.tag != "Number":
            return "is not <Number>"
        if control.attributes.get("defaultvalue"):
            return "has a defaultValue, which Label Studio stores where nobody entered a number; take it away"
        given = {name: control.attributes[name] for name in LIMITS if control.attributes.get(name)}
        if wrong := [f'{name}="{value}"' for name, value in given.items() if math.isnan(_limit(value))]:
            return f"has {', '.join(wrong)}, and wanted is a number"
        least, most, step = _limits(control)
        if least > most or step < 0:
            return f"allows numbers from {least:g} to {most:g} in steps of {step:g}, and there are none"
        return None

    def read(self, control: Control, result: Sequence[Region], text: str) -> GivenAnswer:  # noqa: ARG002 (the base's shape)
        return given_number(control, result, "number")

    def write(self, control: Control, answer: ScoredTarget, text: str) -> list[Region]:  # noqa: ARG002 (the base's shape)
        """Return the region of the nearest number that the config allows, for Label Studio refuses others at Submit."""
        if not isinstance(answer.target, int | float):
            return []
        number = _allowed(float(answer.target), control)
        if not math.isfinite(number):
            return []
        value = {"number": int(number) if number.is_integer() else number}
        ends = sorted(end for end in answer.scores if isinstance(end, int | float))
        # The editor shows no interval; it keeps what stands in `meta`, so exports hold it.
        meta = {"meta": {"interval": [ends[0], ends[-1]]}} if ends else {}
        return [self.region(control, "number", value, answer.score, **meta)]

    def labels_in(self, target: Target) -> tuple[str, ...]:  # noqa: ARG002 (numbers have none)
        return ()

    def resolve(self, votes: Sequence[Target]) -> Target | None:
        """Return the middle number where more than half of the annotators gave it or one near it."""
        return middle_number(votes, lambda one, other: abs(one - other) <= NEAR * max(abs(one), abs(other)))


def _allowed(number: float, control: Control) -> float:
    least, most, step = _limits(control)
    number = min(max(number, least), most)
    if not step:
        return number
    start = least if math.isfinite(least) else 0.0
    count = round((number - start) / step)
    count -= start + count * step > most + step * 1e-9
    return float(f"{start + count * step:.12g}")


def _limits(control: Control) -> tuple[float, float, float]:
    """Return the least and the greatest number, and the step, 0 where there is none."""
    least, most, step = (control.attributes.get(name) for name in ("min", "max", "step"))
    return _limit(least or "-inf"), _limit(most or "inf"), _limit(step or "0")


def _limit(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan

"""How well a text fits the labels of a project, as a p-value, and from where on it fits none of them.

The p-value of a text is the share of held-out texts, itself among them, that are no more like the train texts than it
is. Texts like the held-out ones have one of `UNFIT_SHARE` or less in about that share of cases. Source: Bates et al.
2023, "Testing for outliers with conformal p-values".
"""

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["LEAST_HELD_OUT", "UNFIT_SHARE", "TaskFit", "fits_no_label", "joint_fit"]

UNFIT_SHARE = 0.05
LEAST_HELD_OUT = 19
"""Held-out texts without which no p-value is as small as `UNFIT_SHARE`."""


@dataclass(frozen=True, slots=True)
class TaskFit:
    """The p-value of a task's text, as the version that saw it last says."""

    task_id: int
    version: str
    fit: float


def fits_no_label(fit: float | None) -> bool:
    """True for the p-value of a text that fits no label; nothing is said where there is no p-value."""
    return fit is not None and fit <= UNFIT_SHARE


def joint_fit(fits: Iterable[float | None]) -> float | None:
    """One p-value of a text from those of several controls: the least one, as many times as there are (Bonferroni).

    None where no control has one.
    """
    known = [fit for fit in fits if fit is not None]
    return min(1.0, len(known) * min(known)) if known else None

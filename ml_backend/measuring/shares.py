"""Intervals of shares, and shares over time."""

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import groupby

__all__ = ["share_interval", "weeks"]

Z95 = 1.959964


def share_interval(share: float, count: int) -> tuple[float, float]:
    """The 95% interval of a share of so many, at least one; Wilson 1927, "Probable Inference"."""
    centre = (share + Z95**2 / (2 * count)) / (1 + Z95**2 / count)
    half = Z95 * math.sqrt(share * (1 - share) / count + Z95**2 / (4 * count**2)) / (1 + Z95**2 / count)
    return max(centre - half, 0.0), min(centre + half, 1.0)


def weeks(moments: Sequence[datetime], least: int) -> list[tuple[datetime, list[int]]]:
    """Group observations by weeks, from Monday on; weeks with too few are put together with those after them.

    Args:
        moments: of each observation, in any order.
        least: the number of observations that a group has at least, apart from the last one.

    Returns:
        Per group, in order, the Monday on which it begins, and the positions of its observations.
    """
    groups: list[tuple[datetime, list[int]]] = []
    in_order = sorted(range(len(moments)), key=lambda place: moments[place])
    for monday, places in groupby(in_order, key=lambda place: _monday(moments[place])):
        if groups and len(groups[-1][1]) < least:
            groups[-1][1].extend(places)
        else:
            groups.append((monday, [*places]))
    return groups


def _monday(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=moment.weekday())

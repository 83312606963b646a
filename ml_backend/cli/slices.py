"""Tables of slices."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..domain.model import SliceComparison, SliceScore
from .output import table

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["comparison_table", "score_table"]


def score_table(scores: Sequence[SliceScore]) -> "Table":
    """Return a version's scores on slices, in their order."""
    return table(
        ("slice", "rows", "score", "95% interval"),
        [(each.name, each.rows, f"{each.score:.3f}", _interval(each)) for each in scores],
    )


def comparison_table(comparisons: Sequence[SliceComparison]) -> "Table":
    """Return the scores of champion and challenger on slices, in their order, and what they mean."""
    columns = ("slice", "rows", "champion", "95% interval", "challenger", "95% interval", "difference", "p", "")
    rows = [
        (
            each.champion.name,
            each.champion.rows,
            f"{each.champion.score:.3f}",
            _interval(each.champion),
            f"{each.challenger.score:.3f}",
            _interval(each.challenger),
            f"{each.difference:+.3f}",
            f"{each.p:.3f}",
            "surely worse" if each.is_worse else "may be worse" if each.may_be_worse else "",
        )
        for each in comparisons
    ]
    return table(columns, rows)


def _interval(score: SliceScore) -> str:
    return f"{score.low:.3f} to {score.high:.3f}"

"""Train rows whose label is suspected to be wrong: kept, weighted down or left out."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace

from ..domain.example import Row, Target
from ..domain.model import Suspects

__all__ = ["SUSPECT_WEIGHT", "treated"]

SUSPECT_WEIGHT = 0.2
"""Factor on the loss of a suspected row, where such rows are weighted down."""


def treated(
    rows: Sequence[Row], suspects: Collection[str], handling: Suspects, control_name: str
) -> tuple[list[Row], tuple[str, ...]]:
    """The rows to train on, and sentences on what became of the suspected ones.

    A class whose rows are all suspected keeps them: without them the model could not answer it at all.

    Args:
        suspects: ids of rows.
        control_name: whose answers the suspicion is about.
    """
    if handling is Suspects.KEEP:
        return list(rows), ()
    suspects = set(suspects)
    trusted: Counter[Target | None] = Counter(row.targets.get(control_name) for row in rows if row.id not in suspects)
    concerned = {row.id for row in rows if row.id in suspects and trusted[row.targets.get(control_name)]}
    if not concerned:
        return list(rows), (
            f"an audit suspects the label of no train row that can be spared, so none was {_DONE[handling]}",
        )
    sentence = f"{len(concerned)} train rows were {_DONE[handling]}, since an audit suspects their labels to be wrong"
    if handling is Suspects.EXCLUDE:
        return [row for row in rows if row.id not in concerned], (sentence,)
    return [replace(row, weight=row.weight * SUSPECT_WEIGHT) if row.id in concerned else row for row in rows], (
        sentence,
    )


_DONE = {Suspects.EXCLUDE: "left out", Suspects.DOWNWEIGHT: f"given {SUSPECT_WEIGHT:g} of their weight"}

"""Train rows whose label is suspected to be wrong: learned from like others, weighted down or left out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from ...domain.example import Row, Target, label_of, parts_of
from ...domain.model import Suspects

__all__ = ["Suspicion", "treat_suspects"]


@dataclass(frozen=True, slots=True)
class Suspicion:
    """The verdict of an audit on train rows and their answers to one control, by row id.

    Attributes:
        quality: of answers, 0 to 1, low is suspect; rows that were not judged are not in it.
        suspects: rows whose answer is likely wrong.
    """

    LEAST_WEIGHT: ClassVar[float] = 0.05
    """Share of its weight that a row keeps whose label is surely wrong: a suspicion is not knowledge."""

    quality: Mapping[str, float]
    suspects: frozenset[str]


def treat_suspects(
    rows: Sequence[Row], suspicion: Suspicion, handling: Suspects, control_name: str
) -> tuple[list[Row], tuple[str, ...]]:
    """The rows to train on, and a sentence on what became of the suspected ones.

    They are left out, or every row is weighted by the quality of its label: a soft form of the same, which also takes
    in rows that are only a little suspicious. Rows of a label that is suspected wherever it stands are left as they
    are: without them the model could not answer it at all.

    Args:
        control_name: whose answers the suspicion is about.
    """
    labels = {row.id: _labels(row.targets.get(control_name)) for row in rows}
    trusted = {label for row in rows if row.id not in suspicion.suspects for label in labels[row.id]}
    treatable = {row_id for row_id, own in labels.items() if own <= trusted}
    concerned = treatable & suspicion.suspects
    if handling is Suspects.EXCLUDE:
        sentence = f"{len(concerned)} train rows were left out, since an audit suspects their labels to be wrong"
        return [row for row in rows if row.id not in concerned], (sentence,)
    weights = {
        row.id: max(suspicion.quality.get(row.id, 1.0), Suspicion.LEAST_WEIGHT) if row.id in treatable else 1.0
        for row in rows
    }
    sentence = (
        f"train rows were weighted by their labels' quality: an audit suspects {len(concerned)} of them to be wrong"
    )
    return [replace(row, weight=row.weight * weights[row.id]) for row in rows], (sentence,)


def _labels(target: Target | None) -> frozenset[str]:
    return frozenset() if target is None else frozenset(label_of(part) for part in parts_of(target))

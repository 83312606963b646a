"""Banking77 (Casanueva et al. 2020, CC BY 4.0; the files of PolyAI's task-specific-datasets) as rows to train on."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.support.texts import Pair, read_pairs
from ml_backend.domain.example import Provenance, Row
from ml_backend.domain.label_config import Control, Label
from ml_backend.domain.object_tag import ObjectTag

__all__ = ["CONTROL", "control_of", "few_rows", "read_rows", "rows_of"]

CONTROL = "intent"


def read_rows(path: Path) -> list[Row]:
    """The rows of a file with columns `text,category`."""
    return rows_of(list(read_pairs(path)))


def rows_of(pairs: Sequence[Pair]) -> list[Row]:
    """Texts and classes as rows of a snapshot."""
    return [
        Row(str(number), number, {"text": text}, {CONTROL: label}, (), Provenance(()))
        for number, (text, label) in enumerate(pairs)
    ]


def control_of(rows: Sequence[Row]) -> Control:
    """The control whose choices are the rows' classes."""
    labels = tuple(Label(name, name) for name in sorted({str(row.targets[CONTROL]) for row in rows}))
    return Control(CONTROL, "Choices", ObjectTag("text", "Text", "text"), labels, {"choice": "single"})


def few_rows(rows: Sequence[Row], seed: int, *, per_class: int) -> list[Row]:
    """So many rows of every class, drawn with the seed; the same draw as pandas' `groupby.sample`."""
    targets = np.array([row.targets[CONTROL] for row in rows])
    random = np.random.RandomState(seed)
    chosen = [
        position
        for name in sorted(set(targets.tolist()))
        for position in random.choice(np.flatnonzero(targets == name), per_class, replace=False)
    ]
    return [rows[position] for position in chosen]

"""Slice rows by labels, fields and imports of their tasks, length and annotators."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from ..arrays import Bools
from ..domain.annotation import Task
from ..domain.example import Row
from ..domain.field_texts import readable_text
from ..domain.readable import shortened
from ..tasks import ServedControl, ServingPlan

__all__ = ["groups_of", "row_slices"]

FIELD, BATCH = "field ", "import batch"
LONGEST_VALUE = 60
MOST_VALUES = 20
LENGTHS = ("shortest", "second", "third", "fourth", "longest")


def groups_of(task: Task, fields: Sequence[str]) -> dict[str, str]:
    """Return the groups of a task: its import, and the values of these fields, as far as it has them.

    Values are text, numbers or true and false, of which the first `LONGEST_VALUE` characters are kept; others are none.
    """
    values = {f"{FIELD}{name}": task.data.get(name) for name in fields}
    groups = {
        kind: text for kind, value in values.items() if isinstance(value, str | int | float) and (text := _short(value))
    }
    return {**groups, **({BATCH: _short(task.batch)} if task.batch else {})}


def row_slices(
    rows: Sequence[Row], plan: ServingPlan
) -> tuple[dict[str, dict[str, Bools]], dict[str, Bools], list[str]]:
    """Return the slices of rows as masks of shape (N,) by name, the most frequent values of a kind first.

    Returns:
        Per control that is answered with labels, the rows whose true answer holds each of them; slices by groups,
        length and annotator; and sentences on what was left out or cut.
    """
    masks: dict[str, Bools] = {}
    notes: list[str] = []
    for kind in dict.fromkeys(kind for row in rows for kind in row.groups):
        values = [row.groups.get(kind, "") for row in rows]
        masks.update(_by_value(kind, [[value] if value else [] for value in values], notes))
        lacking, cut = values.count(""), sum(value.endswith("…") for value in values)
        if lacking:
            notes.append(f"{kind}: {lacking} of {len(rows)} rows have no value")
        if cut:
            notes.append(f"{kind}: {cut} values are cut to {LONGEST_VALUE} characters, so some may count as the same")
    masks.update(_by_length(rows))
    annotators = [sorted({label.annotator for label in row.labels}) for row in rows]
    masks.update(_by_value("annotator", annotators, notes))
    return {served.name: _by_label(rows, served) for served in plan.labeled}, masks, notes


def _by_label(rows: Sequence[Row], served: ServedControl) -> dict[str, Bools]:
    answers = [served.kind.labels_in(row.targets.get(served.name, ())) for row in rows]
    kind = "class" if all(len(set(labels)) <= 1 for labels in answers) else "label"
    return {
        f"{kind}: {label}": np.array([label in labels for labels in answers], dtype=np.bool_)
        for label in served.control.label_values
    }


def _by_value(kind: str, values: Sequence[Sequence[str]], notes: list[str]) -> Mapping[str, Bools]:
    """Return a slice per value that rows have; the most frequent ones, where there are very many."""
    counts = Counter(value for own in values for value in own)
    order = sorted(counts, key=lambda value: (-counts[value], value))
    if len(order) > MOST_VALUES:
        rest = sum(counts[value] for value in order[MOST_VALUES:])
        notes.append(
            f"{kind}: the {MOST_VALUES} most frequent of {len(order)} values are slices; the others have {rest} rows"
        )
    return {
        f"{kind}: {value}": np.array([value in own for own in values], dtype=np.bool_) for value in order[:MOST_VALUES]
    }


def _by_length(rows: Sequence[Row]) -> Iterator[tuple[str, Bools]]:
    """Yield the fifths of the rows by the length of their text in characters."""
    if not rows:
        return
    lengths = np.array([len(readable_text(row.text)) for row in rows])
    ends = np.quantile(lengths, np.arange(1, len(LENGTHS)) / len(LENGTHS))
    fifths = np.searchsorted(ends, lengths)  # a length at an end belongs to the shorter ones
    for number, name in enumerate(LENGTHS):
        yield f"length: {name} fifth", fifths == number


def _short(value: str | float) -> str:
    return shortened(" ".join(str(value).split()), LONGEST_VALUE)

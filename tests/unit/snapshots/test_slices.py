"""Groups of tasks in rows, and the slices that they and the rows themselves make."""

from dataclasses import replace

import numpy as np

from ml_backend.domain.annotation import Task
from ml_backend.domain.example import Row
from ml_backend.snapshots.slices import groups_of, row_slices
from ml_backend.tasks import serving_plan
from tests.reviewed_rows import reviewed
from tests.unit.snapshots.builders import CONFIG, built, only, task

PLAN = serving_plan(CONFIG)


def rows_with(*values: str, kind: str = "field channel") -> list[Row]:
    rows = [reviewed(number, "text" * (number + 1), "billing") for number in range(len(values))]
    return [replace(row, groups={kind: value} if value else {}) for row, value in zip(rows, values, strict=True)]


def test_rows_carry_the_named_fields_and_the_import_of_their_task() -> None:
    plain = task(7, "text", "billing")
    imported = Task(7, {**plain.data, "channel": "mail"}, plain.annotations, "tickets.csv")
    fields = ("channel", "customer")

    assert only(built([plain], slice_fields=fields)).groups == {}
    assert only(built([imported], slice_fields=fields)).groups == {
        "field channel": "mail",
        "import batch": "tickets.csv",
    }


def test_values_are_plain_and_short() -> None:
    data = {"long": "word " * 40, "number": 3, "no": False, "list": ["a"], "object": {}, "none": None, "blank": "  "}

    groups = groups_of(Task(1, data), list(data))

    assert groups == {
        "field long": "word word word word word word word word word word word word…",
        "field number": "3",
        "field no": "False",
    }


def test_values_that_are_cut_missing_or_too_many_are_counted() -> None:
    cut = groups_of(Task(1, {"channel": "x" * 99}), ["channel"])["field channel"]
    many = [f"{number:02}" for number in range(25)]

    _, masks, notes = row_slices(rows_with(cut, cut, "", *many), PLAN)

    names = [name for name in masks if name.startswith("field")]
    assert names == [f"field channel: {value}" for value in [cut, *many[:19]]]
    assert masks[names[0]].tolist() == [True, True] + [False] * 26
    assert notes == [
        "field channel: the 20 most frequent of 26 values are slices; the others have 6 rows",
        "field channel: 1 of 28 rows have no value",
        "field channel: 2 values are cut to 60 characters, so some may count as the same",
    ]


def test_every_row_is_in_one_fifth_by_length_and_in_the_slices_of_its_annotators() -> None:
    rows = rows_with(*"abcdefghij")
    rows[0] = reviewed(0, "text", "billing", {"1": "billing", "2": "login"})

    _, masks, _ = row_slices(rows, PLAN)

    fifths = [mask for name, mask in masks.items() if name.startswith("length: ")]
    assert [mask.sum() for mask in fifths] == [2] * 5
    assert masks["length: longest fifth"].nonzero()[0].tolist() == [8, 9]
    assert (masks["annotator: 1"].sum(), masks["annotator: 2"].nonzero()[0].tolist()) == (10, [0])


def test_labels_are_slices_of_the_rows_whose_answer_holds_them() -> None:
    rows = [reviewed(number, "text", label) for number, label in enumerate(["billing", "login", None, "billing"])]

    slices = row_slices(rows, PLAN)[0]["topic"]

    assert {name: mask.nonzero()[0].tolist() for name, mask in slices.items()} == {
        "class: billing": [0, 3],
        "class: login": [1],
        "class: other": [],
    }
    assert all(mask.dtype == np.bool_ for mask in slices.values())

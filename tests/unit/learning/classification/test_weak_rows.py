"""Weak rows are compared by rows that people labeled, and are learned from beside these."""

from dataclasses import replace

import numpy as np
import pytest

from ml_backend.domain.example import Row
from ml_backend.learning.classification import weak_rows
from ml_backend.learning.classification.plan import Plan
from ml_backend.learning.classification.weak_rows import compare_weak_rows, limited_weak_rows
from ml_backend.learning.rows.collect import training_data
from ml_backend.learning.rows.data import TrainingData
from ml_backend.models.text.torch_encoder import TextEncoder
from tests.unit.learning.builders import CONTROL, FAST, NAMES, keyword_rows, served

SETTINGS = replace(FAST, least_validation_rows=30)


def data_with(weak: list[Row], *, train: int = 3, validation: int = 12) -> TrainingData:
    return training_data(
        keyword_rows(train, seed=1), keyword_rows(validation, seed=2) if validation else [], served(CONTROL), weak
    )


def proposed(per_class: int, *, shift: int = 0) -> list[Row]:
    """Rows of keywords whose labels are right, or those of another class."""
    return [
        replace(row, targets={"intent": NAMES[(NAMES.index(str(row.targets["intent"])) + shift) % 3]}, weight=1.0)
        for row in keyword_rows(per_class, seed=3)
    ]


@pytest.mark.parametrize(("validation", "where"), [(12, "36 validation rows"), (0, "30 train rows held out in turn")])
def test_rows_of_a_wrong_source_are_worse_and_those_of_a_right_one_are_not(
    encoder: TextEncoder, validation: int, where: str
) -> None:
    right = compare_weak_rows(encoder, data_with(proposed(40), train=10, validation=validation), SETTINGS)
    wrong = compare_weak_rows(encoder, data_with(proposed(40, shift=1), train=10, validation=validation), SETTINGS)

    assert right is not None
    assert wrong is not None
    assert right.without_weak == wrong.without_weak
    assert (right.is_worse, wrong.is_worse) == (False, True)
    assert wrong.sentence == (
        f"macro-F1 of a regression with them {wrong.with_weak:.4f}, without them {wrong.without_weak:.4f}, on {where}"
    )


def test_they_are_learned_from_in_every_fold_and_never_scored() -> None:
    data = data_with(proposed(5), train=4)
    beside = len(data.learned(SETTINGS.description_weight)) - len(data.train)
    strata = np.array([NAMES.index(str(target)) for target in data.train.targets])

    plan = Plan.of(
        strata,
        SETTINGS,
        weak_rows.Objective.of("softmax", data.labels).hyperparameters(None, 12),
        beside=beside,
        learned=12 + beside,
        validation=0,
    )

    assert beside == len(data.described) + 15
    for fold in plan.folds:
        assert set(fold.train) >= set(range(12, 12 + beside))
        assert max(fold.scored) < 12


def test_warnings_and_trained_rows_are_about_people_alone() -> None:
    data, alone = data_with(proposed(5)), data_with([])

    assert (data.warnings, data.train.texts) == (alone.warnings, alone.train.texts)
    assert data.without_weak.learned(1.0).texts == alone.learned(1.0).texts
    assert len(data.weak_row_texts) == 15


def test_many_are_drawn_from(encoder: TextEncoder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weak_rows, "MOST_WEAK_ROWS", 10)
    data = data_with(proposed(10))

    limited = limited_weak_rows(encoder, data, seed=1)

    assert len(limited.weak) == len(limited.weak_row_texts) == 10
    assert limited.weak.texts == limited.weak_row_texts
    assert set(limited.weak.texts) <= set(data.weak.texts)
    assert limited.train is data.train

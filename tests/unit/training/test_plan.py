from dataclasses import replace

import numpy as np
import pytest

from ml_backend.domain.model import Method
from ml_backend.training.data import training_data
from ml_backend.training.plan import make_plan
from tests.unit.training.builders import CONTROL, FAST, keyword_data, make_row


@pytest.mark.parametrize(
    ("method", "validation_per_class", "folds", "stops_early"),
    [
        (Method.AUTO, 0, 2, False),
        (Method.AUTO, 12, 2, False),  # 36 rows calibrate, but do not compare
        (Method.AUTO, 20, 0, True),  # 60 rows compare as well
        (Method.LORA, 0, 2, False),
        (Method.LORA, 12, 0, False),
        (Method.LORA, 20, 0, True),
        (Method.REGRESSION, 9, 2, False),
        (Method.REGRESSION, 10, 0, False),
    ],
)
def test_folds_are_made_only_where_validation_cannot_do(
    method: Method, validation_per_class: int, folds: int, stops_early: bool
) -> None:
    settings = replace(FAST, method=method, least_validation_rows=60)

    plan = make_plan(keyword_data(6, validation_per_class), settings)

    assert len(plan.folds) == folds
    if method is not Method.REGRESSION:
        assert plan.stops_early == stops_early


def test_every_fold_learns_from_the_descriptions_and_none_scores_them() -> None:
    data = keyword_data(6)

    plan = make_plan(data, FAST)

    for fold in plan.folds:
        assert fold.train[-5:].tolist() == [18, 19, 20, 21, 22]
        assert fold.scored.max() < 18
    without = make_plan(data, replace(FAST, description_weight=0.0))
    assert max(fold.train.max() for fold in without.folds) < 18


def test_the_same_seed_plans_the_same() -> None:
    data = keyword_data(6)

    first, again = (make_plan(data, FAST).folds for _ in range(2))

    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.train, other.train)


def test_the_work_is_bounded_by_the_settings() -> None:
    data = keyword_data(100)
    settings = replace(FAST, folds=5, fold_rows=60, fold_train_rows=30, description_weight=0.0, few_rows_per_class=50)

    plan = make_plan(data, settings)

    (fold,) = plan.folds
    assert (len(fold.train), len(fold.scored)) == (30, 60)
    # 300 rows embedded, 3 passes over 30 rows as over all of them (they count as many), 60 rows scored, then all.
    assert plan.work == pytest.approx(300 / 3 + 30 * 3 + 60 / 3 + 300 * 3)


def test_rows_that_are_each_alone_in_their_class_give_no_folds() -> None:
    data = training_data([make_row(1, "card", "card"), make_row(2, "cash", "cash")], [], CONTROL)

    assert make_plan(data, FAST).folds == ()

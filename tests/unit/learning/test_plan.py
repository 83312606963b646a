from dataclasses import replace

import numpy as np
import pytest

from ml_backend.domain.model import Method
from ml_backend.learning.classification.plan import Plan, make_plan
from ml_backend.learning.classification.settings import TrainingSettings
from ml_backend.learning.objectives.base import objective_for
from ml_backend.learning.rows.data import TrainingData
from tests.unit.learning.builders import FAST, data_of, keyword_data, make_row


def plan_for(data: TrainingData, settings: TrainingSettings) -> Plan:
    objective = objective_for(data.head, data.labels)
    learned = len(data.learned(settings.description_weight))
    has_few_rows = settings.has_few_rows(learned, len(data.labels))
    return make_plan(
        objective.strata(data.train.targets),
        learned - len(data.train),
        learned,
        len(data.validation),
        settings,
        epochs=objective.hyperparameters(settings.tuned, has_few_rows=has_few_rows).with_settings(settings).epochs,
    )


@pytest.mark.parametrize(
    ("method", "validation_per_class", "folds", "stops_early"),
    [
        (Method.AUTO, 0, 2, False),
        (Method.AUTO, 12, 2, False),  # 36 rows calibrate, but do not compare
        (Method.AUTO, 20, 0, True),  # 60 rows compare as well
        (Method.LORA, 0, 2, False),
        (Method.LORA, 12, 0, False),
        (Method.LORA, 20, 0, True),
        (Method.FULL, 0, 2, False),
        (Method.FULL, 12, 0, False),
        (Method.FULL, 20, 0, True),
        (Method.REGRESSION, 9, 2, False),
        (Method.REGRESSION, 10, 0, False),
    ],
)
def test_folds_are_made_only_where_validation_cannot_do(
    method: Method, validation_per_class: int, folds: int, stops_early: bool
) -> None:
    settings = replace(FAST, method=method, least_validation_rows=60)

    plan = plan_for(keyword_data(6, validation_per_class), settings)

    assert len(plan.folds) == folds
    if method is not Method.REGRESSION:
        assert plan.stops_early == stops_early
    tried = {Method.AUTO: Method.LORA, Method.REGRESSION: None}
    assert plan.tuned == tried.get(method, method)


def test_every_fold_learns_from_the_descriptions_and_none_scores_them() -> None:
    data = keyword_data(6)

    plan = plan_for(data, FAST)

    for fold in plan.folds:
        assert fold.train[-5:].tolist() == [18, 19, 20, 21, 22]
        assert fold.scored.max() < 18
    without = plan_for(data, replace(FAST, description_weight=0.0))
    assert max(fold.train.max() for fold in without.folds) < 18


def test_the_same_seed_plans_the_same() -> None:
    data = keyword_data(6)

    first, again = (plan_for(data, FAST).folds for _ in range(2))

    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.train, other.train)


def test_the_work_is_bounded_by_the_settings() -> None:
    data = keyword_data(100)
    settings = replace(FAST, epochs=None, folds=5, fold_rows=60, fold_most_rows=30, description_weight=0.0)

    plan = plan_for(data, settings)

    (fold,) = plan.folds
    assert (len(fold.train), len(fold.scored)) == (30, 30)
    # 300 rows embedded, 2 passes over 30 rows as over all of them (they count as many), 30 rows scored, then all.
    assert plan.work == pytest.approx(300 / 3 + 30 * 2 + 30 / 3 + 300 * 2)


def test_rows_that_are_each_alone_in_their_class_give_no_folds() -> None:
    data = data_of([make_row(1, "card", "card"), make_row(2, "cash", "cash")], [])

    assert plan_for(data, FAST).folds == ()

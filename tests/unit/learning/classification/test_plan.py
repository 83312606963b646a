from dataclasses import replace

import numpy as np
import pytest

from ml_backend.domain.model import Method
from ml_backend.learning.classification.plan import Plan
from ml_backend.learning.classification.settings import Hyperparameters, TrainingSettings
from ml_backend.learning.objectives.base import Objective
from ml_backend.learning.rows.data import TrainingData
from ml_backend.learning.rows.folds import Fold
from tests.unit.learning.builders import FAST, data_of, keyword_data, make_row


def plan_for(data: TrainingData, settings: TrainingSettings) -> Plan:
    objective = Objective.of(data.head, data.labels)
    learned = len(data.learned(settings.description_weight))
    return Plan.of(
        objective.strata(data.train.targets),
        settings,
        objective.hyperparameters(settings.tuned, learned).with_settings(settings),
        beside=learned - len(data.train),
        learned=learned,
        validation=len(data.validation),
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

    assert len(plan.first_folds) == folds
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


def test_the_work_is_bounded_by_the_settings() -> None:
    data = keyword_data(100)
    settings = replace(FAST, epochs=None, folds=5, fold_rows=60, fold_most_rows=30, description_weight=0.0)

    plan = plan_for(data, settings)

    (fold,) = plan.folds
    assert (len(fold.train), len(fold.scored)) == (30, 30)
    # 300 rows embedded, as many epochs over 30 rows as over all of them, 30 rows scored, then all; a step reads twice.
    epochs = plan.hyperparameters.epochs
    assert plan.work == pytest.approx(300 / 3 + 30 * 2 * epochs + 30 / 3 + 300 * 2 * epochs)


def test_rows_that_are_each_alone_in_their_class_give_no_folds() -> None:
    data = data_of([make_row(1, "card", "card"), make_row(2, "cash", "cash")], [])

    assert plan_for(data, FAST).folds == ()


FOLD = Fold(np.arange(80), np.arange(80, 100))
PLAN = Plan(
    Hyperparameters(epochs=5, adversarial_size=0.1),
    (FOLD, FOLD),
    Method.LORA,
    fold_epochs=5,
    stops_early=False,
    embedded=100,
    learned=100,
    validation=0,
)
# Of an adversarial training in 5 epochs: the folds have 2 * (800 + 20 / 3) passes, the rest 1000.


def test_adversarial_passes_take_as_long_again() -> None:
    plain = replace(PLAN, hyperparameters=Hyperparameters(epochs=5))

    assert PLAN.tuning_s(0.01) == pytest.approx(26.133, abs=1e-3)
    assert PLAN.tuning_s(0.01, folds_alone=True) == pytest.approx(16.133, abs=1e-3)
    assert plain.tuning_s(0.01) == pytest.approx(13.133, abs=1e-3)


@pytest.mark.parametrize(
    ("left_s", "folds", "adversarial_size", "epochs", "cuts"),
    [
        (26.2, 2, 0.1, 5, ()),
        (26.0, 1, 0.1, 5, ("1 fold instead of 2",)),
        (14.0, 1, 0.0, 5, ("1 fold instead of 2", "no adversarial passes")),
        (9.0, 1, 0.0, 4, ("1 fold instead of 2", "no adversarial passes", "4 epochs instead of 5")),
        (2.0, 1, 0.0, 1, ("1 fold instead of 2", "no adversarial passes", "1 epoch instead of 5")),
    ],
)
def test_folds_then_adversarial_passes_then_epochs_are_left_out(
    left_s: float, folds: int, adversarial_size: float, epochs: int, cuts: tuple[str, ...]
) -> None:
    plan = PLAN.within(left_s, row_s=0.01, is_asked=False)

    figures = plan.hyperparameters
    assert (len(plan.folds), figures.adversarial_size, figures.epochs) == (folds, adversarial_size, epochs)
    assert (plan.cuts, plan.tuned) == (cuts, Method.LORA)
    assert plan.tuning_s(0.01) <= left_s


@pytest.mark.parametrize(
    ("is_asked", "tuned", "folds", "cut"),
    [(False, None, 2, "no lora"), (True, Method.LORA, 0, "as many steps as there was time for")],
    ids=["the regression is all there is and has its folds", "tuning that was asked for gets what time there is"],
)
def test_where_no_epoch_fits(is_asked: bool, tuned: Method | None, folds: int, cut: str) -> None:
    plan = PLAN.within(1.0, row_s=0.01, is_asked=is_asked)

    assert (plan.tuned, len(plan.folds), plan.cuts[-1]) == (tuned, folds, cut)
    assert plan.tuned is None or plan.hyperparameters.epochs == 1


def test_a_small_fold_keeps_the_epochs_that_give_it_the_steps_of_the_whole_training() -> None:
    whole = replace(PLAN, folds=(Fold(np.arange(40), np.arange(40, 60)),))

    plan = whole.within(4.1, row_s=0.01, is_asked=False)

    assert plan.hyperparameters.epochs == 2
    assert plan.fold_epochs == 5
    assert whole.within(2.0, row_s=0.01, is_asked=False).fold_epochs == 2

from dataclasses import replace

import numpy as np
import pytest

from ml_backend.domain.model import Method
from ml_backend.learning.classification.budget import Fitted, fitted, tuning_s
from ml_backend.learning.classification.settings import Hyperparameters
from ml_backend.learning.classification.plan import Plan
from ml_backend.learning.rows.folds import Fold

FOLD = Fold(np.arange(80), np.arange(80, 100))
PLAN = Plan((FOLD, FOLD), Method.LORA, 5, 5, stops_early=False, embedded=100, learned=100, validation=0)
RECIPE = Hyperparameters(epochs=5, adversarial_size=0.1)
# Of an adversarial training in 5 epochs: the folds have 2 * (800 + 20 / 3) passes, the rest 1000.


def fit(left_s: float, *, is_asked: bool = False) -> Fitted:
    return fitted(PLAN, RECIPE, left_s=left_s, row_s=0.01, is_asked=is_asked)


def test_adversarial_passes_take_as_long_again() -> None:
    plain = Hyperparameters(epochs=5)

    assert tuning_s(PLAN, RECIPE, 0.01) == pytest.approx(26.133, abs=1e-3)
    assert tuning_s(PLAN, RECIPE, 0.01, folds_alone=True) == pytest.approx(16.133, abs=1e-3)
    assert tuning_s(PLAN, plain, 0.01) == pytest.approx(13.133, abs=1e-3)


def test_what_fits_is_left_as_it_is() -> None:
    found = fit(26.2)

    assert (found.plan, found.hyperparameters, found.cuts) == (PLAN, RECIPE, ())


@pytest.mark.parametrize(
    ("left_s", "folds", "adversarial_size", "epochs", "cuts"),
    [
        (26.0, 1, 0.1, 5, ("1 fold instead of 2",)),
        (18.0, 1, 0.0, 5, ("1 fold instead of 2", "no adversarial passes")),
        (8.1, 1, 0.0, 4, ("1 fold instead of 2", "no adversarial passes", "4 epochs instead of 5")),
        (2.0, 1, 0.0, 1, ("1 fold instead of 2", "no adversarial passes", "1 epoch instead of 5")),
    ],
)
def test_folds_then_adversarial_passes_then_epochs_are_left_out(
    left_s: float, folds: int, adversarial_size: float, epochs: int, cuts: tuple[str, ...]
) -> None:
    found = fit(left_s)

    assert len(found.plan.folds) == folds
    assert found.hyperparameters.adversarial_size == adversarial_size
    assert (found.plan.epochs, found.hyperparameters.epochs) == (epochs, epochs)
    assert found.cuts == cuts
    assert tuning_s(found.plan, found.hyperparameters, 0.01) <= left_s


def test_a_small_fold_keeps_the_epochs_that_give_it_the_steps_of_the_whole_training() -> None:
    plan = replace(PLAN, folds=(Fold(np.arange(40), np.arange(40, 60)),))

    found = fitted(plan, RECIPE, left_s=4.1, row_s=0.01, is_asked=False)

    assert (found.plan.epochs, found.hyperparameters.epochs) == (2, 2)
    assert found.plan.fold_epochs == 5
    assert fitted(plan, RECIPE, left_s=2.0, row_s=0.01, is_asked=False).plan.fold_epochs == 2


def test_where_no_epoch_fits_the_regression_is_all_there_is_and_still_has_its_folds() -> None:
    found = fit(1.0)

    assert found.plan.tuned is None
    assert len(found.plan.folds) == 2
    assert found.cuts == ("no lora",)


def test_tuning_that_was_asked_for_gets_what_time_there_is() -> None:
    found = fit(1.0, is_asked=True)

    assert found.plan.tuned is Method.LORA
    assert found.plan.folds == ()
    assert found.hyperparameters.epochs == 1
    assert found.cuts[-1] == "as many steps as there was time for"

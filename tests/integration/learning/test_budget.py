import itertools
from collections.abc import Iterator
from dataclasses import replace

import pytest

from ml_backend.domain.model import Method
from ml_backend.learning.loop.schedule import Deadline
from ml_backend.models.bundle.bundle import read_bundle
from tests.integration.learning.trials import Trial
from tests.unit.learning.builders import FAST, LINEAR_HEADS, keyword_data, linear_data

SETTINGS = replace(FAST, epochs=4, adversarial_size=0.1, least_validation_rows=12, budget_min=3.0)


class Ticking:
    """A clock on which every look takes as long."""

    def __init__(self, tick_s: float) -> None:
        self._times: Iterator[float] = itertools.count(0.0, tick_s)

    def __call__(self) -> float:
        return next(self._times)


def ticking(tick_s: float) -> Deadline:
    return Deadline.after(180, Ticking(tick_s))


def test_a_fast_machine_leaves_nothing_out(trial: Trial) -> None:
    outcome = trial.train(keyword_data(8, 4), settings=replace(SETTINGS, method=Method.LORA), deadline=ticking(1e-6))

    assert not [warning for warning in outcome.warnings if "to keep within" in warning]
    assert trial.run.tags["left_out_for_time"] == "nothing"
    assert trial.run.params["budget_min"] == 3.0
    assert read_bundle(outcome.bundle).manifest.parts[0].settings["budget_min"] == 3.0


def test_a_slow_machine_leaves_out_what_does_not_fit_and_says_so(trial: Trial) -> None:
    outcome = trial.train(keyword_data(8, 4), settings=replace(SETTINGS, method=Method.LORA), deadline=ticking(20.0))

    (said,) = [warning for warning in outcome.warnings if "to keep within" in warning]
    assert said.startswith("to keep within 3 min, the training made do with ")
    assert "no adversarial passes" in said
    assert outcome.method is Method.LORA
    assert trial.run.tags["left_out_for_time"] in said


@pytest.mark.parametrize("head", LINEAR_HEADS)
def test_a_time_that_is_up_gives_a_version_of_the_regression(trial: Trial, head: str) -> None:
    outcome = trial.train(linear_data(head), settings=SETTINGS, deadline=ticking(1000.0))

    assert outcome.method is Method.REGRESSION
    assert outcome.reason == "the budget leaves no time to tune the base model"
    assert not (outcome.bundle / "controls/0/adapter").exists()


def test_tuning_that_was_asked_for_gives_a_version_even_without_time(trial: Trial) -> None:
    outcome = trial.train(keyword_data(8, 4), settings=replace(SETTINGS, method=Method.FULL), deadline=ticking(1000.0))

    assert outcome.method is Method.FULL
    assert [step for step, _ in trial.run.curves["train_loss"]] == [1]


def test_each_of_several_controls_gets_its_share(trial: Trial) -> None:
    first, second = keyword_data(8, 4), replace(keyword_data(8, 4), control="other")

    outcome = trial.train(first, second, settings=SETTINGS, deadline=ticking(1000.0))

    assert outcome.method is Method.REGRESSION
    assert {warning.partition(":")[0] for warning in outcome.warnings if "to keep within" in warning} == {
        "intent",
        "other",
    }

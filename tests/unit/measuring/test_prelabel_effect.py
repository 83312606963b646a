import numpy as np
import pytest

from ml_backend.arrays import Bools, Floats, Ints
from ml_backend.measuring.prelabel_effect import PrelabelEffect

SAVING, ANCHORING = -0.2, 0.05
"""Planted: pre-labels save a fifth of the time, and make five more in a hundred answers those of the model."""


def _project(seed: int, tasks: int = 1500) -> tuple[Floats, Floats, Bools, Ints]:
    """Return seconds, agreement with the model, whether a pre-label was shown, and the annotator."""
    rng = np.random.default_rng(seed)
    annotator, is_shown = rng.integers(0, 3, tasks), rng.random(tasks) < 0.8
    seconds = rng.lognormal(np.log(10 + 8 * annotator), 0.5) * np.where(is_shown, 1 + SAVING, 1.0)
    agrees = rng.random(tasks) < 0.8 + ANCHORING * is_shown
    return seconds, agrees.astype(np.float64), is_shown, annotator.astype(np.int64)


def _effect(values: Floats, is_shown: Bools, strata: Ints) -> PrelabelEffect:
    effect = PrelabelEffect.of(values, is_shown, strata)
    assert effect is not None
    return effect


def test_planted_effects_lie_in_their_intervals_as_often_as_they_say() -> None:
    saved_s = SAVING * np.exp(0.125) * 18
    holds_seconds, holds_agreement = [], []
    for seed in range(200):
        seconds, agrees, is_shown, annotator = _project(seed)
        time, anchoring = (_effect(values, is_shown, annotator) for values in (seconds, agrees))
        holds_seconds.append(time.low <= saved_s <= time.high)
        holds_agreement.append(anchoring.low <= ANCHORING <= anchoring.high)

    assert np.mean(holds_seconds) == pytest.approx(0.95, abs=0.04)
    assert np.mean(holds_agreement) == pytest.approx(0.95, abs=0.04)


def test_a_project_of_this_size_shows_that_prelabels_save_time() -> None:
    seconds, _, is_shown, annotator = _project(1)

    effect = _effect(seconds, is_shown, annotator)

    assert effect.high < 0
    assert effect.shown + effect.blind == 1500


def test_tasks_that_the_model_chose_are_compared_with_tasks_as_hard() -> None:
    """Uncertain texts come first among those with a pre-label: they are harder, and pre-labels would look harmful."""
    rng = np.random.default_rng(4)
    tasks = 20_000
    confidence, is_shown = rng.random(tasks), rng.random(tasks) < 0.8
    chosen = ~is_shown | (rng.random(tasks) < 1 - confidence)
    agrees = (rng.random(tasks) < 0.3 + 0.6 * confidence + ANCHORING * is_shown).astype(np.float64)
    alike, bins = np.zeros(tasks, dtype=np.int64), (confidence * 20).astype(np.int64)

    naive, fair = (_effect(agrees[chosen], is_shown[chosen], strata[chosen]) for strata in (alike, bins))

    assert naive.high < 0
    assert fair.low <= ANCHORING <= fair.high
    assert fair.low > 0


def test_too_few_tasks_say_nothing_and_strata_without_the_other_arm_are_counted() -> None:
    values, is_shown = np.ones(60), np.arange(60) < 40
    strata = np.where(np.arange(60) % 2, 1, np.where(is_shown, 2, 3))

    assert PrelabelEffect.of(values[35:45], is_shown[35:45], np.zeros(10, dtype=np.int64)) is None
    effect = _effect(values, is_shown, strata)
    assert (effect.shown, effect.blind, effect.left_out) == (20, 10, 30)
    assert effect.low < effect.difference < effect.high, "all agreeing in a few tasks is not certainty"

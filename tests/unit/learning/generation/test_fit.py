from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ml_backend.errors import TrainingError
from ml_backend.learning.generation.data import TokenPairs
from ml_backend.learning.generation.fit import EpochResult, FitObserver, FitResult, fit
from ml_backend.learning.generation.loss import holdout_loss
from ml_backend.learning.generation.settings import GenerationSettings, TuningMethod
from ml_backend.learning.generation.steps import Step, Trainer
from ml_backend.learning.generation.tunable import tunable
from ml_backend.learning.loop.checkpoints import Checkpoints, EpochCheckpoints
from ml_backend.learning.loop.deadline import Deadline
from tests.unit.learning.generation.builders import FAST, OTHERS, PAIRS, tiny, tokens

State = dict[str, torch.Tensor]


def steps_of(settings: GenerationSettings, kind: str = "llama", **weights: Any) -> tuple[list[Step], State]:
    model = tiny(kind)
    rows = tokens(model)
    if weights:
        rows = replace(rows, rows=tuple(replace(row, weight=weights["weight"]) for row in rows.rows))
    with tunable(model, settings) as tuned:
        return list(Trainer(tuned, rows, settings).run()), tuned.state()


@pytest.mark.parametrize("method", [TuningMethod.LORA, TuningMethod.FULL])
@pytest.mark.parametrize("kind", ["llama", "gpt2", "qwen2"])
def test_training_lowers_the_loss(kind: str, method: TuningMethod) -> None:
    settings = replace(FAST, method=method, epochs=8, learning_rate=1e-2)
    steps, _ = steps_of(replace(settings, train_embeddings=method is TuningMethod.LORA), kind)

    losses = [step.loss for step in steps]
    assert np.mean(losses[-3:]) < 0.8 * np.mean(losses[:2])


def test_steps_count_rows_and_end_epochs() -> None:
    steps, _ = steps_of(FAST)

    assert [(step.number, step.of, step.epoch) for step in steps] == [(1, 4, None), (2, 4, 1), (3, 4, None), (4, 4, 2)]
    assert sum(step.rows for step in steps) == 2 * len(PAIRS)
    assert steps[0].learning_rate == FAST.learning_rate
    assert steps[-1].learning_rate < steps[1].learning_rate


def test_the_same_seed_gives_the_same_weights_and_another_one_does_not() -> None:
    settings = replace(FAST, lora_dropout=0.2)
    _, first = steps_of(settings)
    _, again = steps_of(settings)
    _, other = steps_of(replace(settings, seed=2))

    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_a_step_is_the_same_in_however_many_passes() -> None:
    steps, at_once = steps_of(FAST)
    in_passes, piecewise = steps_of(replace(FAST, tokens_per_pass=1))

    assert [step.loss for step in in_passes] == pytest.approx([step.loss for step in steps], rel=1e-2)
    for name, weight in at_once.items():
        torch.testing.assert_close(piecewise[name], weight, atol=2e-3, rtol=0.1)


def test_weights_that_are_the_same_for_all_rows_make_no_difference() -> None:
    _, plain = steps_of(FAST)
    _, weighted = steps_of(FAST, weight=0.25)

    for name, weight in plain.items():
        torch.testing.assert_close(weighted[name], weight)


def test_a_heavier_row_counts_for_more() -> None:
    model = tiny()
    rows = tokens(model, PAIRS[:2])
    heavy = replace(rows, rows=(replace(rows.rows[0], weight=50.0), rows.rows[1]))
    settings = replace(FAST, epochs=20, learning_rate=1e-2)

    def fallen(pairs: TokenPairs) -> list[float]:
        with tunable(model, settings) as tuned:
            fit(tuned, pairs, None, settings)
            return [holdout_loss(model, [row], tokens_per_pass=1000) for row in rows.rows]

    plain, weighted = fallen(rows), fallen(heavy)
    assert weighted[0] < plain[0]
    assert weighted[1] > plain[1]


def test_a_learning_rate_that_is_far_too_high_is_told() -> None:
    with pytest.raises(
        TrainingError, match=r"the loss is (nan|inf) at step \d+ of .*Lower learning_rate \(now 1e\+30\)"
    ):
        steps_of(replace(FAST, learning_rate=1e30, epochs=20, method=TuningMethod.FULL))


def test_the_epoch_with_the_lowest_holdout_loss_is_kept_and_training_ends_after_it() -> None:
    model = tiny()
    settings = replace(FAST, epochs=40, learning_rate=3e-2, patience_epochs=2)
    train, holdout = tokens(model), tokens(model, OTHERS)
    results: list[EpochResult] = []

    with tunable(model, settings) as tuned:
        found = fit(tuned, train, holdout, settings, observer=FitObserver(on_epoch=results.append))
        kept = holdout_loss(model, holdout.rows, tokens_per_pass=1000)

    best = min(results, key=lambda result: (result.holdout_loss, -result.epoch))
    assert found == FitResult(best.epoch + 2, best.epoch, best.holdout_loss)
    assert kept == pytest.approx(best.holdout_loss, abs=1e-6)
    assert found.epochs < 40


def test_without_holdout_rows_all_epochs_are_trained_and_the_last_is_kept() -> None:
    model = tiny()
    with tunable(model, FAST) as tuned:
        assert fit(tuned, tokens(model), None, FAST) == FitResult(2, 2, None)


def test_a_deadline_ends_a_training_within_an_epoch() -> None:
    model = tiny()
    steps: list[Step] = []
    with tunable(model, FAST) as tuned:
        observer = FitObserver(on_step=steps.append)
        found = fit(tuned, tokens(model), None, FAST, observer=observer, deadline=Deadline.after(0))

    assert [(step.number, step.epoch) for step in steps] == [(1, 1)]
    assert found == FitResult(1, 1, None)


class Interruption(Exception):
    """Somebody pulled the plug."""


@pytest.mark.parametrize("has_holdout", [True, False], ids=["holdout", "no-holdout"])
@pytest.mark.parametrize("method", [TuningMethod.LORA, TuningMethod.FULL])
def test_an_interrupted_training_goes_on_as_if_nothing_had_been(
    method: TuningMethod, has_holdout: bool, tmp_path: Path
) -> None:
    settings = replace(FAST, method=method, epochs=4, lora_dropout=0.2, patience_epochs=4)
    resumed: list[tuple[int, Mapping[str, Any]]] = []

    def run(checkpoints: EpochCheckpoints | None, *, until: int = 100) -> tuple[FitResult, State, list[float]]:
        model, losses = tiny(), []

        def stepped(step: Step) -> None:
            if step.number > until:
                raise Interruption
            losses.append(step.loss)

        observer = FitObserver(stepped, on_resume=lambda *told: resumed.append(told), memory=lambda: {"n": len(losses)})
        holdout = tokens(model, OTHERS) if has_holdout else None
        with tunable(model, settings) as tuned:
            result = fit(tuned, tokens(model), holdout, settings, observer=observer, checkpoints=checkpoints)
            return result, tuned.state(), losses

    whole = run(None)
    kept = Checkpoints(tmp_path, {}, lambda _: None).epochs("text")
    with pytest.raises(Interruption):
        run(kept, until=5)
    rest = run(kept)

    assert resumed == [(2, {"n": 4})]
    assert rest[0] == whole[0]
    assert rest[2] == whole[2][4:]
    assert all(torch.equal(rest[1][name], whole[1][name]) for name in whole[1])

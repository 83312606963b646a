"""The training loop, on a line through points: as small as a model can be."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from ml_backend.errors import TrainingError
from ml_backend.learning.loop.checkpoints import Checkpoints, EpochCheckpoints
from ml_backend.learning.loop.fit import FitResult, fit, training_steps
from ml_backend.learning.loop.meter import ProgressMeter
from ml_backend.learning.loop.observer import EpochResult, Step, TrainingObserver
from ml_backend.learning.loop.schedule import Deadline
from ml_backend.learning.loop.settings import LoopSettings
from ml_backend.learning.loop.trainable import Trainable
from tests.unit.learning.builders import Interrupter, Interruption, fake_run

SETTINGS = LoopSettings(patience_epochs=2)


class Line(Trainable):
    """Learns y = 2x, with dropout; its score on validation rows is made up."""

    def __init__(
        self, scores: Sequence[float] | None = None, *, epochs: int = 4, lr: float = 0.1, device: str = "cpu"
    ) -> None:
        self.epochs, self.batch_size, self.lengths, self.device = epochs, 2, [1, 2, 3, 4, 5], device
        self.layer = nn.Linear(1, 1)
        nn.init.zeros_(self.layer.weight)
        nn.init.zeros_(self.layer.bias)
        self.dropout = nn.Dropout(0.3).eval()
        self._scores, self._lr = iter(scores) if scores is not None else None, lr

    def parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        return self.layer.named_parameters()

    def parameter_groups(self) -> list[dict[str, Any]]:
        return [{"params": list(self.layer.parameters()), "lr": self._lr}]

    @contextmanager
    def training(self) -> Iterator[Callable[[Sequence[int]], float]]:
        self.dropout.train()
        yield self._add_gradients
        self.dropout.eval()

    def _add_gradients(self, positions: Sequence[int]) -> float:
        x = torch.tensor([[float(self.lengths[i])] for i in positions])
        loss = (self.dropout(self.layer(x)) - 2 * x).square().mean()
        loss.backward()
        return float(loss.detach())

    def evaluate(self) -> tuple[float, Mapping[str, float]] | None:
        if self._scores is None:
            return None
        assert not self.dropout.training
        score = next(self._scores)
        return score, {"macro_f1": score}

    @property
    def rates_to_lower(self) -> str:
        return "Lower lr"


def result_of(model: Line, **options: Any) -> FitResult:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return fit(model, SETTINGS, **options)


def test_steps_count_rows_and_end_epochs() -> None:
    steps = list(training_steps(Line(epochs=2), SETTINGS))

    assert [(step.number, step.of, step.epoch, step.ends_epoch) for step in steps] == [
        (1, 6, 1, False),
        (2, 6, 1, False),
        (3, 6, 1, True),
        (4, 6, 2, False),
        (5, 6, 2, False),
        (6, 6, 2, True),
    ]
    assert sum(step.rows for step in steps) == 10
    rates = [step.learning_rate for step in steps]
    assert rates[0] == max(rates) == 0.1
    assert rates[1:] == sorted(rates[1:], reverse=True)


@pytest.mark.parametrize(
    ("scores", "epochs", "best"),
    [
        ([1, 2, 3, 4], 4, 4),
        ([1, 3, 2, 2.5], 4, 2),
        ([3, 2, 1, 4], 3, 1),  # patience ends before the best of all
        ([2, 3, 3, 1], 4, 3),  # of equal ones the later
        ([float("nan")] * 4, 4, 4),
    ],
)
def test_the_best_epoch_is_kept_and_training_ends_when_patience_does(
    scores: list[float], epochs: int, best: int
) -> None:
    model, undisturbed = Line(scores), Line(epochs=4)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        steps = training_steps(undisturbed, SETTINGS)
        states = [undisturbed.state() for step in steps if step.ends_epoch]

    result = result_of(model)

    assert (result.epochs, result.best_epoch, len(result.results)) == (epochs, best, epochs)
    assert all(torch.equal(model.state()[name], states[best - 1][name]) for name in model.state())


def test_without_validation_rows_all_epochs_are_trained_and_the_last_is_kept() -> None:
    result = result_of(Line())

    assert (result.epochs, result.best_epoch, result.best, result.results) == (4, 4, None, [])
    assert [number for number, _ in result.losses] == list(range(1, 13))


def test_a_deadline_ends_a_training_within_an_epoch() -> None:
    result = result_of(Line([1]), deadline=Deadline.after(0))

    assert (result.epochs, [number for number, _ in result.losses]) == (1, [1])
    assert result.results == [EpochResult(1, 1, 1, {"macro_f1": 1})]


def test_a_loss_that_is_not_finite_says_what_to_lower() -> None:
    with pytest.raises(TrainingError, match=r"the loss is (nan|inf) at step \d+ of 12; wanted .* Lower lr"):
        result_of(Line(lr=1e30))


def checkpoints_in(folder: Path) -> EpochCheckpoints:
    return Checkpoints(folder, {}).epochs("line")


@pytest.mark.parametrize("scores", [None, [1, 3, 2, 4], [1, 3, 2, 1]], ids=["last", "best at the end", "best before"])
def test_an_interrupted_training_ends_as_one_that_was_not(scores: list[float] | None, tmp_path: Path) -> None:
    """With dropout on: a resumed training draws what the interrupted one would have drawn."""
    whole, resumed = Line(scores), Line(scores[2:] if scores else None)
    expected = result_of(whole)
    with pytest.raises(Interruption):
        result_of(Line(scores), checkpoints=checkpoints_in(tmp_path), observer=Interrupter(8))

    observer = Interrupter()
    result = fit(resumed, SETTINGS, checkpoints=checkpoints_in(tmp_path), observer=observer)

    assert observer.resumed == [2]
    assert result == expected
    assert all(torch.equal(resumed.state()[name], whole.state()[name]) for name in whole.state())


def test_a_training_that_was_over_is_not_resumed(tmp_path: Path) -> None:
    expected = result_of(Line([3, 2, 1]), checkpoints=checkpoints_in(tmp_path))

    assert result_of(Line([]), checkpoints=checkpoints_in(tmp_path)) == expected


def test_on_a_gpu_its_random_state_is_saved_and_put_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dropout on a GPU draws from the GPU's generator. The two functions stand for one, where there is none."""
    states = [torch.tensor([epoch], dtype=torch.uint8) for epoch in range(4)]
    restored: list[tuple[torch.Tensor, str]] = []
    drawn = iter(states)
    monkeypatch.setattr(torch.cuda, "get_rng_state", lambda device: next(drawn))
    monkeypatch.setattr(torch.cuda, "set_rng_state", lambda state, device: restored.append((state, device)))
    with pytest.raises(Interruption):
        result_of(Line(device="cuda:0"), checkpoints=checkpoints_in(tmp_path), observer=Interrupter(8))

    result_of(Line(device="cuda:0"), checkpoints=checkpoints_in(tmp_path))

    assert restored == [(states[1], "cuda:0")]


def test_an_observer_reports_progress_and_about_200_points(tmp_path: Path) -> None:

    seen, run = [], fake_run(tmp_path)
    meter = ProgressMeter(seen.append, 4 * 500)
    observer = TrainingObserver(meter, "training", rows_per_epoch=500, run=run, describe=lambda step: f"fold 1, {step}")
    observer.on_resume(1)
    for number in range(501, 1001):
        observer.on_step(Step(number, 1000, 1, 0.25, 1e-3, 2, number == 1000))
    observer.on_epoch(EpochResult(2, 1000, 0.5, {"macro_f1": 0.5}))

    assert seen[0].fraction == pytest.approx(501 / 2000)
    assert (seen[0].stage, seen[0].message, seen[0].metrics) == (
        "training",
        "fold 1, step 501 of 1000, loss 0.250",
        {"loss": 0.25},
    )
    assert len(run.curves["train_loss"]) == len(run.curves["learning_rate"]) == 100
    assert run.curves["train_loss"][-1] == (1000, 0.25)
    assert run.curves["epoch_validation_macro_f1"] == [(1000, 0.5)]

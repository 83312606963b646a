"""The course of a training, as progress of a job and as curves in the tracker."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ...domain.ports import Run
from .meter import ProgressMeter

__all__ = ["EpochResult", "Step", "TrainingObserver"]

POINTS = 200
"""About as many points as a curve is drawn with; each is written to the tracker by itself."""


@dataclass(frozen=True, slots=True)
class Step:
    """A training step.

    Attributes:
        number: from 1 to `of`.
        rows: how many rows its batch held.
        loss: weighted mean over what the batch teaches.
        learning_rate: of the base model's part.
        epoch: from 1.
        ends_epoch: True for the last step of an epoch, which may come early for want of time.
        processes: that computed it.
    """

    number: int
    of: int
    rows: int
    loss: float
    learning_rate: float
    epoch: int
    ends_epoch: bool
    processes: int = 1

    def __str__(self) -> str:
        by = f", {self.processes} processes" if self.processes > 1 else ""
        return f"step {self.number} of {self.of}, loss {self.loss:.3f}{by}"


@dataclass(frozen=True, slots=True)
class EpochResult:
    """A model on the validation rows after an epoch.

    Attributes:
        step: the last one of the epoch.
        score: the higher, the better.
    """

    epoch: int
    step: int
    score: float
    metrics: Mapping[str, float]


class TrainingObserver:
    """Reports a training's course; an exception that a report raises stops the training.

    Args:
        rows_per_epoch: rows of an epoch.
        passes: how often a step passes over its rows.
        describe: the message of a step.
        run: records curves; None: nothing is recorded.
    """

    def __init__(
        self,
        meter: ProgressMeter,
        stage: str,
        *,
        rows_per_epoch: float,
        passes: int = 1,
        describe: Callable[[Step], str] = str,
        run: Run | None = None,
    ) -> None:
        self._meter, self._stage, self._describe, self._run = meter, stage, describe, run
        self._rows_per_epoch, self._passes = rows_per_epoch, passes

    def on_resume(self, epoch: int) -> None:
        """Count the epochs up to this one as done: an earlier attempt trained them."""
        self._meter.skip(epoch * self._rows_per_epoch * self._passes)

    def on_step(self, step: Step) -> None:
        """Report a step; of many, about 200 are recorded."""
        figures = {"train_loss": step.loss, "learning_rate": step.learning_rate}
        if self._run is not None and (step.number % max(1, step.of // POINTS) == 0 or step.number == step.of):
            self._run.log_metrics(figures, step=step.number)
        self._meter.advance(step.rows * self._passes, self._stage, self._describe(step), {"loss": step.loss})

    def on_epoch(self, result: EpochResult) -> None:
        """Record the validation metrics after an epoch."""
        if self._run is not None:
            figures = {f"epoch_validation_{name}": value for name, value in result.metrics.items()}
            self._run.log_metrics(figures, step=result.step)

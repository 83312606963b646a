"""One fine-tuning: epochs, the holdout loss after each, and the best of them kept."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..loop.checkpoints import EpochCheckpoints, EpochState
from ..loop.deadline import Deadline
from .data import TokenPairs
from .loss import holdout_loss
from .settings import GenerationSettings
from .steps import Step, Trainer
from .tunable import TunableModel

if TYPE_CHECKING:
    import torch

__all__ = ["EpochResult", "FitObserver", "FitResult", "fit"]

# Names in a checkpoint: of the best epoch's tensors, and of what the observer wants kept.
BEST, MEMORY = "best.", "memory"


@dataclass(frozen=True, slots=True)
class EpochResult:
    """Where a fine-tuning stood after an epoch.

    Attributes:
        holdout_loss: mean cross entropy over the response tokens of the holdout rows.
    """

    epoch: int
    step: int
    holdout_loss: float


@dataclass(frozen=True, slots=True)
class FitResult:
    """What a fine-tuning came to.

    Attributes:
        epochs: that were trained.
        best_epoch: the one that was kept.
        holdout_loss: after that epoch; None without holdout rows.
    """

    epochs: int
    best_epoch: int
    holdout_loss: float | None


def _nothing(*_: object) -> None:
    """For those who want not to be told."""


@dataclass(frozen=True, slots=True)
class FitObserver:
    """Who is told of a fine-tuning's course; what they raise stops it.

    Attributes:
        on_holdout_rows: told of the rows of every pass over the holdout.
        on_resume: told of the epoch after which a training goes on that an earlier attempt began, and of what
            `memory` gave then.
        memory: JSON values to be kept with the checkpoint of an epoch.
    """

    on_step: Callable[[Step], None] = _nothing
    on_epoch: Callable[[EpochResult], None] = _nothing
    on_holdout_rows: Callable[[int], None] = _nothing
    on_resume: Callable[[int, Mapping[str, Any]], None] = _nothing
    memory: Callable[[], Mapping[str, Any]] = dict


def fit(
    tuned: TunableModel,
    train: TokenPairs,
    holdout: TokenPairs | None,
    settings: GenerationSettings,
    *,
    observer: FitObserver | None = None,
    checkpoints: EpochCheckpoints | None = None,
    deadline: Deadline | None = None,
) -> FitResult:
    """Train the model and leave it as it was after its best epoch.

    Args:
        holdout: the epoch with the lowest loss on them is kept (of equal ones the later), and training ends after
            `patience_epochs` without a lower one. None, or no rows: all epochs, and the last is kept.
        checkpoints: where every epoch is kept; the training goes on after the newest that is there already.
        deadline: training ends there, within an epoch if need be.

    Raises:
        TrainingError: the loss is no longer a finite number.
    """
    observer = observer or FitObserver()
    trainer = Trainer(tuned, train, settings)
    after = checkpoints.newest() if checkpoints else None
    best = _Best.of(after)
    epoch = after.epoch if after else 0
    if after is not None:
        trainer.resume(after.tensors)
        observer.on_resume(after.epoch, after.facts[MEMORY])
    is_over = best.is_past(epoch, settings.patience_epochs)
    for step in () if is_over else trainer.run(after=after, deadline=deadline):
        observer.on_step(step)
        if step.epoch is None:
            continue
        epoch = step.epoch
        if holdout is not None and holdout.rows:
            loss = holdout_loss(
                tuned.model,
                holdout.rows,
                tokens_per_pass=settings.tokens_per_pass,
                on_rows=observer.on_holdout_rows,
            )
            observer.on_epoch(EpochResult(epoch, step.number, loss))
            best.see(loss, epoch, tuned)
        if checkpoints is not None:
            facts = {MEMORY: dict(observer.memory()), **best.facts()}
            checkpoints.save(EpochState(epoch, trainer.course() | best.tensors(), facts))
        if best.is_past(epoch, settings.patience_epochs):
            break
    if best.state is None:
        return FitResult(epoch, epoch, None)
    tuned.restore(best.state)
    return FitResult(epoch, best.epoch, best.loss)


@dataclass(slots=True)
class _Best:
    """The best epoch so far by holdout loss; none without holdout rows."""

    loss: float = math.inf
    epoch: int = 0
    state: "dict[str, torch.Tensor] | None" = None

    @classmethod
    def of(cls, checkpoint: EpochState | None) -> "_Best":
        if checkpoint is None:
            return cls()
        state = {
            name.removeprefix(BEST): tensor for name, tensor in checkpoint.tensors.items() if name.startswith(BEST)
        }
        loss = checkpoint.facts["best_loss"]
        return cls(math.inf if loss is None else loss, checkpoint.facts["best_epoch"], state or None)

    def see(self, loss: float, epoch: int, tuned: TunableModel) -> None:
        if loss <= self.loss:
            self.loss, self.epoch, self.state = loss, epoch, tuned.state()

    def is_past(self, epoch: int, patience_epochs: int) -> bool:
        return self.state is not None and epoch - self.epoch >= patience_epochs

    def facts(self) -> dict[str, Any]:
        return {"best_loss": self.loss if math.isfinite(self.loss) else None, "best_epoch": self.epoch}

    def tensors(self) -> "dict[str, torch.Tensor]":
        return {f"{BEST}{name}": tensor for name, tensor in (self.state or {}).items()}

"""The training loop: steps, the best epoch, early stopping, and checkpoints that a later attempt resumes from."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import TrainingError
from .checkpoints import EpochCheckpoints, EpochState
from .observer import EpochResult, Step, TrainingObserver
from .replicas import Replicas
from .schedule import Deadline, Schedule, batches_of_like_length
from .settings import LoopSettings
from .trainable import Trainable

if TYPE_CHECKING:
    import torch

__all__ = ["FitResult", "fit", "training_steps"]

# Names of tensors in a checkpoint.
PARAMETER, OPTIMIZER, BEST = "parameter.", "optimizer.", "best."
RANDOM, DEVICE_RANDOM = "random", "device_random"


@dataclass(slots=True)
class FitResult:
    """The outcome of a training, which includes what earlier attempts at it did.

    Attributes:
        epochs: how many were trained.
        losses: number and loss of each step.
        results: after each epoch; empty without validation rows.
    """

    epochs: int = 0
    losses: list[tuple[int, float]] = field(default_factory=list)
    results: list[EpochResult] = field(default_factory=list)

    @property
    def best(self) -> EpochResult | None:
        """The epoch that was kept: the one with the highest score, of equal ones the later; None: the last one."""
        scored = [result for result in self.results if not math.isnan(result.score)]
        return max(scored, key=lambda result: (result.score, result.epoch), default=None)

    @property
    def best_epoch(self) -> int:
        """The number of the epoch that was kept."""
        return self.best.epoch if self.best else self.epochs

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "FitResult":
        """The result that `to_json` gave."""
        losses = [(int(step), float(loss)) for step, loss in values["losses"]]
        return cls(int(values["epochs"]), losses, [EpochResult(**result) for result in values["results"]])


def fit(
    model: Trainable,
    settings: LoopSettings,
    *,
    observer: TrainingObserver | None = None,
    checkpoints: EpochCheckpoints | None = None,
    deadline: Deadline | None = None,
    replicas: Replicas | None = None,
) -> FitResult:
    """Train a model and leave it as it was after its best epoch.

    With validation rows, training ends after `patience_epochs` without a better epoch. Without them all epochs are
    trained, and the last is kept.

    Args:
        checkpoints: where every epoch is kept; training resumes from the newest that is there already.
        deadline: training ends there, within an epoch if need be.
        replicas: processes that share the batches; None: this one computes them alone.

    Raises:
        TrainingError: the loss is no longer a finite number, or see `Replicas.sharing`.
    """
    training = _Training(model, settings, replicas)
    after = checkpoints.newest() if checkpoints else None
    result, best = FitResult(), None
    if after is not None:
        training.resume(after)
        result, best = FitResult.from_json(after.facts), _with_prefix(BEST, after.tensors) or None
        if observer is not None:
            observer.on_resume(after.epoch)
    is_over = _is_past_best(result, settings)
    for step in () if is_over else training.steps(after=after, deadline=deadline):
        result.losses.append((step.number, step.loss))
        if observer is not None:
            observer.on_step(step)
        if not step.ends_epoch:
            continue
        result.epochs = step.epoch
        evaluated = model.evaluate()
        if evaluated is not None:
            result.results.append(EpochResult(step.epoch, step.number, *evaluated))
            if observer is not None:
                observer.on_epoch(result.results[-1])
            if result.best is result.results[-1]:
                best = model.state()
        if checkpoints is not None:
            tensors = training.state() | {f"{BEST}{name}": tensor for name, tensor in (best or {}).items()}
            checkpoints.save(EpochState(step.epoch, tensors, result.to_json()))
        if _is_past_best(result, settings):
            break
    if best is not None:
        model.restore(best)
    return result


def training_steps(model: Trainable, settings: LoopSettings, *, deadline: Deadline | None = None) -> Iterator[Step]:
    """Train from the start, one step per item taken; a caller that takes no more stops it."""
    return _Training(model, settings).steps(deadline=deadline)


def _is_past_best(result: FitResult, settings: LoopSettings) -> bool:
    return result.best is not None and result.epochs - result.best.epoch >= settings.patience_epochs


class _Training:
    """AdamW over a model's parameters: a linear warm-up, then a linear fall to 0, and clipped gradients."""

    def __init__(self, model: Trainable, settings: LoopSettings, replicas: Replicas | None = None) -> None:
        import torch

        self._model, self._settings = model, settings
        self._processes = replicas.count if replicas else 1
        self._sharing = replicas.sharing(model) if replicas else lambda _: model.training()
        self._groups = model.parameter_groups()
        self._peaks = [float(group["lr"]) for group in self._groups]
        self._optimizer = torch.optim.AdamW(self._groups, fused=True if model.has_fused_optimizer else None)
        self._steps_per_epoch = -(-len(model.lengths) // model.batch_size)

    def steps(self, *, after: EpochState | None = None, deadline: Deadline | None = None) -> Iterator[Step]:
        """Make the steps after an epoch. With the item that ends an epoch the model is out of its training mode."""
        model, settings = self._model, self._settings
        count = after.epoch * self._steps_per_epoch if after else 0
        schedule = Schedule(
            model.epochs * self._steps_per_epoch,
            warmup_fraction=settings.warmup_fraction,
            made=count,
            deadline=deadline,
        )
        rng = np.random.default_rng(settings.seed)
        for epoch in range(1, model.epochs + 1):
            batches = batches_of_like_length(model.lengths, model.batch_size, settings.chunk_rows, rng)
            if after is not None and epoch <= after.epoch:
                continue  # drawn all the same: the later epochs' draws come after these
            for step in self._epoch(epoch, batches, count, schedule):
                if not step.ends_epoch:
                    yield step
            # The last one from outside the epoch: the caller may compute with the model now, in any precision.
            count = step.number
            yield step
            if schedule.is_over(count):
                return

    def _epoch(self, epoch: int, batches: Sequence[Sequence[int]], count: int, schedule: Schedule) -> Iterator[Step]:
        import torch

        trained = [parameter for group in self._groups for parameter in group["params"]]
        with self._sharing(self._settings.seed + 2**32 * epoch) as add_gradients:
            for number, batch in enumerate(batches, start=count + 1):
                factor = schedule.rate_factor(number - 1)
                for group, peak in zip(self._optimizer.param_groups, self._peaks, strict=True):
                    group["lr"] = peak * factor
                self._optimizer.zero_grad(set_to_none=True)
                loss = add_gradients(batch)
                torch.nn.utils.clip_grad_norm_(trained, self._settings.clip_norm)
                self._optimizer.step()
                if not math.isfinite(loss):
                    raise TrainingError(
                        f"the loss is {loss} at step {number} of {schedule.steps}; wanted a finite number. "
                        f"{self._model.rates_to_lower}"
                    )
                is_last = number == count + len(batches) or schedule.is_over(number)
                rate = self._peaks[0] * factor
                yield Step(number, schedule.steps, len(batch), loss, rate, epoch, is_last, self._processes)
                if is_last:
                    return

    def state(self) -> "dict[str, torch.Tensor]":
        """A copy of everything that the next epoch depends on."""
        tensors = {f"{PARAMETER}{name}": tensor for name, tensor in self._model.state().items()}
        for position, values in self._optimizer.state_dict()["state"].items():
            for name, tensor in values.items():
                tensors[f"{OPTIMIZER}{position}.{name}"] = tensor.detach().to("cpu", copy=True)
        return tensors | self._random_states()

    def resume(self, after: EpochState) -> None:
        """Return to the state after an epoch: the steps that follow are the ones that would have followed."""
        import torch

        self._model.restore(_with_prefix(PARAMETER, after.tensors))
        moments: dict[int, dict[str, torch.Tensor]] = {}
        for key, tensor in _with_prefix(OPTIMIZER, after.tensors).items():
            position, name = key.split(".", 1)
            moments.setdefault(int(position), {})[name] = tensor
        self._optimizer.load_state_dict(self._optimizer.state_dict() | {"state": moments})
        torch.random.set_rng_state(after.tensors[RANDOM])
        if DEVICE_RANDOM in after.tensors and self._is_on_cuda:
            torch.cuda.set_rng_state(after.tensors[DEVICE_RANDOM], self._model.device)

    def _random_states(self) -> "dict[str, torch.Tensor]":
        """States of the generators that dropout draws from: on a GPU it is the GPU's."""
        import torch

        states = {RANDOM: torch.random.get_rng_state()}
        if self._is_on_cuda:
            states[DEVICE_RANDOM] = torch.cuda.get_rng_state(self._model.device)
        return states

    @property
    def _is_on_cuda(self) -> bool:
        return self._model.device.startswith("cuda")


def _with_prefix(prefix: str, tensors: "Mapping[str, torch.Tensor]") -> "dict[str, torch.Tensor]":
    """The tensors whose names begin with a prefix, without it."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}

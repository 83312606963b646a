"""The training loop of a language model, one step at a time."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import TrainingError
from ..loop.checkpoints import EpochState
from ..loop.deadline import Deadline, Schedule
from ..loop.schedule import batches_of_like_length, learning_rate_factor
from .data import TokenPairs, passes
from .loss import response_losses
from .settings import GenerationSettings
from .tunable import TunableModel, checkpoints_gradients

if TYPE_CHECKING:
    import torch

__all__ = ["Step", "Trainer"]

# Names of tensors in a checkpoint.
PARAMETER, OPTIMIZER, RANDOM, DEVICE_RANDOM = "parameter.", "optimizer.", "random", "device_random"


@dataclass(frozen=True, slots=True)
class Step:
    """What a training step did.

    Attributes:
        number: from 1 to `of`.
        rows: in its batch.
        loss: mean over the batch's response tokens, weighted by row.
        epoch: the epoch that this step ended, from 1; None within one.
    """

    number: int
    of: int
    rows: int
    loss: float
    learning_rate: float
    epoch: int | None


class Trainer:
    """Trains a model on pairs: AdamW, a linear warm-up and a linear fall to 0 over all steps, clipped gradients."""

    def __init__(self, tuned: TunableModel, pairs: TokenPairs, settings: GenerationSettings) -> None:
        import torch

        self._tuned = tuned
        self._rows = pairs.rows
        self._settings = settings
        self._parameters = [parameter for _, parameter in tuned.parameters()]
        self._optimizer = torch.optim.AdamW(
            self._parameters, lr=settings.peak_learning_rate, weight_decay=settings.weight_decay
        )
        self._steps_per_epoch = -(-len(pairs.rows) // settings.batch_size)

    @property
    def total_steps(self) -> int:
        """Steps of all epochs."""
        return self._settings.epochs * self._steps_per_epoch

    def course(self) -> "dict[str, torch.Tensor]":
        """A copy of everything that the next epoch depends on."""
        import torch

        tensors = {f"{PARAMETER}{name}": tensor for name, tensor in self._tuned.state().items()}
        tensors[RANDOM] = torch.random.get_rng_state()
        if self._is_on_cuda:
            tensors[DEVICE_RANDOM] = torch.cuda.get_rng_state(self._tuned.model.device)
        for position, values in self._optimizer.state_dict()["state"].items():
            tensors |= {f"{OPTIMIZER}{position}.{name}": _copy(tensor) for name, tensor in values.items()}
        return tensors

    def resume(self, course: "Mapping[str, torch.Tensor]") -> None:
        """Go back to what `course` gave."""
        import torch

        names = [name.removeprefix(PARAMETER) for name in course if name.startswith(PARAMETER)]
        self._tuned.restore({name: course[f"{PARAMETER}{name}"] for name in names})
        moments: dict[int, dict[str, torch.Tensor]] = {}
        for key, tensor in course.items():
            if key.startswith(OPTIMIZER):
                position, name = key.removeprefix(OPTIMIZER).split(".", 1)
                moments.setdefault(int(position), {})[name] = tensor
        self._optimizer.load_state_dict(self._optimizer.state_dict() | {"state": moments})
        torch.random.set_rng_state(course[RANDOM])
        if self._is_on_cuda and DEVICE_RANDOM in course:
            torch.cuda.set_rng_state(course[DEVICE_RANDOM], self._tuned.model.device)

    def run(self, *, after: EpochState | None = None, deadline: Deadline | None = None) -> Iterator[Step]:
        """Train, one step per item taken; a caller that takes no more stops it.

        With the item that ends an epoch the model can be measured.

        Args:
            after: go on after this epoch, whose tensors include those of `course` then: the steps that follow are
                those that would have followed.
            deadline: training ends there, within an epoch if need be; the rate falls as fast as the time runs out.

        Raises:
            TrainingError: the loss is no longer a finite number.
        """
        settings = self._settings
        if after is not None:
            self.resume(after.tensors)
        rng = np.random.default_rng(settings.seed)
        lengths = [len(row.ids) for row in self._rows]
        number = after.epoch * self._steps_per_epoch if after else 0
        course = Schedule(self.total_steps, number, deadline)
        for epoch in range(1, settings.epochs + 1):
            batches = batches_of_like_length(lengths, settings.batch_size, settings.chunk_rows, rng)
            if after is not None and epoch <= after.epoch:
                continue  # drawn all the same: the later epochs' draws come after these
            for step in self._epoch(epoch, number, batches, course):
                if step.epoch is None:
                    yield step
            # The last one from outside the epoch, in evaluation mode.
            number = step.number
            yield step
            if course.is_over(number):
                return

    def _epoch(self, epoch: int, number: int, batches: list[list[int]], course: Schedule) -> Iterator[Step]:
        is_checkpointing = checkpoints_gradients(self._tuned.model, self._settings)
        with self._tuned.training_mode(checkpointing=is_checkpointing):
            for position, batch in enumerate(batches, start=1):
                rate = self._settings.peak_learning_rate * learning_rate_factor(
                    course.position(number), course.steps, self._settings.warmup_fraction
                )
                loss = self._step(batch, rate)
                number += 1
                if not np.isfinite(loss):
                    raise TrainingError(
                        f"the loss is {loss} at step {number} of {self.total_steps}; wanted a finite number. Lower "
                        f"learning_rate (now {self._settings.peak_learning_rate:g})"
                    )
                is_last = position == len(batches) or course.is_over(number)
                yield Step(number, self.total_steps, len(batch), loss, rate, epoch if is_last else None)
                if is_last:
                    return

    def _step(self, batch: list[int], rate: float) -> float:
        import torch

        for options in self._optimizer.param_groups:
            options["lr"] = rate
        self._optimizer.zero_grad(set_to_none=True)
        # Over the whole step, however many passes it takes: a mean of the passes' means would weigh tokens unequally.
        weight = sum(self._rows[i].weight * (len(self._rows[i].ids) - self._rows[i].prompt_tokens) for i in batch)
        total = 0.0
        for group in passes(self._rows, batch, self._settings.tokens_per_pass):
            rows = [self._rows[i] for i in group]
            losses = response_losses(self._tuned.model, rows)
            weights = torch.tensor([row.weight for row in rows], dtype=losses.dtype, device=losses.device)
            loss = (losses.sum(dim=1) * weights).sum() / weight
            torch.autograd.backward(loss)
            total += float(loss.detach())
        torch.nn.utils.clip_grad_norm_(self._parameters, self._settings.clip_norm)
        self._optimizer.step()
        return total

    @property
    def _is_on_cuda(self) -> bool:
        return self._tuned.model.device.startswith("cuda")


def _copy(tensor: Any) -> Any:
    return tensor.detach().to("cpu", copy=True)

"""A base model tuned together with a linear head: by adapters inside it (LoRA), or with all of its weights.

Source: Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large Language Models"; the adapters are peft's.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...arrays import Floats2d
from ...domain.model import Method
from ...errors import TrainingError
from ...models.bundle.head import Head
from ...models.text.classifier import save_adapter, save_weights, without_peft_noise
from ...models.text.tokenised import TokenisedTexts
from ...models.text.torch_encoder import TextEncoder, compute_context, unit_vectors
from ..loop.checkpoints import EpochState
from ..loop.deadline import Deadline, Schedule
from ..loop.schedule import batches_of_like_length, learning_rate_factor
from ..objectives.base import Objective
from ..rows.batches import Batch, Batches
from ..rows.encoded import EncodedRows
from ..target_modules import has_transposed_weights, lora_target_modules
from .adversarial import WordVectors, word_vectors
from .attention import attention_switch
from .hyperparameters import Hyperparameters
from .low_rank import lean_layers
from .settings import TrainingSettings

if TYPE_CHECKING:
    import torch
    from torch import nn

__all__ = ["Step", "TunedModel", "tuned"]

EMBEDDINGS = re.compile(r"(^|\.)(embeddings?|wte|wpe|embed_\w+|shared)(\.|$)")
# Names of tensors in a checkpoint.
PARAMETER, OPTIMIZER, RANDOM = "parameter.", "optimizer.", "random"


@dataclass(frozen=True, slots=True)
class Step:
    """What a training step did.

    Attributes:
        number: from 1 to `of`.
        rows: token sequences in its batch.
        loss: mean over the batch's units, weighted.
        learning_rate: of the base model's part.
        epoch: the epoch that this step ended, in time or for want of it, from 1; None within one.
    """

    number: int
    of: int
    rows: int
    loss: float
    learning_rate: float
    epoch: int | None


class TunedModel:
    """An encoder whose weights, or adapters in its layers, are trained together with a head.

    Args:
        encoder: shared with the caller; it gives tuned features for as long as the model lives.
        module: holds the parameters to train, those that require a gradient.
        settings: how it is trained, with the recipe.
        save: writes what training has changed in the base model into a part's folder.
        learning_rate: peak rate of the module's parameters.
    """

    def __init__(
        self,
        encoder: TextEncoder,
        module: "nn.Module",
        head: Head,
        objective: Objective,
        *,
        settings: TrainingSettings,
        hyperparameters: Hyperparameters,
        save: Callable[[Path], None],
        learning_rate: float,
    ) -> None:
        import torch

        self.encoder = encoder
        self.save = save
        self._module = module
        self._objective = objective
        self._settings, self._recipe = settings, hyperparameters
        self._learning_rate = learning_rate
        self._weight = torch.nn.Parameter(torch.tensor(head.weight, device=encoder.device))
        self._bias = torch.nn.Parameter(torch.tensor(head.bias, device=encoder.device))
        self._optimizer: torch.optim.Optimizer | None = None

    @property
    def head(self) -> Head:
        """The head as it is now."""
        weight, bias = (each.detach().cpu().numpy().copy() for each in (self._weight, self._bias))
        return Head(weight, bias)

    @property
    def trainable_share(self) -> float:
        """Parameters that training changes, of all."""
        head = self._weight.numel() + self._bias.numel()
        trainable = sum(parameter.numel() for _, parameter in self._parameters())
        return trainable / (sum(parameter.numel() for parameter in self._module.parameters()) + head)

    def logits(self, reading: TokenisedTexts, *, on_rows: Callable[[int], None] | None = None) -> Floats2d:
        """Uncalibrated logits, shape (U, K)."""
        return self.head.logits(self.encoder.vectors(reading, on_rows=on_rows))

    def state(self) -> "dict[str, torch.Tensor]":
        """A copy of everything that training changes."""
        return {name: parameter.detach().clone() for name, parameter in self._parameters()}

    def restore(self, state: "dict[str, torch.Tensor]") -> None:
        """Go back to a former state."""
        import torch

        with torch.no_grad():
            for name, parameter in self._parameters():
                parameter.copy_(state[name])

    def course(self) -> "dict[str, torch.Tensor]":
        """A copy of everything that the next epoch of a training under way depends on."""
        import torch

        tensors = {f"{PARAMETER}{name}": tensor for name, tensor in self.state().items()} | {
            RANDOM: torch.random.get_rng_state()
        }
        moments = self._optimizer.state_dict()["state"] if self._optimizer else {}
        for position, values in moments.items():
            tensors |= {f"{OPTIMIZER}{position}.{name}": tensor.clone() for name, tensor in values.items()}
        return tensors

    def _resume(self, course: "Mapping[str, torch.Tensor]", optimizer: "torch.optim.Optimizer") -> None:
        import torch

        self.restore(
            {name.removeprefix(PARAMETER): tensor for name, tensor in course.items() if name.startswith(PARAMETER)}
        )
        moments: dict[int, dict[str, torch.Tensor]] = {}
        for key, tensor in course.items():
            if key.startswith(OPTIMIZER):
                position, name = key.removeprefix(OPTIMIZER).split(".", 1)
                moments.setdefault(int(position), {})[name] = tensor
        optimizer.load_state_dict(optimizer.state_dict() | {"state": moments})
        torch.random.set_rng_state(course[RANDOM])

    def train(
        self, encoded: EncodedRows, *, after: EpochState | None = None, deadline: Deadline | None = None
    ) -> Iterator[Step]:
        """Train, one step per item taken; a caller that takes no more stops it.

        The schedule: AdamW, a linear warm-up and a linear fall to 0 over all steps, clipped gradients, batches of
        texts of like length.

        Args:
            after: go on after this epoch, whose tensors include those of `course` then: the steps that follow are
                those that would have followed.
            deadline: training ends there, within an epoch if need be; rates fall as fast as the time runs out.

        Raises:
            TrainingError: the loss is no longer a finite number.
        """
        settings, hyperparameters = self._settings, self._recipe
        material = Batches(encoded, pad_id=self.encoder.pad_id, device=self.encoder.device)
        self._optimizer = self._new_optimizer()
        if after is not None:
            self._resume(after.tensors, self._optimizer)
        steps_per_epoch = -(-len(material.lengths) // hyperparameters.batch_size)
        made = after.epoch * steps_per_epoch if after else 0
        course = Schedule(hyperparameters.epochs * steps_per_epoch, made, deadline)
        rng = np.random.default_rng(settings.seed)
        for epoch in range(1, hyperparameters.epochs + 1):
            cut = batches_of_like_length(material.lengths, hyperparameters.batch_size, settings.chunk_rows, rng)
            if after is not None and epoch <= after.epoch:
                continue  # drawn all the same: the later epochs' draws come after these
            for step in self._epoch(epoch, [material.take(members) for members in cut], made, course, self._optimizer):
                if step.epoch is None:
                    yield step
            # The last one from outside the epoch: the caller may embed texts now, of any length, in any precision.
            made = step.number
            yield step
            if course.is_over(made):
                return

    def _epoch(
        self, epoch: int, batches: Sequence[Batch], made: int, course: Schedule, optimizer: "torch.optim.Optimizer"
    ) -> Iterator[Step]:
        module = self.encoder.backbone.module
        peaks = self._learning_rate, self._recipe.head_learning_rate
        with (
            attention_switch(module) as switch,
            word_vectors(module) as vectors,
            lean_layers(self._module, use_bf16=self.encoder.use_bf16),
            self._dropout(),
        ):
            for number, batch in enumerate(batches, start=made + 1):
                factor = learning_rate_factor(course.position(number - 1), course.steps, self._settings.warmup_fraction)
                for group, peak in zip(optimizer.param_groups, peaks, strict=True):
                    group["lr"] = peak * factor
                switch.set_for(batch.ids.shape[1])
                loss = self._step(batch, vectors, optimizer)
                if not np.isfinite(loss):
                    raise TrainingError(
                        f"the loss is {loss} at step {number} of {course.steps}; wanted a finite number. Lower "
                        f"the learning rate of the base model (now {self._learning_rate:g}) or head_learning_rate "
                        f"(now {self._recipe.head_learning_rate:g}), or train with method regression."
                    )
                is_last = number == made + len(batches) or course.is_over(number)
                yield Step(number, course.steps, batch.rows, loss, peaks[0] * factor, epoch if is_last else None)
                if is_last:
                    return

    def _step(self, batch: Batch, vectors: WordVectors, optimizer: "torch.optim.Optimizer") -> float:
        import torch

        optimizer.zero_grad(set_to_none=True)
        loss = self._add_gradients(partial(self._loss, batch), vectors, batch.mask, self._recipe.adversarial_size)
        trained = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        torch.nn.utils.clip_grad_norm_(trained, self._settings.clip_norm)
        optimizer.step()
        return loss

    def _loss(self, batch: Batch) -> "torch.Tensor":
        import torch
        from torch.nn import functional

        with compute_context(self.encoder.use_bf16, self.encoder.device):
            features = unit_vectors(self.encoder.backbone.module, batch.ids, batch.mask, batch.places)
        if batch.added is not None:
            features = torch.cat([features, batch.added], dim=1)
        logits = functional.linear(features, self._weight, self._bias)
        return (self._objective.loss(logits, batch.codes) * batch.weights).mean()

    def _add_gradients(
        self, compute_loss: "Callable[[], torch.Tensor]", vectors: WordVectors, mask: "torch.Tensor", size: float
    ) -> float:
        """Add the gradients of the loss and, for a size above 0, of the loss under adversarial word vectors."""
        import torch

        if size == 0:
            loss = compute_loss()
            torch.autograd.backward(loss)
            return float(loss.detach())
        with vectors.watched():
            loss = compute_loss()
        torch.autograd.backward(loss)
        with vectors.shifted(mask, size=size):
            torch.autograd.backward(compute_loss())
        return float(loss.detach())

    @contextmanager
    def _dropout(self) -> Iterator[None]:
        """The adapters' dropout alone: the base model's own made results worse."""
        layers = [module for name, module in self._module.named_modules() if "lora_dropout" in name]
        for layer in layers:
            layer.train(True)
        try:
            yield
        finally:
            for layer in layers:
                layer.train(False)

    def _new_optimizer(self) -> "torch.optim.Optimizer":
        import torch

        tuned = [parameter for parameter in self._module.parameters() if parameter.requires_grad]
        return torch.optim.AdamW(
            [
                {"params": tuned, "lr": self._learning_rate, "weight_decay": self._settings.weight_decay},
                {"params": [self._weight, self._bias], "lr": self._recipe.head_learning_rate, "weight_decay": 0.0},
            ],
            fused=True,
        )

    def _parameters(self) -> "Iterator[tuple[str, nn.Parameter]]":
        for name, parameter in self._module.named_parameters():
            if parameter.requires_grad:
                yield name, parameter
        yield "head.weight", self._weight
        yield "head.bias", self._bias


def tuned(
    encoder: TextEncoder,
    head: Head,
    objective: Objective,
    method: Method,
    *,
    settings: TrainingSettings,
    hyperparameters: Hyperparameters,
) -> AbstractContextManager[TunedModel]:
    """The encoder ready to be trained with a head; with the block it is frozen again, as it was before.

    Args:
        method: LORA puts fresh adapters into its layers, which change nothing before training; FULL trains its weights.

    Raises:
        TrainingError: the base model has no layers to adapt.
    """
    return (_unfrozen if method is Method.FULL else _adapted)(encoder, head, objective, settings, hyperparameters)


@contextmanager
def _adapted(
    encoder: TextEncoder, head: Head, objective: Objective, settings: TrainingSettings, hyperparameters: Hyperparameters
) -> Iterator[TunedModel]:
    import torch
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        r=hyperparameters.lora_r,
        lora_alpha=hyperparameters.lora_alpha,
        lora_dropout=settings.lora_dropout,
        target_modules=lora_target_modules(encoder.backbone.module),
        fan_in_fan_out=has_transposed_weights(encoder.backbone.module),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        with without_peft_noise():
            model = get_peft_model(encoder.backbone.module, config).eval()
        try:
            yield TunedModel(
                encoder,
                model,
                head,
                objective,
                settings=settings,
                hyperparameters=hyperparameters,
                save=partial(save_adapter, model, base_model=encoder.backbone.name),
                learning_rate=hyperparameters.adapter_learning_rate,
            )
        finally:
            encoder.backbone.module = model.unload()


@contextmanager
def _unfrozen(
    encoder: TextEncoder, head: Head, objective: Objective, settings: TrainingSettings, hyperparameters: Hyperparameters
) -> Iterator[TunedModel]:
    import torch

    module = encoder.backbone.module
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    # Word vectors stay: few words occur in the rows, and the others must not be left behind. It is faster, too.
    frozen = {parameter for name, parameter in module.named_parameters() if EMBEDDINGS.search(name)}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        for parameter in module.parameters():
            parameter.requires_grad_(parameter not in frozen)
        try:
            yield TunedModel(
                encoder,
                module,
                head,
                objective,
                settings=settings,
                hyperparameters=hyperparameters,
                save=partial(save_weights, module),
                learning_rate=hyperparameters.full_learning_rate,
            )
        finally:
            module.requires_grad_(False)
            module.load_state_dict(before)

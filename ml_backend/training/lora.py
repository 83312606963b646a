"""LoRA on any base model: adapters inside it, a linear head on its pooled features.

Source: Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large Language Models"; the adapters are peft's.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..encoders.bundle import Head
from ..encoders.classifier import save_adapter, without_peft_noise
from ..encoders.embed import Floats2d, TextEncoder, compute_context, padded, pooled
from ..errors import TrainingError
from .adversarial import WordVectors, word_vectors
from .attention import AttentionSwitch, attention_switch
from .checkpoints import EpochState
from .data import LabeledTexts
from .schedule import batches_of_like_length, learning_rate_factor
from .settings import TrainingSettings
from .target_modules import has_transposed_weights, lora_target_modules

if TYPE_CHECKING:
    import torch
    from peft import PeftModel
    from torch import nn

__all__ = ["LoraModel", "Step", "adapted"]

# Names of tensors in a checkpoint.
PARAMETER, OPTIMIZER, RANDOM = "parameter.", "optimizer.", "random"


@dataclass(frozen=True, slots=True)
class Step:
    """What a training step did.

    Attributes:
        number: from 1 to `of`.
        rows: in its batch.
        loss: mean over the batch, weighted.
        learning_rate: of the adapter.
        epoch: the epoch that this step ended, from 1; None within one.
    """

    number: int
    of: int
    rows: int
    loss: float
    learning_rate: float
    epoch: int | None


class LoraModel:
    """An encoder with adapters in its layers, and the head trained with them.

    Args:
        encoder: shared with the caller; it gives adapted features for as long as the adapters are in it.
    """

    def __init__(self, encoder: TextEncoder, peft_model: "PeftModel", head: Head) -> None:
        import torch

        self.encoder = encoder
        self._peft_model = peft_model
        self._weight = torch.nn.Parameter(torch.from_numpy(head.weight.copy()))
        self._bias = torch.nn.Parameter(torch.from_numpy(head.bias.copy()))
        self._optimizer: torch.optim.Optimizer | None = None

    @property
    def head(self) -> Head:
        """The head as it is now."""
        return Head(self._weight.detach().numpy().copy(), self._bias.detach().numpy().copy())

    @property
    def trainable_share(self) -> float:
        """Parameters that training changes, of all."""
        trainable, total = self._peft_model.get_nb_trainable_parameters()
        head = self._weight.numel() + self._bias.numel()
        return (trainable + head) / (total + head)

    def logits(self, texts: Sequence[str], *, on_rows: Callable[[int], None] | None = None) -> Floats2d:
        """Uncalibrated logits, shape (N, K)."""
        return self.head.logits(self.encoder.embed(texts, on_rows=on_rows))

    def save(self, folder: Path) -> None:
        """Write the adapter in peft's format."""
        save_adapter(self._peft_model, folder, base_model=self.encoder.backbone.name)

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
        self,
        data: LabeledTexts,
        settings: TrainingSettings,
        *,
        epochs: int,
        seed: int,
        after: EpochState | None = None,
    ) -> Iterator[Step]:
        """Train, one step per item taken; a caller that takes no more stops it.

        The schedule: AdamW, a linear warm-up and a linear fall to 0 over all steps, clipped gradients, batches of
        texts of like length.

        Args:
            after: go on after this epoch, whose tensors include those of `course` then: the steps that follow are
                those that would have followed.

        Raises:
            TrainingError: the loss is no longer a finite number.
        """
        module = self.encoder.backbone.module
        with attention_switch(module) as switch, word_vectors(module) as vectors:
            try:
                yield from self._steps(data, settings, switch, vectors, epochs=epochs, seed=seed, after=after)
            finally:
                self._use_dropout(False)

    def _steps(
        self,
        data: LabeledTexts,
        settings: TrainingSettings,
        switch: AttentionSwitch,
        vectors: WordVectors,
        *,
        epochs: int,
        seed: int,
        after: EpochState | None,
    ) -> Iterator[Step]:
        import torch

        rows = self.encoder.tokenise(data.texts)
        targets = torch.from_numpy(data.indices)
        weights = torch.from_numpy(data.weights / data.weights.mean()).float()
        self._optimizer = optimizer = self._new_optimizer(settings)
        rng = np.random.default_rng(seed)
        lengths = [len(row) for row in rows]
        steps_per_epoch = -(-len(rows) // settings.batch_size)
        total = epochs * steps_per_epoch
        rates = [group["lr"] for group in optimizer.param_groups]
        if after is not None:
            self._resume(after.tensors, optimizer)
        number = 0
        for epoch in range(1, epochs + 1):
            batches = batches_of_like_length(lengths, settings.batch_size, settings.chunk_rows, rng)
            if after is not None and epoch <= after.epoch:
                number += len(batches)  # drawn all the same: the later epochs' draws come after these
                continue
            self._use_dropout(True)
            for position, batch in enumerate(batches, start=1):
                factor = learning_rate_factor(number, total, settings.warmup_fraction)
                for group, rate in zip(optimizer.param_groups, rates, strict=True):
                    group["lr"] = rate * factor
                tokens = padded([rows[i] for i in batch], self.encoder.pad_id)
                switch.set_for(tokens[0].shape[1])
                optimizer.zero_grad(set_to_none=True)
                loss = self._add_gradients(
                    partial(self._loss, tokens, targets[batch], weights[batch]),
                    vectors,
                    tokens[1],
                    settings.adversarial_size,
                )
                torch.nn.utils.clip_grad_norm_([parameter for _, parameter in self._parameters()], settings.clip_norm)
                optimizer.step()
                number += 1
                if not np.isfinite(loss):
                    raise TrainingError(
                        f"the loss is {loss} at step {number} of {total}; wanted a finite number. Lower "
                        f"adapter_learning_rate (now {settings.adapter_learning_rate:g}) or head_learning_rate "
                        f"(now {settings.head_learning_rate:g}), or train with method regression."
                    )
                ended = epoch if position == steps_per_epoch else None
                if ended:
                    # The caller may embed validation texts now, of any length.
                    switch.reset()
                    self._use_dropout(False)
                yield Step(number, total, len(batch), loss, rates[0] * factor, ended)

    def _loss(
        self, tokens: "tuple[torch.Tensor, torch.Tensor]", targets: "torch.Tensor", weights: "torch.Tensor"
    ) -> "torch.Tensor":
        from torch.nn import functional

        with compute_context(self.encoder.use_bf16):
            features = pooled(self.encoder.backbone.module, *tokens)
        logits = functional.linear(features, self._weight, self._bias)
        return (functional.cross_entropy(logits, targets, reduction="none") * weights).mean()

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

    def _use_dropout(self, is_used: bool) -> None:
        """The adapters' dropout alone: the base model's own made results worse."""
        for name, module in self._peft_model.named_modules():
            if "lora_dropout" in name:
                module.train(is_used)

    def _new_optimizer(self, settings: TrainingSettings) -> "torch.optim.Optimizer":
        import torch

        adapter = [parameter for parameter in self._peft_model.parameters() if parameter.requires_grad]
        return torch.optim.AdamW(
            [
                {"params": adapter, "lr": settings.adapter_learning_rate, "weight_decay": settings.weight_decay},
                {"params": [self._weight, self._bias], "lr": settings.head_learning_rate, "weight_decay": 0.0},
            ]
        )

    def _parameters(self) -> "Iterator[tuple[str, nn.Parameter]]":
        for name, parameter in self._peft_model.named_parameters():
            if parameter.requires_grad:
                yield name, parameter
        yield "head.weight", self._weight
        yield "head.bias", self._bias


@contextmanager
def adapted(encoder: TextEncoder, head: Head, settings: TrainingSettings, *, seed: int) -> Iterator[LoraModel]:
    """The encoder with fresh adapters in it, which change nothing before training; they are taken out at the end.

    Raises:
        TrainingError: the base model has no layers to adapt.
    """
    import torch
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        r=settings.lora_r,
        lora_alpha=settings.lora_alpha,
        lora_dropout=settings.lora_dropout,
        target_modules=lora_target_modules(encoder.backbone.module),
        fan_in_fan_out=has_transposed_weights(encoder.backbone.module),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        with without_peft_noise():
            peft_model = get_peft_model(encoder.backbone.module, config).eval()
        try:
            yield LoraModel(encoder, peft_model, head)
        finally:
            encoder.backbone.module = peft_model.unload()

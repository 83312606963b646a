"""A base model tuned together with a linear head: by an adapter inside it (LoRA), or with all of its weights."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ...arrays import Floats2d, Ints, Places
from ...domain.model import Method
from ...models.base.adapters import add_adapter, save_adapter, scale_adapter
from ...models.base.token_batches import compute_context, padded
from ...models.bundle.head import Head
from ...models.text.classifier import save_weights
from ...models.text.pooling import Pooling
from ...models.text.tokenised import TokenisedTexts
from ...models.text.torch_encoder import TextEncoder, unit_vectors
from ..loop.trainable import Trainable
from ..objectives.base import Objective
from ..rows.encoded import EncodedRows
from .adversarial import WordVectors
from .attention import AttentionSwitch
from .low_rank import lean_layers
from .piece_groups import PieceGroups
from .settings import Hyperparameters, TrainingSettings

if TYPE_CHECKING:
    import torch
    from peft import PeftModel
    from torch import nn

__all__ = ["TunedClassifier"]

EMBEDDINGS = re.compile(r"(^|\.)(embeddings?|wte|wpe|embed_\w+|shared)(\.|$)")
MOST_PADDED_TOKENS = 8192
"""So many tokens of long texts are computed at a time: as many as 32 texts of one piece have at most."""
LOGITS = "validation_logits"
"""Name of the validation rows' logits among the tensors of a state: what the best epoch gave is not computed again."""


class TunedClassifier(Trainable):
    """An encoder whose weights, or an adapter in its layers, are trained together with a head.

    Args:
        encoder: shared with the caller; it gives tuned features for as long as the model lives.
        module: holds the parameters to train, which are the ones that require a gradient.
        save: writes what training has changed in the base model into a part's folder.
        learning_rate: peak rate of the module's parameters.
    """

    has_fused_optimizer = True

    def __init__(
        self,
        encoder: TextEncoder,
        module: "nn.Module",
        head: Head,
        objective: Objective,
        *,
        settings: TrainingSettings,
        hyperparameters: Hyperparameters,
        save: Callable[[Path], object],
        learning_rate: float,
    ) -> None:
        import torch

        self.encoder, self.device, self.save = encoder, encoder.device, save
        self.epochs, self.batch_size = hyperparameters.epochs, hyperparameters.batch_size
        self._module, self._objective = module, objective
        self._settings, self._hyperparameters = settings, hyperparameters
        self._learning_rate = learning_rate
        self._weight = torch.nn.Parameter(torch.tensor(head.weight, device=encoder.device))
        self._bias = torch.nn.Parameter(torch.tensor(head.bias, device=encoder.device))
        self._validation: EncodedRows | None = None
        self._validation_logits: Floats2d | None = None

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_validation": None, "_validation_logits": None}

    def set_rows(self, encoded: EncodedRows, validation: EncodedRows | None = None) -> None:
        """Set the rows to learn, and the validation rows that epochs are scored on."""
        self._batches = _Batches(
            encoded, pooling=self._objective.pooling, pad_id=self.encoder.pad_id, device=self.encoder.device
        )
        self.lengths = self._batches.lengths
        self._validation, self._validation_logits = validation, None

    @property
    def head(self) -> Head:
        """The head as it is now."""
        weight, bias = (each.detach().cpu().numpy().copy() for each in (self._weight, self._bias))
        return Head(weight, bias)

    @property
    def trainable_share(self) -> float:
        """Parameters that training changes, of all."""
        head = self._weight.numel() + self._bias.numel()
        return self.count_parameters() / (sum(each.numel() for each in self._module.parameters()) + head)

    def weaken_adapter(self) -> None:
        """Keep a share of what the adapter has learned, as the hyperparameters say; the head stays as it is.

        A model between the base model and the tuned one errs less than either where rows are few; source: Wortsman et
        al. 2022, "Robust fine-tuning of zero-shot models". Nothing happens where all weights are trained.
        """
        if self._hyperparameters.adapter_strength != 1.0:
            scale_adapter(self._module, self._hyperparameters.adapter_strength)
            self._validation_logits = None

    def logits(self, tokenised: TokenisedTexts) -> Floats2d:
        """Uncalibrated logits, shape (U, K)."""
        return self._objective.decoder.logits(self.head, self.encoder.vectors(tokenised), tokenised)

    def logits_of(self, validation: EncodedRows) -> Floats2d:
        """Logits of the validation rows, which are known where these picked the epoch that the model is in."""
        if validation is self._validation and self._validation_logits is not None:
            return self._validation_logits
        return self.logits(validation.tokenised)

    def parameters(self) -> "Iterator[tuple[str, nn.Parameter]]":
        for name, parameter in self._module.named_parameters():
            if parameter.requires_grad:
                yield name, parameter
        yield "head.weight", self._weight
        yield "head.bias", self._bias

    def parameter_groups(self) -> list[dict[str, Any]]:
        tuned = [parameter for parameter in self._module.parameters() if parameter.requires_grad]
        return [
            {"params": tuned, "lr": self._learning_rate, "weight_decay": self._settings.weight_decay},
            {
                "params": [self._weight, self._bias],
                "lr": self._hyperparameters.head_learning_rate,
                "weight_decay": 0.0,
            },
        ]

    @property
    def rates_to_lower(self) -> str:
        return (
            f"Lower the learning rate of the base model (now {self._learning_rate:g}) or head_learning_rate "
            f"(now {self._hyperparameters.head_learning_rate:g}), or train with method regression."
        )

    def state(self) -> "dict[str, torch.Tensor]":
        import torch

        logits = self._validation_logits
        return super().state() | ({} if logits is None else {LOGITS: torch.from_numpy(logits.copy())})

    def restore(self, state: "Mapping[str, torch.Tensor]") -> None:
        super().restore(state)
        self._validation_logits = state[LOGITS].numpy().copy() if LOGITS in state else None

    @contextmanager
    def training(self) -> Iterator[Callable[[Sequence[int]], float]]:
        """Dropout in the adapter alone: the base model's own made results worse."""
        module = self.encoder.backbone.module
        dropouts = [layer for name, layer in self._module.named_modules() if "lora_dropout" in name]
        self._validation_logits = None
        with (
            AttentionSwitch(module) as attention,
            WordVectors(module) as vectors,
            lean_layers(self._module, use_bf16=self.encoder.use_bf16),
        ):

            def add_gradients(positions: Sequence[int]) -> float:
                size = self._hyperparameters.adversarial_size
                loss = 0.0
                for batch in self._batches.take(positions):
                    attention.set_for(batch.ids.shape[1])
                    loss += vectors.add_gradients(partial(self._loss, batch), batch.mask, size=size)
                return loss

            for layer in dropouts:
                layer.train(True)
            try:
                yield add_gradients
            finally:
                for layer in dropouts:
                    layer.train(False)

    def loss_weight(self, positions: Sequence[int]) -> float:
        return float(self._batches.units(positions))

    def evaluate(self) -> tuple[float, Mapping[str, float]] | None:
        if self._validation is None:
            return None
        self._validation_logits = self.logits(self._validation.tokenised)
        evaluation = self._objective.evaluation(self._validation_logits, self._validation)
        return self._objective.measure.score(evaluation), evaluation.summary()

    def _loss(self, batch: "_Batch") -> "torch.Tensor":
        import torch
        from torch.nn import functional

        with compute_context(self.encoder.use_bf16, self.encoder.device):
            features = unit_vectors(self.encoder.backbone.module, batch.ids, batch.mask, batch.places)
        if batch.added is not None:
            features = torch.cat([features, batch.added], dim=1)
        if batch.groups is None:
            logits = functional.linear(features, self._weight, self._bias)
        else:
            logits = batch.groups.pooled(features, self._weight) + self._bias
        return (self._objective.loss(logits, batch.codes) * batch.weights).sum() / batch.step_units

    @classmethod
    @contextmanager
    def over(
        cls,
        encoder: TextEncoder,
        head: Head,
        objective: Objective,
        method: Method,
        *,
        settings: TrainingSettings,
        hyperparameters: Hyperparameters,
    ) -> "Iterator[TunedClassifier]":
        """The encoder ready to be trained with a head; after the block it is frozen again, as it was before.

        Args:
            method: LORA puts a fresh adapter into its layers, which changes nothing before training; FULL trains its
                weights.

        Raises:
            TrainingError: the base model has no layers to adapt.
        """
        import torch

        backbone = encoder.backbone
        # Dropout and fresh adapters draw from torch's global generator: the caller's numbers are put back afterwards.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            if method is Method.FULL:
                module: nn.Module = backbone.module
                prepared = _unfrozen(module)
                save: Callable[[Path], object] = partial(save_weights, module)
                rate = hyperparameters.full_learning_rate
            else:
                adapter = add_adapter(
                    backbone.module,
                    rank=hyperparameters.lora_r,
                    alpha=hyperparameters.lora_alpha,
                    dropout=settings.lora_dropout,
                )
                module, prepared = adapter, _unloaded(encoder, adapter)
                save = partial(save_adapter, adapter, base_model=backbone.name)
                rate = hyperparameters.adapter_learning_rate
            with prepared:
                yield cls(
                    encoder,
                    module,
                    head,
                    objective,
                    settings=settings,
                    hyperparameters=hyperparameters,
                    save=save,
                    learning_rate=rate,
                )


@contextmanager
def _unloaded(encoder: TextEncoder, adapter: "PeftModel") -> Iterator[None]:
    """Take the adapter out of the encoder's layers after the block."""
    try:
        yield
    finally:
        encoder.backbone.module = adapter.unload()


@contextmanager
def _unfrozen(module: "nn.Module") -> Iterator[None]:
    """Let all weights but the word vectors be trained within the block, and put the former ones back after it."""
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    # Word vectors stay: few words occur in the rows, and the others must not be left behind. It is faster, too.
    frozen = {parameter for name, parameter in module.named_parameters() if EMBEDDINGS.search(name)}
    try:
        for parameter in module.parameters():
            parameter.requires_grad_(parameter not in frozen)
        yield
    finally:
        module.requires_grad_(False)
        module.load_state_dict(before)


class _Batch(NamedTuple):
    """Token sequences and what the head should answer to their units; tensors are on one device.

    Attributes:
        ids: shape (N, T), as is `mask`: 1 for real tokens.
        places: where the pieces are read; None: every sequence is one.
        added: features beside the model's, shape (P, F); None: there are none.
        groups: which pieces are of the same unit; None: every piece is a unit.
        codes: per unit, see the objective; `weights` are the factors on their losses.
        step_units: units of the step that the batch is a part of.
    """

    ids: "torch.Tensor"
    mask: "torch.Tensor"
    places: Places | None
    added: "torch.Tensor | None"
    groups: PieceGroups | None
    codes: "torch.Tensor"
    weights: "torch.Tensor"
    step_units: int


class _Batches:
    """The sequences of encoded rows as tensors.

    Attributes:
        lengths: tokens per item that holds anything to learn, which is a sequence or, where texts are units, a text;
            batches are asked for by positions in this.
    """

    def __init__(self, encoded: EncodedRows, *, pooling: Pooling, pad_id: int, device: str) -> None:
        import torch

        tokenised = encoded.tokenised
        self._tokenised, self._pooling = tokenised, pooling
        self._pad_id, self._device = pad_id, device
        self._codes = torch.from_numpy(encoded.codes).to(device)
        self._weights = torch.from_numpy(encoded.unit_weights / encoded.rows.weights.mean()).float().to(device)
        self._added = None if tokenised.added is None else torch.from_numpy(tokenised.added).to(device)
        if tokenised.fields is None:
            sequences = range(len(tokenised.sequences))
            self._items = [[i] for i in sequences if len(tokenised.pieces_of_sequences([i]))]
        else:
            self._items = [list(range(*edges)) for edges in pairwise(tokenised.sequence_starts.tolist())]
        self.lengths = [sum(len(tokenised.sequences[i]) for i in item) for item in self._items]

    def take(self, positions: Sequence[int]) -> Iterator[_Batch]:
        """Yield the items at these positions: together, or in parts where some of them have many pieces."""
        if self._tokenised.fields is None:
            members = [i for position in positions for i in self._items[position]]
            units = self._tokenised.pieces_of_sequences(members)
            yield self._batch(members, units, None, len(units))
            return
        for part in self._parts(positions):
            members = [i for position in part for i in self._items[position]]
            groups = None
            if not self._tokenised.is_plain:
                groups = PieceGroups.of(self._tokenised.take(part), self._pooling, self._device)
            yield self._batch(members, np.array(part, dtype=np.int64), groups, len(positions))

    def units(self, positions: Sequence[int]) -> int:
        """Number of units that the items at these positions have in all."""
        if self._tokenised.fields is not None:
            return len(positions)
        return sum(len(self._tokenised.pieces_of_sequences(self._items[position])) for position in positions)

    def _batch(self, members: Sequence[int], units: Ints, groups: PieceGroups | None, step_units: int) -> _Batch:
        import torch

        ids, mask = padded([self._tokenised.sequences[i] for i in members], self._pad_id, self._device)
        chosen = torch.from_numpy(units).to(self._device)
        added = None if self._added is None else self._added[chosen]
        places = self._tokenised.places_of(members)
        return _Batch(ids, mask, places, added, groups, self._codes[chosen], self._weights[chosen], step_units)

    def _parts(self, positions: Sequence[int]) -> list[list[int]]:
        """Cut texts of many pieces into parts that fit into memory, with texts of like pieces together."""
        if all(len(self._items[position]) == 1 for position in positions):
            return [list(positions)]
        longest = [max(len(self._tokenised.sequences[i]) for i in self._items[position]) for position in positions]
        parts: list[list[int]] = []
        pieces = width = 0
        for number in sorted(range(len(positions)), key=lambda i: -longest[i]):
            own = len(self._items[positions[number]])
            if not parts or (pieces + own) * width > MOST_PADDED_TOKENS:
                parts, pieces, width = [*parts, []], 0, longest[number]
            parts[-1].append(positions[number])
            pieces += own
        return parts

"""A language model of which some weights are trained on pairs of prompts and responses."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...domain.model import Method
from ...errors import TrainingError
from ...models.base.adapters import add_adapter
from ...models.generation.language_model import LanguageModel
from ...models.generation.tuned_model import save_tuned_model
from ..loop.trainable import Trainable
from .data import TokenPair, TokenPairs
from .loss import holdout_loss, response_losses
from .settings import GenerationSettings

if TYPE_CHECKING:
    from peft import PeftModel
    from torch import nn

__all__ = ["TunedLanguageModel"]

CHECKPOINTED_FROM_WEIGHTS = 500_000_000


class TunedLanguageModel(Trainable):
    """A language model with the weights that training changes.

    Args:
        model: writes and is measured as it is trained so far.
        peft_model: what holds its adapter; None where all weights are trained.
    """

    def __init__(self, model: LanguageModel, peft_model: "PeftModel | None", settings: GenerationSettings) -> None:
        self.model, self.device = model, model.device
        self.epochs, self.batch_size = settings.epochs, settings.batch_size
        self._peft_model, self._settings = peft_model, settings
        self._holdout: TokenPairs | None = None
        self._on_holdout_rows: Callable[[int], None] | None = None

    def __getstate__(self) -> dict[str, Any]:
        if self.model.is_quantised:
            raise TrainingError(
                "a model in 4 bits is trained by one process; set LABELLOOP_TRAIN_PROCESSES to 1, or train with lora"
            )
        return self.__dict__ | {"_holdout": None, "_on_holdout_rows": None}

    def set_rows(
        self,
        pairs: TokenPairs,
        holdout: TokenPairs | None = None,
        *,
        on_holdout_rows: Callable[[int], None] | None = None,
    ) -> None:
        """Set the pairs to learn, and the holdout that epochs are scored on.

        Args:
            on_holdout_rows: called with the number of rows of every pass over the holdout.
        """
        self._rows = pairs.rows
        self.lengths = [len(row.ids) for row in pairs.rows]
        self._holdout, self._on_holdout_rows = holdout, on_holdout_rows

    def parameters(self) -> "Iterator[tuple[str, nn.Parameter]]":
        for name, parameter in (self._peft_model or self.model.module).named_parameters():
            if parameter.requires_grad:
                yield name, parameter

    def parameter_groups(self) -> list[dict[str, Any]]:
        parameters = [parameter for _, parameter in self.parameters()]
        settings = self._settings
        return [{"params": parameters, "lr": settings.peak_learning_rate, "weight_decay": settings.weight_decay}]

    @property
    def rates_to_lower(self) -> str:
        return f"Lower learning_rate (now {self._settings.peak_learning_rate:g})"

    @property
    def trainable_share(self) -> float:
        """Weights that training changes, of all."""
        if self._peft_model is not None:
            # Weights in 4 bits are packed two a byte; peft counts them apart.
            total = int(self._peft_model.get_nb_trainable_parameters()[1])
        else:
            total = sum(parameter.numel() for parameter in self.model.module.parameters())
        return self.count_parameters() / total

    @contextmanager
    def training(self) -> Iterator[Callable[[Sequence[int]], float]]:
        """Dropout in the adapter alone, and activations kept or computed twice."""
        module, is_checkpointing = self.model.module, _checkpoints_gradients(self.model, self._settings)
        if is_checkpointing:
            _switch_checkpointing(module, "enable", {"use_reentrant": False})
        try:
            self._set_mode(is_training=True, is_checkpointing=is_checkpointing)
            yield self._add_gradients
        finally:
            self._set_mode(is_training=False, is_checkpointing=is_checkpointing)
            if is_checkpointing:
                _switch_checkpointing(module, "disable")

    def loss_weight(self, positions: Sequence[int]) -> float:
        return sum(self._rows[i].weight * self._rows[i].response_tokens for i in positions)

    def evaluate(self) -> tuple[float, Mapping[str, float]] | None:
        if self._holdout is None or not self._holdout.rows:
            return None
        loss = holdout_loss(
            self.model,
            self._holdout.rows,
            tokens_per_pass=self._settings.tokens_per_pass,
            on_rows=self._on_holdout_rows,
        )
        return -loss, {"loss": loss}

    def save(self, folder: Path) -> None:
        """Write what was trained, as `load_tuned_model` reads it."""
        save_tuned_model(self.model, self._peft_model, folder)

    def _add_gradients(self, positions: Sequence[int]) -> float:
        import torch

        # Over the whole step, however many passes it takes: a mean of the passes' means would weigh tokens unequally.
        weight = self.loss_weight(positions)
        total = 0.0
        for group in TokenPair.passes([self._rows[i] for i in positions], self._settings.tokens_per_pass):
            losses = response_losses(self.model, group)
            weights = torch.tensor([row.weight for row in group], dtype=losses.dtype, device=losses.device)
            loss = (losses.sum(dim=1) * weights).sum() / weight
            torch.autograd.backward(loss)
            total += float(loss.detach())
        return total

    def _set_mode(self, *, is_training: bool, is_checkpointing: bool) -> None:
        for name, module in self.model.module.named_modules():
            # Layers leave activations out only where they believe to be in training. What is in them goes on as in
            # evaluation: the base model's own dropout is not wanted.
            leaves_out = is_checkpointing and hasattr(module, "gradient_checkpointing")
            module.training = is_training and (leaves_out or "lora_dropout" in name)

    @classmethod
    @contextmanager
    def over(cls, model: LanguageModel, settings: GenerationSettings) -> "Iterator[TunedLanguageModel]":
        """The model with a fresh adapter in it, which changes nothing before training and is taken out at the end.

        With method full the model itself is what changes, and stays as it is trained.

        Raises:
            TrainingError: the base model has no layers to adapt.
        """
        import torch

        if settings.method is Method.FULL:
            for parameter in model.module.parameters():
                parameter.requires_grad_(True)
            yield cls(model, None, settings)
            return
        layers = model.module.get_input_embeddings(), model.module.get_output_embeddings()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            peft_model = _with_adapter(model, settings)
            try:
                yield cls(model, peft_model, settings)
            finally:
                model.module = peft_model.unload()
                # peft leaves trained embeddings where they are.
                model.module.set_input_embeddings(layers[0])
                model.module.set_output_embeddings(layers[1])


def _checkpoints_gradients(model: LanguageModel, settings: GenerationSettings) -> bool:
    """Whether activations are computed twice rather than kept."""
    if settings.gradient_checkpointing is not None:
        return settings.gradient_checkpointing
    if not model.module.supports_gradient_checkpointing:
        return False
    weights: int = sum(parameter.numel() for parameter in model.module.parameters())
    return weights > CHECKPOINTED_FROM_WEIGHTS


def _switch_checkpointing(module: Any, way: str, *options: Any) -> None:
    # transformers renamed it within its fifth version.
    name = "activation" if hasattr(module, "activation_checkpointing_enable") else "gradient"
    getattr(module, f"{name}_checkpointing_{way}")(*options)


def _with_adapter(model: LanguageModel, settings: GenerationSettings) -> "PeftModel":
    module = model.module
    trained = _embedding_layers(module) if settings.train_embeddings else []
    if model.is_quantised:
        from peft import prepare_model_for_kbit_training

        module = prepare_model_for_kbit_training(  # type: ignore[no-untyped-call]
            module, use_gradient_checkpointing=False
        )
    from peft.utils.constants import EMBEDDING_LAYER_NAMES

    # Where input and output share one matrix they share what is trained of it, if peft knows the layers by name.
    can_tie = {name.rpartition(".")[2] for name in trained} <= set(EMBEDDING_LAYER_NAMES)
    return add_adapter(
        module,
        rank=settings.lora_r,
        alpha=settings.lora_alpha,
        dropout=settings.lora_dropout,
        task_type="CAUSAL_LM",
        modules_to_save=trained or None,
        ensure_weight_tying=bool(trained) and can_tie and bool(module.config.get_text_config().tie_word_embeddings),
    )


def _embedding_layers(module: Any) -> list[str]:
    """Full names of the layers that turn tokens into vectors and vectors into logits."""
    embeddings = {id(layer) for layer in (module.get_input_embeddings(), module.get_output_embeddings())}
    return [name for name, layer in module.named_modules() if id(layer) in embeddings]

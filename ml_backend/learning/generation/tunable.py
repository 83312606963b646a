"""A language model of which some weights can be trained."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...models.generation.language_model import LanguageModel, load_language_model
from ...models.generation.tuned_model import save_adapter_of, save_all_weights, without_peft_warnings
from ..target_modules import has_transposed_weights, lora_target_modules
from .settings import GenerationSettings, TuningMethod

if TYPE_CHECKING:
    import torch
    from torch import nn

__all__ = ["TunableModel", "checkpoints_gradients", "load_for_tuning", "tunable"]

CHECKPOINTED_FROM_WEIGHTS = 500_000_000


@dataclass(slots=True)
class TunableModel:
    """A language model with the weights that training changes.

    Attributes:
        model: writes and is measured as it is trained so far.
        peft_model: what holds its adapters; None where all weights are trained.
    """

    model: LanguageModel
    peft_model: Any | None

    def parameters(self) -> "Iterator[tuple[str, nn.Parameter]]":
        """Weights that training changes, by name, in a fixed order."""
        for name, parameter in (self.peft_model or self.model.module).named_parameters():
            if parameter.requires_grad:
                yield name, parameter

    @property
    def trainable_share(self) -> float:
        """Weights that training changes, of all."""
        trainable = sum(parameter.numel() for _, parameter in self.parameters())
        if self.peft_model is not None:
            # Weights in 4 bits are packed two a byte; peft counts them apart.
            total = int(self.peft_model.get_nb_trainable_parameters()[1])
        else:
            total = sum(parameter.numel() for _, parameter in self.model.module.named_parameters())
        return trainable / total

    def state(self) -> "dict[str, torch.Tensor]":
        """A copy of everything that training changes, on the CPU."""
        return {name: parameter.detach().to("cpu", copy=True) for name, parameter in self.parameters()}

    def restore(self, state: "dict[str, torch.Tensor]") -> None:
        """Go back to a former state."""
        import torch

        with torch.no_grad():
            for name, parameter in self.parameters():
                parameter.copy_(state[name])

    @contextmanager
    def training_mode(self, *, checkpointing: bool) -> Iterator[None]:
        """The model in training mode with the block: dropout in the adapters alone, activations kept or not."""
        module = self.model.module
        if checkpointing:
            _switch_checkpointing(module, "enable", {"use_reentrant": False})
        try:
            self._set_mode(is_training=True, checkpointing=checkpointing)
            yield
        finally:
            self._set_mode(is_training=False, checkpointing=checkpointing)
            if checkpointing:
                _switch_checkpointing(module, "disable")

    def _set_mode(self, *, is_training: bool, checkpointing: bool) -> None:
        for name, module in self.model.module.named_modules():
            # Layers leave activations out only where they believe to be in training. What is in them goes on as in
            # evaluation: the base model's own dropout is not wanted.
            leaves_out = checkpointing and hasattr(module, "gradient_checkpointing")
            module.training = is_training and (leaves_out or "lora_dropout" in name)

    def save(self, folder: Path) -> None:
        """Write what was trained, as `load_tuned_model` reads it."""
        if self.peft_model is None:
            save_all_weights(folder, model=self.model)
        else:
            save_adapter_of(self.peft_model, folder, base=self.model)


def load_for_tuning(base_model: str, settings: GenerationSettings, *, device: str | None = None) -> LanguageModel:
    """A base model held as the method needs it.

    Raises:
        EncoderError: see `load_language_model`; or method qlora finds no CUDA device or no bitsandbytes.
    """
    return load_language_model(
        base_model,
        device=device,
        in_fp32=settings.trains_base_weights,
        quantised=settings.method is TuningMethod.QLORA,
    )


@contextmanager
def tunable(model: LanguageModel, settings: GenerationSettings) -> Iterator[TunableModel]:
    """The model with fresh adapters in it, which change nothing before training and are taken out at the end.

    With method full the model itself is what changes, and stays as it is trained.

    Raises:
        TrainingError: the base model has no layers to adapt.
    """
    import torch

    if settings.method is TuningMethod.FULL:
        for parameter in model.module.parameters():
            parameter.requires_grad_(True)
        yield TunableModel(model, None)
        return
    from peft import get_peft_model

    layers = model.module.get_input_embeddings(), model.module.get_output_embeddings()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        with without_peft_warnings():
            peft_model = get_peft_model(_prepared(model), _lora_config(model.module, settings))
        peft_model.eval()
        try:
            yield TunableModel(model, peft_model)
        finally:
            model.module = peft_model.unload()
            # peft leaves trained embeddings where they are.
            model.module.set_input_embeddings(layers[0])
            model.module.set_output_embeddings(layers[1])


def checkpoints_gradients(model: LanguageModel, settings: GenerationSettings) -> bool:
    """Whether activations are computed twice rather than kept."""
    if settings.gradient_checkpointing is not None:
        return settings.gradient_checkpointing
    if not model.module.supports_gradient_checkpointing:
        return False
    weights: int = sum(parameter.numel() for parameter in model.module.parameters())
    return weights > CHECKPOINTED_FROM_WEIGHTS


def _prepared(model: LanguageModel) -> Any:
    if not model.is_quantised:
        return model.module
    from peft import prepare_model_for_kbit_training

    return prepare_model_for_kbit_training(  # type: ignore[no-untyped-call]
        model.module, use_gradient_checkpointing=False
    )


def _switch_checkpointing(module: Any, way: str, *options: Any) -> None:
    # transformers renamed it within its fifth version.
    name = "activation" if hasattr(module, "activation_checkpointing_enable") else "gradient"
    getattr(module, f"{name}_checkpointing_{way}")(*options)


def _lora_config(module: Any, settings: GenerationSettings) -> Any:
    from peft import LoraConfig
    from peft.utils.constants import EMBEDDING_LAYER_NAMES

    trained = _embedding_layers(module) if settings.train_embeddings else []
    # Where input and output share one matrix they share what is trained of it, if peft knows the layers by name.
    can_tie = {name.rpartition(".")[2] for name in trained} <= set(EMBEDDING_LAYER_NAMES)
    return LoraConfig(
        task_type="CAUSAL_LM",
        r=settings.lora_r,
        lora_alpha=settings.lora_alpha,
        lora_dropout=settings.lora_dropout,
        target_modules=lora_target_modules(module),
        fan_in_fan_out=has_transposed_weights(module),
        modules_to_save=trained or None,
        ensure_weight_tying=bool(trained) and can_tie and bool(module.config.get_text_config().tie_word_embeddings),
    )


def _embedding_layers(module: Any) -> list[str]:
    """Full names of the layers that turn tokens into vectors and vectors into logits."""
    wanted = {id(layer) for layer in (module.get_input_embeddings(), module.get_output_embeddings())}
    return [name for name, layer in module.named_modules() if id(layer) in wanted]

"""LoRA adapters in peft's format: put into a model, written to a folder, and read back.

Source: Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large Language Models".
"""

import re
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import TrainingError

if TYPE_CHECKING:
    from peft import PeftModel
    from torch import nn

__all__ = ["ADAPTER_FOLDER", "add_adapter", "load_adapter", "save_adapter", "scale_adapter"]

ADAPTER_FOLDER = "adapter"

_LAYER_INDEX = re.compile(r"^(?P<stem>.*?)\.(?P<index>\d+)\.(?P<rest>.+)$")


def add_adapter(module: Any, *, rank: int, alpha: int, dropout: float, **options: Any) -> "PeftModel":
    """Put a fresh adapter, which changes nothing before it is trained, into the layers of a model.

    The initial weights are drawn from torch's global random generator.

    Args:
        options: further options of peft's `LoraConfig`.

    Raises:
        TrainingError: the model has no layers to adapt.
    """
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        r=rank,
        lora_alpha=alpha,
        lora_dropout=dropout,
        target_modules=_linear_layers(module),
        fan_in_fan_out=any(_is_transposed(layer) for layer in module.modules()),
        **options,
    )
    with _without_peft_warnings():
        model: PeftModel = get_peft_model(module, config)
    return model.eval()


def scale_adapter(module: "nn.Module", share: float) -> None:
    """Multiply what the adapters in a model add by `share`; a model without adapters stays as it is."""
    for name, parameter in module.named_parameters():
        if ".lora_B." in name:
            parameter.data.mul_(share)


def save_adapter(model: "PeftModel", part_folder: Path, *, base_model: str) -> bool:
    """Write the adapter: `adapter_config.json` and `adapter_model.safetensors` in `adapter/` below the folder.

    peft's own `save_pretrained` would add a model card and the local path of the base model.

    Returns:
        True where whole layers were trained beside the low-rank matrices.
    """
    from peft import get_peft_model_state_dict
    from safetensors.torch import save_file

    folder = part_folder / ADAPTER_FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    config = replace(model.peft_config["default"], base_model_name_or_path=base_model, inference_mode=True)
    config.save_pretrained(str(folder))
    # Embeddings that were trained are among `modules_to_save`; peft would ask the hub about the others.
    tensors = get_peft_model_state_dict(model, save_embedding_layers=False)
    # Copies, because input and output of a model may be one matrix, and both names are wanted.
    copies = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}
    save_file(copies, folder / "adapter_model.safetensors")
    return bool(getattr(config, "modules_to_save", None))


def load_adapter(module: "nn.Module", part_folder: Path, *, is_trainable: bool = False) -> "PeftModel":
    """Put the adapter that `save_adapter` wrote into the layers of its base model, in evaluation mode.

    The libraries may raise anything where files were changed.

    Args:
        is_trainable: its weights take gradients.
    """
    from peft import PeftModel

    with _without_peft_warnings():
        model = PeftModel.from_pretrained(module, str(part_folder / ADAPTER_FOLDER), is_trainable=is_trainable)
    return model.eval()


def _linear_layers(model: "nn.Module") -> list[str]:
    """Full names of every linear layer inside the repeated transformer layers, in the model's order.

    They are found in the model itself rather than in a table of architectures. The repeated layers are the indexed
    list (`encoder.layer.0`, `h.0`, `layers.0`, `block.0` ...) that holds the most linear layers. Embeddings, poolers
    and language-model heads lie outside it and stay as they are.

    Raises:
        TrainingError: there is no such list, so that nothing is known about where to adapt.
    """
    from torch import nn

    linear = [name for name, module in model.named_modules() if isinstance(module, nn.Linear) or _is_transposed(module)]
    stems = Counter(match["stem"] for name in linear if (match := _LAYER_INDEX.match(name)))
    if not stems:
        raise TrainingError(
            f"{type(model).__name__} has no repeated layers with linear parts, so LoRA has nothing to adapt; "
            "train with method regression, or choose another base model"
        )
    ((stem, _),) = stems.most_common(1)
    return [name for name in linear if (match := _LAYER_INDEX.match(name)) and match["stem"] == stem]


def _is_transposed(module: Any) -> bool:
    """True for the linear layers of GPT-2, which keep weights as (in, out); peft needs to know."""
    from transformers.pytorch_utils import Conv1D

    return isinstance(module, Conv1D)


@contextmanager
def _without_peft_warnings() -> Iterator[None]:
    """Silence two warnings of peft.

    One is for its authors: it asks transformers for a property that was renamed. The other says that input and output
    layers are one matrix in the base model and two once they are trained, which matters only where they are merged.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="`is_gradient_checkpointing` is deprecated")
        warnings.filterwarnings("ignore", message="Model has `tie_word_embeddings=True`")
        yield

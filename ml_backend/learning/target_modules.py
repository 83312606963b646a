"""Which layers LoRA adapts, found in the model itself rather than in a table of architectures."""

import re
from collections import Counter
from typing import TYPE_CHECKING

from ..errors import TrainingError

if TYPE_CHECKING:
    from torch import nn

__all__ = ["has_transposed_weights", "lora_target_modules"]

LAYER_INDEX = re.compile(r"^(?P<stem>.*?)\.(?P<index>\d+)\.(?P<rest>.+)$")


def lora_target_modules(model: "nn.Module") -> list[str]:
    """Full names of every linear layer inside the repeated transformer layers, in the model's order.

    The repeated layers are the indexed list (`encoder.layer.0`, `h.0`, `layers.0`, `block.0` ...) that holds the
    most linear layers. Embeddings, poolers and language-model heads lie outside it and stay as they are.

    Raises:
        TrainingError: there is no such list, so that nothing is known about where to adapt.
    """
    linear = [name for name, module in model.named_modules() if _is_linear(module)]
    stems = Counter(match["stem"] for name in linear if (match := LAYER_INDEX.match(name)))
    if not stems:
        raise TrainingError(
            f"{type(model).__name__} has no repeated layers with linear parts, so LoRA has nothing to adapt; "
            "train with method regression, or choose another base model"
        )
    ((stem, _),) = stems.most_common(1)
    return [name for name in linear if (match := LAYER_INDEX.match(name)) and match["stem"] == stem]


def has_transposed_weights(model: "nn.Module") -> bool:
    """True where linear layers keep weights as (in, out), as GPT-2's do; peft has to be told."""
    from transformers.pytorch_utils import Conv1D

    return any(isinstance(module, Conv1D) for module in model.modules())


def _is_linear(module: "nn.Module") -> bool:
    from torch import nn
    from transformers.pytorch_utils import Conv1D

    return isinstance(module, nn.Linear | Conv1D)

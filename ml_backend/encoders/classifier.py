"""A classifier in memory: encoder, then a linear head."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import BundleError, EncoderError
from .base_model import Backbone, load_backbone
from .bundle import Bundle, Head, read_bundle
from .embed import Floats2d, TextEncoder

if TYPE_CHECKING:
    from peft import PeftModel

__all__ = ["TextClassifier", "load_classifier", "save_adapter", "without_peft_noise"]


@dataclass(frozen=True, slots=True, eq=False)
class TextClassifier:
    """Texts to logits. Safe to use from several threads, as its encoder is."""

    encoder: TextEncoder
    head: Head

    def logits(self, texts: Sequence[str], *, on_rows: Callable[[int], None] | None = None) -> Floats2d:
        """Uncalibrated logits, shape (N, K), in the order given."""
        return self.head.logits(self.encoder.embed(texts, on_rows=on_rows))


def load_classifier(bundle: Bundle | Path, *, use_bf16: bool | None = None) -> TextClassifier:
    """The classifier of a bundle, its adapter merged into the base weights.

    Raises:
        BundleError: the bundle is damaged, or was trained on other base weights than the ones found here.
        EncoderError: the base model cannot be loaded.
    """
    bundle = read_bundle(bundle) if isinstance(bundle, Path) else bundle
    manifest = bundle.manifest
    try:
        backbone = load_backbone(manifest.base_model)
    except EncoderError as error:
        raise EncoderError(f"{manifest.model_version} needs its base model: {error}") from error
    if backbone.weights_sha256 != manifest.base_model_sha256:
        raise BundleError(
            f"{manifest.model_version} was trained on {manifest.base_model} with weights "
            f"{manifest.base_model_sha256[:12]}; found {backbone.weights_sha256[:12]}. "
            "Restore the former weights, or train a new version on these."
        )
    if bundle.head.weight.shape[1] != backbone.hidden_size:
        raise BundleError(
            f"{manifest.model_version}: the head takes {bundle.head.weight.shape[1]} features, "
            f"{manifest.base_model} gives {backbone.hidden_size}; train again"
        )
    if bundle.adapter is not None:
        backbone = _merged(backbone, bundle.adapter)
    encoder = TextEncoder(backbone, max_length_tokens=manifest.max_length_tokens, use_bf16=use_bf16)
    return TextClassifier(encoder, bundle.head)


@contextmanager
def without_peft_noise() -> Iterator[None]:
    """Silences a warning that concerns peft's authors: it asks transformers for a property that was renamed."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="`is_gradient_checkpointing` is deprecated")
        yield


def save_adapter(model: "PeftModel", folder: Path, *, base_model: str) -> None:
    """Write the LoRA adapter of a peft model: `adapter_config.json` and `adapter_model.safetensors`.

    peft's own `save_pretrained` would add a model card and the local path of the base model.
    """
    from peft import get_peft_model_state_dict
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    config = replace(model.peft_config["default"], base_model_name_or_path=base_model, inference_mode=True)
    config.save_pretrained(str(folder))
    tensors = {name: tensor.detach().contiguous() for name, tensor in get_peft_model_state_dict(model).items()}
    save_file(tensors, folder / "adapter_model.safetensors")


def _merged(backbone: Backbone, adapter: Path) -> Backbone:
    from peft import PeftModel

    try:
        with without_peft_noise():
            model = PeftModel.from_pretrained(backbone.module, str(adapter), is_trainable=False)
        merged = model.merge_and_unload(safe_merge=True)
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise BundleError(f"the adapter in {adapter} does not fit {backbone.name}: {error}; train again") from error
    return Backbone(
        backbone.name,
        merged.eval(),
        backbone.tokenizer,
        backbone.weights_sha256,
        backbone.hidden_size,
        backbone.max_length_tokens,
    )

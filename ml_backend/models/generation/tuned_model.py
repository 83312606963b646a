"""Fine-tuned language models on disk: an adapter over a base model, or all of its weights."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...errors import BundleError, EncoderError
from ..base.device import pick_device
from ..base.stored_facts import StoredFacts, in_a_line
from .language_model import LanguageModel, can_quantise, load_language_model

__all__ = ["load_tuned_model", "save_adapter_of", "save_all_weights", "without_peft_warnings"]

ADAPTER, WEIGHTS, FACTS = "adapter", "weights", "tuned.json"


class TunedFacts(StoredFacts):
    """The content of `tuned.json`.

    Attributes:
        in_fp32: the weights are kept in float32, the precision in which the model was measured.
    """

    base_model: str
    base_model_sha256: str
    has_adapter: bool
    in_fp32: bool
    is_quantised: bool


def save_adapter_of(peft_model: Any, folder: Path, *, base: LanguageModel) -> None:
    """Write what was trained beside the base weights, in peft's format: `adapter/` below the folder."""
    from peft import get_peft_model_state_dict
    from safetensors.torch import save_file

    target = folder / ADAPTER
    target.mkdir(parents=True, exist_ok=True)
    config = replace(peft_model.peft_config["default"], base_model_name_or_path=base.name, inference_mode=True)
    config.save_pretrained(str(target))
    # Embeddings that were trained are among `modules_to_save`; peft would ask the hub about the others.
    tensors = get_peft_model_state_dict(peft_model, save_embedding_layers=False)
    # Copies, because input and output of a model may be one matrix, and both names are wanted.
    copies = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}
    save_file(copies, target / "adapter_model.safetensors")
    _write_facts(folder, base, has_adapter=True, in_fp32=bool(config.modules_to_save))


def save_all_weights(folder: Path, *, model: LanguageModel) -> None:
    """Write all weights of a model: `weights/` below the folder; the tokenizer stays with the base model."""
    model.module.save_pretrained(folder / WEIGHTS, safe_serialization=True)
    _write_facts(folder, model, has_adapter=False, in_fp32=True)


def load_tuned_model(folder: Path, *, device: str | None = None) -> LanguageModel:
    """A fine-tuned model over its base model, in the precision that it was measured in.

    The adapter is not merged into the weights, so that the model writes what it wrote when it was measured: merging
    rounds. A model that was trained over weights in 4 bits gets them wherever they can be had, else whole ones.

    Raises:
        BundleError: the folder is damaged, or was trained on other base weights than the ones found here.
        EncoderError: the base model cannot be loaded.
    """
    facts = _read_facts(folder)
    device = device or pick_device()
    try:
        base = load_language_model(
            facts.base_model,
            device=device,
            in_fp32=facts.in_fp32,
            quantised=facts.is_quantised and can_quantise(device),
        )
    except EncoderError as error:
        raise EncoderError(f"the model in {folder} needs its base model: {error}") from error
    if base.weights_sha256 != facts.base_model_sha256:
        raise BundleError(
            f"the model in {folder} was trained on {base.name} with weights {facts.base_model_sha256[:12]}; "
            f"found {base.weights_sha256[:12]}. Restore the former weights, or train a new version on these."
        )
    try:
        base.module = _adapted(base, folder) if facts.has_adapter else _replaced(base, folder)
    except Exception as error:  # libraries may raise anything when files were changed
        raise BundleError(f"the weights in {folder} do not fit {base.name}: {in_a_line(error)}; train again") from error
    return base


@contextmanager
def without_peft_warnings() -> Iterator[None]:
    """Silences two warnings of peft.

    One is for its authors: it asks transformers for a property that was renamed. The other tells of input and output
    layers that are one matrix in the base and two once they are trained, which matters to those who merge them.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="`is_gradient_checkpointing` is deprecated")
        warnings.filterwarnings("ignore", message="Model has `tie_word_embeddings=True`")
        yield


def _adapted(base: LanguageModel, folder: Path) -> Any:
    from peft import PeftModel

    with without_peft_warnings():
        model = PeftModel.from_pretrained(base.module, str(folder / ADAPTER), is_trainable=False).eval()
    # The base itself has the adapters in its layers now, and keeps the interface of a transformers model.
    return model.get_base_model()


def _replaced(base: LanguageModel, folder: Path) -> Any:
    from transformers import AutoModelForCausalLM

    dtype = next(base.module.parameters()).dtype
    module: Any = AutoModelForCausalLM.from_pretrained(
        str(folder / WEIGHTS), use_safetensors=True, trust_remote_code=False, dtype=dtype
    )
    return module.to(base.device).eval()


def _write_facts(folder: Path, base: LanguageModel, *, has_adapter: bool, in_fp32: bool) -> None:
    facts = TunedFacts(
        base_model=base.name,
        base_model_sha256=base.weights_sha256,
        has_adapter=has_adapter,
        in_fp32=in_fp32,
        is_quantised=base.is_quantised,
    )
    facts.write(folder / FACTS)


def _read_facts(folder: Path) -> TunedFacts:
    path = folder / FACTS
    try:
        return TunedFacts.parse(path.read_bytes())
    except (OSError, ValueError) as error:
        raise BundleError(f"{path} cannot be read: {error}; fetch the version again, or train a new one") from error

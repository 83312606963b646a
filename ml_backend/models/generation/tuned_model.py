"""Fine-tuned language models on disk: an adapter over a base model, or all of its weights."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import BundleError, EncoderError, TrainingError
from ..base.adapters import load_adapter, save_adapter
from ..base.device import pick_device
from ..base.stored_facts import StoredFacts, in_a_line
from .language_model import LanguageModel, can_quantise

if TYPE_CHECKING:
    from peft import PeftModel

__all__ = ["load_adapted_model", "load_merged_model", "load_tuned_model", "save_tuned_model"]

WEIGHTS, FACTS = "weights", "tuned.json"


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


def save_tuned_model(model: LanguageModel, peft_model: "PeftModel | None", folder: Path) -> None:
    """Write what was trained below a folder: `adapter/` or `weights/`. The tokenizer stays with the base model.

    Args:
        peft_model: holds the adapter; None where all weights were trained.
    """
    in_fp32 = True
    if peft_model is None:
        model.module.save_pretrained(folder / WEIGHTS, safe_serialization=True)
    else:
        in_fp32 = save_adapter(peft_model, folder, base_model=model.name)
    facts = TunedFacts(
        base_model=model.name,
        base_model_sha256=model.weights_sha256,
        has_adapter=peft_model is not None,
        in_fp32=in_fp32,
        is_quantised=model.is_quantised,
    )
    facts.write(folder / FACTS)


def load_tuned_model(folder: Path) -> LanguageModel:
    """A fine-tuned model over its base model, in the precision that it was measured in.

    The adapter is not merged into the weights, so that the model writes what it wrote when it was measured: merging
    rounds. A model that was trained over weights in 4 bits gets them wherever they can be had, else whole ones.

    Raises:
        BundleError: the folder is damaged, or was trained on other base weights than the ones found here.
        EncoderError: the base model cannot be loaded.
    """
    return _load(folder, _read_facts(folder))[0]


def load_adapted_model(folder: Path) -> "tuple[LanguageModel, PeftModel]":
    """A model that was fine-tuned by an adapter, and what holds the adapter, whose weights take gradients.

    Raises:
        BundleError: the folder is damaged, or was trained on other base weights than the ones found here.
        EncoderError: the base model cannot be loaded.
        TrainingError: it was not fine-tuned by an adapter, or by one over weights in 4 bits.
    """
    facts = _read_facts(folder)
    if not facts.has_adapter or facts.is_quantised:
        found = "all of its weights were trained" if not facts.has_adapter else "it was trained over weights in 4 bits"
        raise TrainingError(
            f"the model in {folder} has no adapter that a training can go on with: {found}; wanted a version that "
            "method lora made"
        )
    model, adapted = _load(folder, facts, is_trainable=True)
    if adapted is None:
        raise BundleError(f"{folder} holds no adapter; fetch or train the version again")
    return model, adapted


def _load(folder: Path, facts: TunedFacts, *, is_trainable: bool = False) -> "tuple[LanguageModel, PeftModel | None]":
    """Return the model, and what holds its adapter, which is in its layers; None where all weights were trained."""
    device, adapted = pick_device(), None
    try:
        base = LanguageModel.load(
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
        if facts.has_adapter:
            # The base itself has the adapter in its layers now, and keeps the interface of a transformers model.
            adapted = load_adapter(base.module, folder, is_trainable=is_trainable)
            base.module = adapted.get_base_model()
        else:
            base.module = _replaced(base, folder)
    except Exception as error:  # libraries may raise anything when files were changed
        raise BundleError(f"the weights in {folder} do not fit {base.name}: {in_a_line(error)}; train again") from error
    return base, adapted


def load_merged_model(folder: Path) -> LanguageModel:
    """A fine-tuned model as one set of weights in fp32 on the CPU, to be exported.

    Raises:
        BundleError: the folder is damaged, or was trained on other base weights than the ones found here.
        EncoderError: the base model cannot be loaded.
    """
    facts = _read_facts(folder)
    base = LanguageModel.load(facts.base_model, device="cpu", in_fp32=True)
    base.module = (
        load_adapter(base.module, folder).merge_and_unload(safe_merge=True)
        if facts.has_adapter
        else _replaced(base, folder)
    )
    return base


def _replaced(base: LanguageModel, folder: Path) -> Any:
    from transformers import AutoModelForCausalLM

    dtype = next(base.module.parameters()).dtype
    module: Any = AutoModelForCausalLM.from_pretrained(
        str(folder / WEIGHTS), use_safetensors=True, trust_remote_code=False, dtype=dtype
    )
    return module.to(base.device).eval()


def _read_facts(folder: Path) -> TunedFacts:
    path = folder / FACTS
    try:
        return TunedFacts.parse(path.read_bytes())
    except (OSError, ValueError) as error:
        raise BundleError(f"{path} cannot be read: {error}; fetch the version again, or train a new one") from error

"""Decoders that write text: found by name or folder, verified, loaded with their language-model head."""

import importlib.util
from dataclasses import dataclass
from typing import Any

from ...errors import EncoderError
from ..base.base_model import BaseModelFiles, length_limit, set_pad_token
from ..base.device import has_bf16, pick_device
from .chat_format import ChatFormat

__all__ = ["LanguageModel", "can_quantise"]


@dataclass(slots=True)
class LanguageModel:
    """A decoder in memory, in evaluation mode.

    Attributes:
        name: as the user named it.
        module: takes `input_ids` and `attention_mask`, answers with `logits`.
        tokenizer: it has a pad token.
        weights_sha256: digest of the base weights, see `base_model.weights_sha256`.
        max_length_tokens: most tokens of prompt and answer together; None where there is no such limit.
        device: where it computes, as torch names it.
        is_quantised: True where its weights are held in 4 bits.
    """

    name: str
    module: Any
    tokenizer: Any
    weights_sha256: str
    max_length_tokens: int | None
    device: str
    is_quantised: bool = False

    @property
    def use_bf16(self) -> bool:
        """True where matrix products run in bf16 by autocast: the device has it, and the weights are held in fp32."""
        import torch

        is_fp32 = next(self.module.parameters()).dtype == torch.float32
        return is_fp32 and has_bf16(self.device) and not self.is_quantised

    def chat_format(self) -> ChatFormat:
        """Return the way to write a turn, with the tokens that end a response by the model's own settings.

        Raises:
            EncoderError: the chat template does not take a prompt.
        """
        # Settings for sampling, which instruction-tuned models bring along, are not for drafts that should be the same
        # every time; the tokens that end a turn are.
        ids = getattr(self.module.generation_config, "eos_token_id", None)
        stops = ids if isinstance(ids, list) else [ids] if ids is not None else []
        return ChatFormat.of(self.tokenizer, tuple(int(stop) for stop in stops))

    @classmethod
    def load(
        cls, name: str, *, device: str | None = None, in_fp32: bool = False, quantised: bool = False
    ) -> "LanguageModel":
        """A decoder by Hugging Face name or folder.

        Only safetensors weights are read, and no code that comes with a model is ever run.

        Args:
            device: None: CUDA where there is one, else the CPU.
            in_fp32: hold the weights in fp32, as training them needs; else in bf16 where the device computes with it.
            quantised: hold them in 4 bits (NF4, double quantisation), as QLoRA does (Dettmers et al. 2023).

        Raises:
            EncoderError: it cannot be found, verified or loaded, or is no decoder; the message says what to do.
        """
        device = device or pick_device()
        if quantised:
            _require_quantisation(name, device)
        files = BaseModelFiles(name)
        files.check_config()
        digest = files.weights_sha256()

        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer
        from transformers.utils import logging as transformers_logging

        transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # it has no types
        is_bf16_native = has_bf16(device)
        options: dict[str, Any] = {"dtype": torch.bfloat16 if is_bf16_native and not in_fp32 else torch.float32}
        if quantised:
            options |= {"quantization_config": _four_bits(is_bf16_native), "device_map": {"": device}}
        try:
            loaded: Any = AutoModelForCausalLM.from_pretrained(
                files.source, use_safetensors=True, trust_remote_code=False, output_loading_info=True, **options
            )
            tokenizer = AutoTokenizer.from_pretrained(files.source, trust_remote_code=False)
        except (OSError, ValueError, KeyError, ImportError) as error:
            raise EncoderError(files.failure(error)) from error
        module, info = loaded
        if info["missing_keys"]:
            missing = sorted(info["missing_keys"])
            raise EncoderError(
                f"the weights of {name!r} lack {missing[0]}, which {type(module).__name__} needs to write text; "
                "choose a decoder with its language-model head, such as a GPT, Llama or Qwen model"
            )
        if not quantised:
            module = module.to(device)
        return LanguageModel.of(module, tokenizer, name=name, digest=digest, is_quantised=quantised)

    @classmethod
    def of(cls, module: Any, tokenizer: Any, *, name: str, digest: str, is_quantised: bool = False) -> "LanguageModel":
        """A language model from a transformers model and tokenizer that are in memory already."""
        set_pad_token(tokenizer, name)
        device = str(next(module.parameters()).device)
        limit = length_limit(module, tokenizer)
        return cls(name, module.eval(), tokenizer, digest, limit, device, is_quantised)


def can_quantise(device: str) -> bool:
    """True where weights can be held in 4 bits: on CUDA, with bitsandbytes installed."""
    return device.startswith("cuda") and importlib.util.find_spec("bitsandbytes") is not None


def _require_quantisation(name: str, device: str) -> None:
    if can_quantise(device):
        return
    reason = (
        "the package bitsandbytes is not installed"
        if device.startswith("cuda")
        else f"the device is {device}, not CUDA"
    )
    raise EncoderError(
        f"{name!r} cannot be loaded in 4 bits: {reason}. Wanted: a CUDA device and `pip install bitsandbytes`; "
        "or train with method lora, which needs neither"
    )


def _four_bits(is_bf16_native: bool) -> Any:
    import torch
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(  # type: ignore[no-untyped-call]
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16 if is_bf16_native else torch.float16,
    )

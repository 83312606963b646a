"""Real but tiny base models, built from a config with fixed random weights; no downloads."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
PLAIN = "card cash lost refund late bank transfer my the is money top up where stolen please a b c d e f g h"
WORDS = [*SPECIAL, *PLAIN.split()]
PAD, EOS = 0, 3


def tiny_tokenizer(*, has_pad: bool = True, adds_special_tokens: bool = True) -> Any:
    """A word-level tokenizer over `WORDS`; without a pad token it has an eos token, as decoders' tokenizers do."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    if adds_special_tokens:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
        )
    special = {"unk_token": "[UNK]", "eos_token": "[SEP]"}
    if has_pad:
        special["pad_token"] = "[PAD]"
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=64, **special)


# The class of the model, which the one of its config is named after, and what the config says.
_COMMON = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 64,
}
_FRAMED = {"bos_token_id": 2, "eos_token_id": EOS}
KINDS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "bert": ("Bert", _COMMON),
    "distilbert": (
        "DistilBert",
        {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 32, "max_position_embeddings": 64},
    ),
    "roberta": ("Roberta", {**_COMMON, "max_position_embeddings": 20, "pad_token_id": PAD}),
    "gpt2": (
        "GPT2",
        {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 64, "pad_token_id": None}
        | {"bos_token_id": EOS, "eos_token_id": EOS},
    ),
    "llama": ("Llama", {**_COMMON, **_FRAMED, "num_key_value_heads": 1}),
    "modernbert": (
        "ModernBert",
        {**_COMMON, **_FRAMED, "pad_token_id": PAD, "cls_token_id": 2, "sep_token_id": EOS},
    ),
    "t5": (
        "T5",
        {"d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 2, "num_heads": 2, "pad_token_id": PAD}
        | {"eos_token_id": EOS, "decoder_start_token_id": PAD},
    ),
}


ARCHITECTURES = [
    kind if kind in ("bert", "llama") else pytest.param(kind, marks=pytest.mark.long) for kind in sorted(KINDS)
]
"""Parameters of tests over all architectures: an encoder and a decoder by default."""


def tiny_model(kind: str, *, seed: int = 0, **config: Any) -> Any:
    """A model of the kind with weights drawn from the seed; `config` is what differs from the other tiny models."""
    import torch
    import transformers

    name, usual = KINDS[kind]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        made = getattr(transformers, f"{name}Config")(**{"vocab_size": len(WORDS), **usual, **config})
        return getattr(transformers, f"{name}Model")(made).eval()


def save_tiny_model(kind: str, folder: Path, *, seed: int = 0) -> str:
    """Write a tiny model and its tokenizer as a base model folder; returns its path."""
    tiny_model(kind, seed=seed).save_pretrained(folder)
    is_decoder = kind in ("gpt2", "llama")
    tiny_tokenizer(has_pad=not is_decoder, adds_special_tokens=not is_decoder).save_pretrained(folder)
    return str(folder)

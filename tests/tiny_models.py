"""Real but tiny base models, built from a config with fixed random weights; no downloads."""

from collections.abc import Callable, Mapping
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


def _bert() -> Any:
    from transformers import BertConfig, BertModel

    return BertModel(
        BertConfig(
            vocab_size=len(WORDS),
            hidden_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=32,
            max_position_embeddings=64,
        )
    )


def _distilbert() -> Any:
    from transformers import DistilBertConfig, DistilBertModel

    return DistilBertModel(
        DistilBertConfig(
            vocab_size=len(WORDS), dim=16, n_layers=2, n_heads=2, hidden_dim=32, max_position_embeddings=64
        )
    )


def _roberta() -> Any:
    from transformers import RobertaConfig, RobertaModel

    return RobertaModel(
        RobertaConfig(
            vocab_size=len(WORDS),
            hidden_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=32,
            max_position_embeddings=20,
            pad_token_id=PAD,
        )
    )


def _gpt2() -> Any:
    from transformers import GPT2Config, GPT2Model

    return GPT2Model(
        GPT2Config(
            vocab_size=len(WORDS),
            n_embd=16,
            n_layer=2,
            n_head=2,
            n_positions=64,
            bos_token_id=EOS,
            eos_token_id=EOS,
            pad_token_id=None,
        )
    )


def _llama() -> Any:
    from transformers import LlamaConfig, LlamaModel

    return LlamaModel(
        LlamaConfig(
            vocab_size=len(WORDS),
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=1,
            max_position_embeddings=64,
            bos_token_id=2,
            eos_token_id=EOS,
        )
    )


def _modernbert() -> Any:
    from transformers import ModernBertConfig, ModernBertModel

    return ModernBertModel(
        ModernBertConfig(
            vocab_size=len(WORDS),
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=64,
            pad_token_id=PAD,
            bos_token_id=2,
            eos_token_id=EOS,
            cls_token_id=2,
            sep_token_id=EOS,
        )
    )


def _t5() -> Any:
    from transformers import T5Config, T5Model

    return T5Model(
        T5Config(
            vocab_size=len(WORDS),
            d_model=16,
            d_kv=8,
            d_ff=32,
            num_layers=2,
            num_heads=2,
            pad_token_id=PAD,
            eos_token_id=EOS,
            decoder_start_token_id=PAD,
        )
    )


BUILDERS: Mapping[str, Callable[[], Any]] = {
    "bert": _bert,
    "distilbert": _distilbert,
    "roberta": _roberta,
    "gpt2": _gpt2,
    "llama": _llama,
    "modernbert": _modernbert,
    "t5": _t5,
}


ARCHITECTURES = [
    kind if kind in ("bert", "llama") else pytest.param(kind, marks=pytest.mark.long) for kind in sorted(BUILDERS)
]
"""Parameters of tests over all architectures: an encoder and a decoder by default."""


def tiny_model(kind: str, *, seed: int = 0) -> Any:
    """A model of the kind with weights drawn from the seed."""
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return BUILDERS[kind]().eval()


def save_tiny_model(kind: str, folder: Path, *, seed: int = 0) -> str:
    """Write a tiny model and its tokenizer as a base model folder; returns its path."""
    tiny_model(kind, seed=seed).save_pretrained(folder)
    is_decoder = kind in ("gpt2", "llama")
    tiny_tokenizer(has_pad=not is_decoder, adds_special_tokens=not is_decoder).save_pretrained(folder)
    return str(folder)

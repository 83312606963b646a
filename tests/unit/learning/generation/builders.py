"""Tiny models and pairs for the tests of fine-tuning."""

from typing import Any

from ml_backend.learning.generation.data import Pair, TokenPairs
from ml_backend.learning.generation.settings import GenerationSettings
from ml_backend.models.generation.language_model import LanguageModel
from tests.tiny_language_models import byte_tokenizer, tiny_decoder

THINGS = ("card", "cash", "refund", "transfer", "pin", "fee")
PAIRS = tuple(Pair(f"My {thing}?", f"Block the {thing} now.") for thing in THINGS)
OTHERS = tuple(Pair(f"Where is my {thing}?", f"Look for the {thing}.") for thing in THINGS[:3])
TOKENIZER = byte_tokenizer([pair.prompt + " " + pair.response for pair in (*PAIRS, *OTHERS)])
FAST = GenerationSettings(epochs=2, batch_size=4, learning_rate=5e-3, lora_r=4, lora_alpha=8, max_new_tokens=12)


def tiny(kind: str = "llama", **options: Any) -> LanguageModel:
    """A tiny model in fp32, the same every time."""
    return LanguageModel.of(tiny_decoder(kind, TOKENIZER, **options), TOKENIZER, name=kind, digest="0" * 64)


def tokens(model: LanguageModel, pairs: tuple[Pair, ...] = PAIRS) -> TokenPairs:
    """Pairs as the model's tokens."""
    return TokenPairs.of(pairs, model.chat_format(), max_length_tokens=128)

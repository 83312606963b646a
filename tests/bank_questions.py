"""Questions to a bank with the answers of an expert, and a small decoder that never saw a word of either."""

from pathlib import Path
from typing import Any

from ml_backend.learning.generation.data import Pair
from tests.tiny_language_models import byte_tokenizer, save_tiny_decoder

ANSWERS = {
    "card": "Block it in the app at once.",
    "cash": "Ask the branch where you took it out.",
    "refund": "It arrives within five working days.",
    "transfer": "Cancel it before the evening.",
    "pin": "Order another one by letter.",
    "fee": "We give it back to you.",
    "loan": "An adviser will call you tomorrow.",
    "account": "Open another one in ten minutes.",
    "statement": "Download it from your messages.",
    "limit": "Raise it in the settings.",
}
PAIRS = [
    Pair(f"{question} {thing}?", f"{opening} {answer}")
    for thing, answer in ANSWERS.items()
    for question, opening in (("What about my", "Thank you for asking."), ("Who lost the", "We are sorry."))
]
OVERRIDES = {
    "train_embeddings": "true",
    "learning_rate": "0.01",
    "batch_size": "10",
    "max_new_tokens": "40",
    "max_length_tokens": "128",
}
"""Settings that such a decoder learns with."""


def prompts(copies: int) -> list[tuple[str, str]]:
    """Every question several times over, each with another number, and its answer."""
    return [(f"{pair.prompt[:-1]} {copy}?", pair.response) for copy in range(copies) for pair in PAIRS]


def written(response: str) -> list[dict[str, Any]]:
    """A result that holds a response, as the editor stores it."""
    return [{"from_name": "instruction", "to_name": "prompt", "type": "textarea", "value": {"text": [response]}}]


def save_base(folder: Path, kind: str = "llama", *, has_chat_template: bool = False, **options: Any) -> str:
    """Write the decoder as a base model folder; returns its path."""
    texts = [f"{pair.prompt} {pair.response}" for pair in PAIRS]
    tokenizer = byte_tokenizer(texts, has_chat_template=has_chat_template, vocabulary=500)
    return save_tiny_decoder(kind, folder, tokenizer, **{"width": 64, **options})

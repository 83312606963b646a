"""How many tokens OpenAI's models make of a text."""

import importlib
import warnings
from collections.abc import Callable
from typing import Any

__all__ = ["TokenCounter"]

ENCODING = "o200k_base"
"""Of GPT-4o and everything after it."""
BYTES_PER_TOKEN = 4


class TokenCounter:
    """Counts exactly where the package `bpe-openai` is installed, which holds the encoding; else by the bytes.

    Attributes:
        is_exact: the former.
    """

    def __init__(self) -> None:
        encoding = _encoding()
        self.is_exact = encoding is not None
        self._encode: Callable[[str], Any] | None = encoding

    def count(self, text: str) -> int:
        """Tokens of the text."""
        if self._encode is None:
            return -(-len(text.encode()) // BYTES_PER_TOKEN)
        return len(self._encode(text))


def _encoding() -> Callable[[str], Any] | None:
    with warnings.catch_warnings():
        # It reads its data in a way that Python calls deprecated.
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            library: Any = importlib.import_module("bpe_openai")
        except ModuleNotFoundError:
            return None
        encode: Callable[[str], Any] = library.get_encoding(ENCODING).encode_ordinary
    return encode

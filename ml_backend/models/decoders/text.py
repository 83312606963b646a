"""A response in words, written by a language model."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from .base import AnyDecoder

__all__ = ["TextDecoder"]

MOST_TOKENS = 10_000_000


class TextDecoder(AnyDecoder):
    """The model that writes the response.

    Attributes:
        base_model: the base model that was tuned.
        max_new_tokens: the greatest number of tokens in a response.
    """

    head = "text"
    is_written = True
    base_model: str
    max_new_tokens: Annotated[int, Field(gt=0, le=MOST_TOKENS)]

    @property
    def known_labels(self) -> Sequence[str]:
        return ()

    @property
    def writer(self) -> str:
        return self.base_model

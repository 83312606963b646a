"""Prompts to drafts of responses, whatever computes the tokens."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol, Self, TypedDict, Unpack

from .chat_format import ChatFormat
from .language_model import LanguageModel

__all__ = ["Draft", "Limits", "TextGenerator", "TokenWriter", "Written"]

PROMPT_SHARE = 0.75
"""Most of the model's length that a prompt may take, where prompt and response do not both fit."""

Written = tuple[list[int], float]
"""New tokens, up to and with the one that ends them, and the geometric mean of their probabilities."""


class TokenWriter(Protocol):
    """A language model that goes on where prompts end, always with the likeliest token.

    Safe to use from several threads.

    Attributes:
        memory_bytes: about what it holds in memory.
        max_length_tokens: most tokens of prompt and response together; None where there is no such limit.
    """

    memory_bytes: int
    max_length_tokens: int | None

    def write(
        self,
        prompts: Sequence[Sequence[int]],
        *,
        most_tokens: int,
        longest: int | None,
        stop_ids: Sequence[int],
        budget_s: float | None = None,
        on_rows: Callable[[int], None] | None = None,
    ) -> list[Written]:
        """Return the response to each prompt, in the order given.

        Args:
            most_tokens: that are written to a prompt; at least one is.
            longest: most tokens of prompt and response together.
            stop_ids: tokens that end a response.
            budget_s: seconds for all prompts; what is there by then is returned.
            on_rows: called with the number of prompts that are done; what it raises passes through.
        """


@dataclass(frozen=True, slots=True)
class Draft:
    """A response that a model wrote.

    Attributes:
        tokens: that it took, the ending included.
        is_complete: True where the model ended by itself; False where the time or the tokens ran out.
        confidence: geometric mean of the probabilities of its tokens, from 0 to 1; None where nobody measured it.
        is_prompt_cut: True where the prompt lost its beginning, because the model cannot read that much.
    """

    text: str
    tokens: int
    is_complete: bool
    is_prompt_cut: bool = False
    confidence: float | None = None


class Limits(TypedDict, total=False):
    """The bounds of a response, see `TextGenerator`."""

    max_new_tokens: int
    budget_s: float | None
    max_length_tokens: int | None


class TextGenerator:
    """Responses of a language model. Safe to use from several threads.

    Args:
        max_new_tokens: most tokens of a response.
        budget_s: seconds per prompt, by the wall clock; what is there by then is the draft. None: no bound.
        max_length_tokens: most tokens of prompt and response together; bounded by what the model can read.
    """

    DEFAULT_MAX_NEW_TOKENS: ClassVar[int] = 256

    def __init__(
        self,
        writer: TokenWriter,
        chat_format: ChatFormat,
        *,
        max_new_tokens: int = DEFAULT_MAX_NEW_TOKENS,
        budget_s: float | None = None,
        max_length_tokens: int | None = None,
    ) -> None:
        self.writer, self.format = writer, chat_format
        self.max_new_tokens = max_new_tokens
        self.budget_s = budget_s
        limits = [limit for limit in (max_length_tokens, writer.max_length_tokens) if limit is not None]
        self.max_length_tokens = min(limits, default=None)

    @classmethod
    def of(cls, model: LanguageModel, *, clock: Callable[[], float] = time.monotonic, **limits: Unpack[Limits]) -> Self:
        """Responses of a model that torch computes.

        Args:
            clock: seconds from any origin.
            limits: as the class takes them.
        """
        from .torch_writer import TorchWriter

        return cls(TorchWriter(model, clock), model.chat_format(), **limits)

    def generate(self, prompts: Sequence[str], *, on_rows: Callable[[int], None] | None = None) -> list[Draft]:
        """One draft per prompt, in the order given. n prompts may take n times the budget.

        Args:
            on_rows: called with the number of rows that are done; what it raises passes through.
        """
        most = self.most_prompt_tokens
        rows = [self.format.prompt_ids(prompt, most=most) for prompt in prompts]
        written = self.writer.write(
            [ids for ids, _ in rows],
            most_tokens=self.max_new_tokens,
            longest=self.max_length_tokens,
            stop_ids=self.format.stop_ids,
            budget_s=None if self.budget_s is None else self.budget_s * len(rows),
            on_rows=on_rows,
        )
        return [
            Draft(self.format.decode(ids), len(ids), bool(ids) and ids[-1] in self.format.stop_ids, is_cut, confidence)
            for (_, is_cut), (ids, confidence) in zip(rows, written, strict=True)
        ]

    @property
    def most_prompt_tokens(self) -> int | None:
        """Tokens that a prompt is cut to."""
        if self.max_length_tokens is None:
            return None
        return max(self.max_length_tokens - self.max_new_tokens, int(self.max_length_tokens * PROMPT_SHARE))

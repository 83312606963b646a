"""Prompts and responses as the tokens that a language model is trained on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ...errors import TrainingError
from ...models.base.token_batches import padded, token_batches
from ...models.generation.chat_format import ChatFormat

if TYPE_CHECKING:
    import torch

__all__ = ["Pair", "TokenPair", "TokenPairs"]


PROMPT_SHARE = 0.5
"""A prompt is cut to this share of the length at most, before its response is."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A prompt, and the response to be learned.

    Attributes:
        weight: of the row in the loss, above 0.
    """

    prompt: str
    response: str
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class TokenPair:
    """A pair as tokens.

    Attributes:
        ids: of the prompt in its template, then of the response with its ending.
        prompt_tokens: how many of them are the prompt's; the loss is over the others alone.
    """

    IGNORED: ClassVar[int] = -100
    """The label of a token that the loss passes over, as torch's cross entropy has it."""

    ids: tuple[int, ...]
    prompt_tokens: int
    weight: float = 1.0

    @property
    def response_tokens(self) -> int:
        """Tokens that the loss is over."""
        return len(self.ids) - self.prompt_tokens

    @property
    def labels(self) -> list[int]:
        """The ids to be learned, per position: `IGNORED` on the prompt."""
        return [TokenPair.IGNORED] * self.prompt_tokens + list(self.ids[self.prompt_tokens :])

    @staticmethod
    def passes(rows: "Sequence[TokenPair]", tokens_per_pass: int) -> "Iterator[list[TokenPair]]":
        """Rows in groups of like length, longest first, each of at most this many tokens with its padding."""
        for group in token_batches([len(row.ids) for row in rows], tokens_per_batch=tokens_per_pass):
            yield [rows[i] for i in group]

    @staticmethod
    def padded(
        rows: "Sequence[TokenPair]", pad_id: int, device: str = "cpu"
    ) -> "tuple[torch.Tensor, torch.Tensor, torch.Tensor]":
        """Token ids filled up on the right, their attention mask and their labels, each (N, T) of int64.

        Rows are padded rather than packed end to end: with rows of like length there is little padding, and every
        architecture and attention kernel keeps rows apart without knowing where one begins.
        """
        ids, mask = padded([row.ids for row in rows], pad_id, device)
        labels, _ = padded([row.labels for row in rows], TokenPair.IGNORED, device)
        return ids, mask, labels


@dataclass(frozen=True, slots=True)
class TokenPairs:
    """Pairs as tokens.

    Attributes:
        cut_prompts: rows whose prompt lost its beginning.
        cut_responses: rows whose response lost its end; they teach no ending.
        max_length_tokens: what they were cut to.
    """

    rows: tuple[TokenPair, ...]
    cut_prompts: int
    cut_responses: int
    max_length_tokens: int

    def warnings(self, what: str) -> list[str]:
        """Return sentences on what was cut; `what` names the rows."""
        limit = f"max_length_tokens {self.max_length_tokens}"
        sentences = []
        if self.cut_prompts:
            sentences.append(
                f"{self.cut_prompts} of {len(self.rows)} {what} lost the beginning of their prompt to {limit}"
            )
        if self.cut_responses:
            sentences.append(
                f"{self.cut_responses} of {len(self.rows)} {what} lost the end of their response to {limit}: "
                "raise it, or nobody learns how they end"
            )
        return sentences

    @classmethod
    def of(cls, pairs: Sequence[Pair], chat_format: ChatFormat, *, max_length_tokens: int) -> "TokenPairs":
        """Pairs as tokens, none longer than the maximum.

        A prompt that leaves no room for its response loses its beginning, down to half the length; what its response
        then still has too much is cut from the end, ending and all.

        Raises:
            TrainingError: the template alone fills half the length.
        """
        rows, cut_prompts, cut_responses = [], 0, 0
        for pair in pairs:
            response = chat_format.response_ids(pair.response)
            room = max(max_length_tokens - len(response), int(max_length_tokens * PROMPT_SHARE))
            prompt, is_cut = chat_format.prompt_ids(pair.prompt, most=room)
            if len(prompt) > room:
                raise TrainingError(
                    f"the chat template alone takes {len(prompt)} tokens, and {max_length_tokens} are there for prompt "
                    "and response; raise max_length_tokens, or choose a base model that reads more"
                )
            fitting = response[: max_length_tokens - len(prompt)]
            cut_prompts += is_cut
            cut_responses += len(fitting) < len(response)
            rows.append(TokenPair((*prompt, *fitting), len(prompt), pair.weight))
        return cls(tuple(rows), cut_prompts, cut_responses, max_length_tokens)

"""Prompts to responses: greedy decoding with a key-value cache, in batches, within a time budget."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from ..base.token_batches import padded, token_batches
from .language_model import LanguageModel

if TYPE_CHECKING:
    import torch

__all__ = ["Draft", "TextGenerator"]

TOKENS_PER_BATCH = 4096
"""Tokens of prompts, with their padding, and of responses that a batch holds; a bound on its memory."""
PROMPT_SHARE = 0.75
"""Most of the model's length that a prompt may take, where prompt and response do not both fit."""


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


class TextGenerator:
    """Responses of a language model. Safe to use from several threads, one after the other.

    Args:
        max_new_tokens: most tokens of a response.
        budget_s: seconds per prompt, by the wall clock; what is there by then is the draft. None: no bound.
        max_length_tokens: most tokens of prompt and response together; bounded by what the model can read.
        clock: seconds from any origin.
    """

    DEFAULT_MAX_NEW_TOKENS: ClassVar[int] = 256

    def __init__(
        self,
        model: LanguageModel,
        *,
        max_new_tokens: int = DEFAULT_MAX_NEW_TOKENS,
        budget_s: float | None = None,
        max_length_tokens: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.model = model
        self.format = model.chat_format()
        self.max_new_tokens = max_new_tokens
        self.budget_s = budget_s
        limits = [limit for limit in (max_length_tokens, model.max_length_tokens) if limit is not None]
        self.max_length_tokens = min(limits, default=None)
        self._clock = clock
        self._lock = threading.Lock()

    def generate(self, prompts: Sequence[str], *, on_rows: Callable[[int], None] | None = None) -> list[Draft]:
        """One draft per prompt, in the order given.

        Batches hold prompts of like length, padded on the left; a batch of n prompts may take n times the budget.

        Args:
            on_rows: called with the number of rows that are done after every batch; what it raises passes through.
        """
        with self._lock:
            most = self._most_prompt_tokens()
            rows = [self.format.prompt_ids(prompt, most=most) for prompt in prompts]
            drafts: list[Draft | None] = [None] * len(rows)
            done = 0
            # A batch has to hold the responses as well.
            lengths = [len(ids) + self.max_new_tokens for ids, _ in rows]
            for batch in token_batches(lengths, tokens_per_batch=TOKENS_PER_BATCH):
                for i, (ids, confidence) in zip(batch, self._generate([rows[i][0] for i in batch]), strict=True):
                    is_complete = bool(ids) and ids[-1] in self.format.stop_ids
                    drafts[i] = Draft(self.format.decode(ids), len(ids), is_complete, rows[i][1], confidence)
                done += len(batch)
                if on_rows is not None:
                    on_rows(done)
        return [draft for draft in drafts if draft is not None]

    def _most_prompt_tokens(self) -> int | None:
        if self.max_length_tokens is None:
            return None
        return max(self.max_length_tokens - self.max_new_tokens, int(self.max_length_tokens * PROMPT_SHARE))

    def _generate(self, rows: Sequence[Sequence[int]]) -> list[tuple[list[int], float]]:
        """New token ids per row, up to and with the one that ends it, and the geometric mean of their probabilities."""
        import torch
        from transformers import GenerationConfig, LogitsProcessorList

        pad = int(self.model.tokenizer.pad_token_id)
        ids, mask = padded(rows, pad, self.model.device, on_left=True)
        room = self.max_new_tokens
        if self.max_length_tokens is not None:
            room = max(1, min(room, self.max_length_tokens - ids.shape[1]))
        config = GenerationConfig(  # type: ignore[no-untyped-call]
            do_sample=False,
            num_beams=1,
            use_cache=True,
            max_new_tokens=room,
            pad_token_id=pad,
            eos_token_id=list(self.format.stop_ids) or None,
        )
        logs: list[torch.Tensor] = []

        def watch(_: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
            # What is likeliest is what is taken.
            logs.append(scores.float().log_softmax(dim=-1).amax(dim=-1))
            return scores

        with torch.inference_mode(), _replaced_config(self.model.module, config):
            whole = self.model.module.generate(
                input_ids=ids,
                attention_mask=mask,
                generation_config=config,
                logits_processor=LogitsProcessorList([watch]),
                stopping_criteria=self._deadline(len(rows)),
            )
            certainty = torch.stack(logs, dim=1).cpu()
        stops = set(self.format.stop_ids)
        written = [_until(new, stops) for new in whole[:, ids.shape[1] :].tolist()]
        return [(new, float(certainty[row, : len(new)].mean().exp())) for row, new in enumerate(written)]

    def _deadline(self, rows: int) -> Any:
        """The criterion that stops a batch of this many rows when its time is up."""
        import torch
        from transformers import StoppingCriteria, StoppingCriteriaList

        if self.budget_s is None:
            return None
        clock, end_s = self._clock, self._clock() + self.budget_s * rows

        class OutOfTime(StoppingCriteria):
            def __call__(self, input_ids: "torch.Tensor", *_: object, **__: object) -> "torch.Tensor":
                return torch.full((input_ids.shape[0],), clock() >= end_s, dtype=torch.bool, device=input_ids.device)

        return StoppingCriteriaList([OutOfTime()])


@contextmanager
def _replaced_config(module: Any, config: Any) -> Iterator[None]:
    """Replace the settings that a model brings along, from which transformers would fill up others."""
    before = module.generation_config
    module.generation_config = config
    try:
        yield
    finally:
        module.generation_config = before


def _until(ids: list[int], stops: set[int]) -> list[int]:
    for position, token in enumerate(ids):
        if token in stops:
            return ids[: position + 1]
    return ids

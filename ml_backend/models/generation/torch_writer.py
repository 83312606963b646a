"""Greedy decoding by torch, on a GPU or the CPU, in batches with a key-value cache."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..base.token_batches import padded, token_batches
from .generator import TokenWriter, Written
from .language_model import LanguageModel

if TYPE_CHECKING:
    import torch

__all__ = ["TorchWriter"]

TOKENS_PER_BATCH = 4096
"""Tokens of prompts, with their padding, and of responses that a batch holds; a bound on its memory."""


class TorchWriter(TokenWriter):
    """A model that torch computes. Threads take turns.

    Args:
        clock: seconds from any origin.
    """

    def __init__(self, model: LanguageModel, clock: Callable[[], float] = time.monotonic) -> None:
        self.model = model
        self.max_length_tokens = model.max_length_tokens
        self.memory_bytes = sum(each.nbytes for each in model.module.parameters())
        self._clock = clock
        self._lock = threading.Lock()

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
        """As `TokenWriter.write`: batches hold prompts of like length, padded on the left."""
        written: list[Written] = [([], 0.0)] * len(prompts)
        done = 0
        with self._lock:
            # A batch has to hold the responses as well.
            lengths = [len(ids) + most_tokens for ids in prompts]
            for batch in token_batches(lengths, tokens_per_batch=TOKENS_PER_BATCH):
                rows = [prompts[i] for i in batch]
                share = None if budget_s is None else budget_s * len(batch) / len(prompts)
                for i, new in zip(batch, self._write(rows, most_tokens, longest, stop_ids, share), strict=True):
                    written[i] = new
                done += len(batch)
                if on_rows is not None:
                    on_rows(done)
        return written

    def _write(
        self,
        rows: Sequence[Sequence[int]],
        most_tokens: int,
        longest: int | None,
        stop_ids: Sequence[int],
        budget_s: float | None,
    ) -> list[Written]:
        import torch
        from transformers import GenerationConfig, LogitsProcessorList

        pad = int(self.model.tokenizer.pad_token_id)
        ids, mask = padded(rows, pad, self.model.device, on_left=True)
        room = most_tokens if longest is None else max(1, min(most_tokens, longest - ids.shape[1]))
        config = GenerationConfig(  # type: ignore[no-untyped-call]  # it has no types
            do_sample=False,
            num_beams=1,
            use_cache=True,
            max_new_tokens=room,
            pad_token_id=pad,
            eos_token_id=list(stop_ids) or None,
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
                stopping_criteria=self._deadline(budget_s),
            )
            certainty = torch.stack(logs, dim=1).cpu()
        stops = set(stop_ids)
        written = [_until(new, stops) for new in whole[:, ids.shape[1] :].tolist()]
        return [(new, float(certainty[row, : len(new)].mean().exp())) for row, new in enumerate(written)]

    def _deadline(self, budget_s: float | None) -> Any:
        """The criterion that stops a batch when its time is up."""
        import torch
        from transformers import StoppingCriteria, StoppingCriteriaList

        if budget_s is None:
            return None
        clock, end_s = self._clock, self._clock() + budget_s

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

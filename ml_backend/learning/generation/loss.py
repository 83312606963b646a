"""The loss of a language model: over the tokens of responses alone."""

import inspect
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ...models.base.token_batches import compute_context
from ...models.generation.language_model import LanguageModel
from .data import TokenPair

if TYPE_CHECKING:
    import torch

__all__ = ["holdout_loss", "perplexity", "response_losses", "text_perplexity"]

LONGEST_PERPLEXITY = 700.0
"""Beyond this loss the perplexity is no longer a floating-point number."""


def response_losses(model: LanguageModel, rows: Sequence[TokenPair]) -> "torch.Tensor":
    """Cross entropy per token, shape (N, T'), 0 on prompts and padding; positions before all responses are left out.

    It carries gradients where they are on, in fp32, whatever the weights are held in.
    """
    from torch.nn import functional

    ids, mask, labels = TokenPair.padded(rows, model.tokenizer.pad_token_id, model.device)
    # A token is predicted by the logits of the token before it.
    first = max(min(row.prompt_tokens for row in rows), 1)
    count = ids.shape[1] - first + 1
    with compute_context(model.use_bf16, model.device):
        logits = _logits(model.module, ids, mask, count)[:, :-1]
    flat = functional.cross_entropy(
        logits.float().flatten(0, 1), labels[:, first:].flatten(), reduction="none", ignore_index=TokenPair.IGNORED
    )
    return flat.view(len(rows), -1)


def holdout_loss(
    model: LanguageModel,
    rows: Sequence[TokenPair],
    *,
    tokens_per_pass: int,
    on_rows: Callable[[int], None] | None = None,
) -> float:
    """Mean cross entropy over all response tokens of the rows; not a number without rows.

    Args:
        on_rows: called with the number of rows of every pass.
    """
    import torch

    total, tokens = 0.0, 0
    with torch.inference_mode():
        for batch in TokenPair.passes(rows, tokens_per_pass):
            total += float(response_losses(model, batch).double().sum())
            tokens += sum(row.response_tokens for row in batch)
            if on_rows is not None:
                on_rows(len(batch))
    return total / tokens if tokens else math.nan


def perplexity(loss: float) -> float:
    """The perplexity of a mean cross entropy in nats."""
    return math.exp(loss) if not loss > LONGEST_PERPLEXITY else math.inf


def text_perplexity(model: LanguageModel, texts: Sequence[str], *, tokens_per_pass: int) -> float:
    """Perplexity per token of plain texts, without any template, each read by itself from its first token on."""
    limit = model.max_length_tokens
    rows = []
    for text in texts:
        ids = model.tokenizer(text, add_special_tokens=True)["input_ids"][:limit]
        if len(ids) > 1:
            rows.append(TokenPair(tuple(ids), 1))
    return perplexity(holdout_loss(model, rows, tokens_per_pass=tokens_per_pass))


def _logits(module: Any, ids: "torch.Tensor", mask: "torch.Tensor", count: int) -> "torch.Tensor":
    """Logits of the last `count` positions: with large vocabularies the others would take most of the memory."""
    options: dict[str, Any] = {"input_ids": ids, "attention_mask": mask, "use_cache": False}
    if "logits_to_keep" in inspect.signature(module.forward).parameters:
        options["logits_to_keep"] = count
    logits: torch.Tensor = module(**options).logits
    return logits[:, -count:]

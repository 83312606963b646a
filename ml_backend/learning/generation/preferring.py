"""Direct preference optimisation: a tuned language model learns which of two responses people prefer.

Source: Rafailov et al. 2023, "Direct Preference Optimization: Your Language Model is Secretly a Reward Model"; label
smoothing: Mitchell 2023, "A note on DPO with noisy preferences".
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...arrays import Floats
from ...domain.preference import Preference
from ...models.base.token_batches import token_batches
from ...models.generation.chat_format import ChatFormat
from ...models.generation.language_model import LanguageModel
from .data import Pair, TokenPair, TokenPairs
from .loss import response_losses
from .settings import GenerationSettings
from .tuned import TunedLanguageModel

if TYPE_CHECKING:
    import torch
    from peft import PeftModel

__all__ = ["PreferringModel", "dpo_losses", "preference_margins", "prefers"]


@dataclass(frozen=True, slots=True)
class _TokenPreferences:
    """Pairs of responses as tokens: `chosen` and `rejected` have a row each per pair."""

    chosen: TokenPairs
    rejected: TokenPairs

    @classmethod
    def of(cls, pairs: Sequence[Preference], chat_format: ChatFormat, *, max_length_tokens: int) -> "_TokenPreferences":
        """Raise a TrainingError where the template alone fills half the length."""
        chosen, rejected = ([Pair(each.prompt, own(each)) for each in pairs] for own in (_chosen, _rejected))
        return cls(
            *(TokenPairs.of(rows, chat_format, max_length_tokens=max_length_tokens) for rows in (chosen, rejected))
        )

    @property
    def lengths(self) -> list[int]:
        """Tokens of both responses with their prompts, per pair."""
        return [len(one.ids) + len(other.ids) for one, other in zip(self.chosen.rows, self.rejected.rows, strict=True)]

    def passes(self, positions: Sequence[int], tokens_per_pass: int) -> Iterator[tuple[list[int], list[TokenPair]]]:
        """Yield positions of pairs of like length, and their rows: all chosen ones, then all rejected ones."""
        longest = [2 * max(len(self.chosen.rows[i].ids), len(self.rejected.rows[i].ids)) for i in positions]
        for group in token_batches(longest, tokens_per_batch=tokens_per_pass):
            own = [positions[i] for i in group]
            yield own, [*(self.chosen.rows[i] for i in own), *(self.rejected.rows[i] for i in own)]

    def margins(self, model: LanguageModel, tokens_per_pass: int, *, on_pairs: Callable[[int], None]) -> "torch.Tensor":
        """Log-probability of the chosen response less that of the rejected one, shape (N,), without gradients.

        Args:
            on_pairs: called with the number of pairs of every pass.
        """
        import torch

        found = torch.zeros(len(self.chosen.rows), device=model.device)
        with torch.no_grad():
            for own, rows in self.passes(range(len(found)), tokens_per_pass):
                logs = _log_probabilities(model, rows)
                found[own] = logs[: len(own)] - logs[len(own) :]
                on_pairs(len(own))
        return found


class PreferringModel(TunedLanguageModel):
    """A tuned language model that is trained on pairs of responses; the loss compares it with itself as it began."""

    def set_preferences(
        self,
        pairs: Sequence[Preference],
        holdout: Sequence[Preference],
        chat_format: ChatFormat,
        *,
        max_length_tokens: int,
        on_pairs: Callable[[int], None] = lambda _: None,
    ) -> tuple[str, ...]:
        """Set the pairs to learn, and those that epochs are scored on, and measure both before the training.

        Args:
            on_pairs: called with the number of pairs that were read.

        Returns:
            Sentences on what was cut.
        """
        train, held_out = (
            _TokenPreferences.of(each, chat_format, max_length_tokens=max_length_tokens) for each in (pairs, holdout)
        )
        self.lengths, self._train, self._held_out, self._on_pairs = train.lengths, train, held_out, on_pairs
        self._reference = self._margins(train)
        self._held_out_reference = self._margins(held_out)
        return (
            *train.chosen.warnings("chosen responses"),
            *train.rejected.warnings("rejected responses"),
            *held_out.chosen.warnings("chosen holdout responses"),
            *held_out.rejected.warnings("rejected holdout responses"),
        )

    def __getstate__(self) -> dict[str, Any]:
        return super().__getstate__() | {"_held_out": None, "_held_out_reference": None, "_on_pairs": None}

    def loss_weight(self, positions: Sequence[int]) -> float:
        return float(len(positions))

    def evaluate(self) -> tuple[float, Mapping[str, float]] | None:
        if not self._held_out.chosen.rows:
            return None
        margins = self._margins(self._held_out)
        loss = float(self._losses(margins, self._held_out_reference).mean())
        rewards = self._settings.beta * (margins - self._held_out_reference)
        return -loss, {
            "loss": loss,
            "reward_margin": float(rewards.mean()),
            "reward_accuracy": float(prefers(rewards.cpu().numpy()).mean()),
        }

    def held_out_margins(self) -> tuple[Floats, Floats]:
        """Log-probabilities of the held-out pairs' chosen responses less those of the rejected ones, before and now."""
        return self._held_out_reference.cpu().numpy(), self._margins(self._held_out).cpu().numpy()

    def _margins(self, pairs: _TokenPreferences) -> "torch.Tensor":
        per_pass = self._settings.tokens_per_pass
        return pairs.margins(self.model, per_pass, on_pairs=self._on_pairs)

    def _losses(self, margins: "torch.Tensor", reference: "torch.Tensor") -> "torch.Tensor":
        return dpo_losses(margins, reference, beta=self._settings.beta, smoothing=self._settings.label_smoothing)

    def _add_gradients(self, positions: Sequence[int]) -> float:
        import torch

        total = 0.0
        for own, rows in self._train.passes(positions, self._settings.tokens_per_pass):
            logs = _log_probabilities(self.model, rows)
            margins = logs[: len(own)] - logs[len(own) :]
            loss = self._losses(margins, self._reference[own]).sum() / len(positions)
            torch.autograd.backward(loss)
            total += float(loss.detach())
        return total

    @classmethod
    @contextmanager
    def going_on(
        cls, model: LanguageModel, peft_model: "PeftModel", settings: GenerationSettings
    ) -> "Iterator[PreferringModel]":
        """The model with the adapter that is in it already, and goes on being trained."""
        yield cls(model, peft_model, settings)


def dpo_losses(
    margins: "torch.Tensor", reference: "torch.Tensor", *, beta: float, smoothing: float = 0.0
) -> "torch.Tensor":
    """Loss per pair, shape (N,).

    Args:
        margins: log-probability of the chosen response less that of the rejected one, shape (N,).
        reference: the same by the model before the training.
        beta: how strongly the model is held to what it was before.
        smoothing: the chance that a pair is the wrong way round, from 0 to below 0.5.
    """
    from torch.nn.functional import logsigmoid

    rewards = beta * (margins - reference)
    return -(1 - smoothing) * logsigmoid(rewards) - smoothing * logsigmoid(-rewards)


def preference_margins(
    model: LanguageModel,
    pairs: Sequence[Preference],
    *,
    max_length_tokens: int,
    tokens_per_pass: int,
    on_pairs: Callable[[int], None] = lambda _: None,
) -> Floats:
    """Log-probability of each pair's chosen response less that of its rejected one, shape (N,).

    Args:
        on_pairs: called with the number of pairs of every pass.
    """
    tokens = _TokenPreferences.of(pairs, model.chat_format(), max_length_tokens=max_length_tokens)
    return np.asarray(tokens.margins(model, tokens_per_pass, on_pairs=on_pairs).cpu().numpy(), dtype=np.float64)


def prefers(margins: Floats) -> Floats:
    """Per pair 1 where the chosen response is ahead, 0 where the other is, and a half where they are even, shape (N,).

    The mean is the ranking accuracy where the margins are a model's log-probabilities (Chen et al. 2024), and the
    reward accuracy where they are those less another model's (Rafailov et al. 2023).
    """
    return np.asarray((np.sign(margins) + 1) / 2, dtype=np.float64)


def _log_probabilities(model: LanguageModel, rows: Sequence[TokenPair]) -> "torch.Tensor":
    """Log-probability of each response, shape (N,)."""
    return -response_losses(model, rows).sum(dim=1)


def _chosen(pair: Preference) -> str:
    return pair.chosen


def _rejected(pair: Preference) -> str:
    return pair.rejected

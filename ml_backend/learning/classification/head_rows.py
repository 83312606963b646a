"""The rows of one control's head, as its models read them."""

from collections.abc import Sequence

import numpy as np

from ...arrays import Ints
from ...domain.example import Target
from ..rows.data import TrainingData
from .long_rows import SPREAD_SHARE, most_telling
from .trainer import Trainer

__all__ = ["HeadRows"]

CHECKED_ROWS, CHECKED_TOKENS = 32, 32768


class HeadRows:
    """Rows of one control as its models read them, by an objective that was prepared for them.

    Attributes:
        learned: train rows, then descriptions and weak rows; a tuned model learns from them.
        sampled: the ones of them that the regression learns from: all, or as many as fit into memory. Where texts have
            many pieces, the tuned model learns from these as well, since their features say which pieces tell most.
        beside: how many descriptions and weak rows there are, at the end of both.
        weak: how many weak rows there are, at the end of these.
        origins: per description and weak row, the positions among the sampled ones of both rows that a copy has parts
            of; -1 for no copy, and -2 for a row that was not sampled; shape (B, 2).
        trained: what a tuned model reads of the rows, up to which pieces of long texts it reads.
        read_share: work of reading a row once, as a multiple of the work of reading what a tuned model learns of it.
        left_out: a sentence on rows that nothing learns from, because their pieces do not fit into memory; "" if none.
        checked_texts: leading texts, spread over all of them, that a bundle is checked with; tokenised, `checked`.
    """

    def __init__(self, data: TrainingData, trainer: Trainer) -> None:
        encoder, objective, settings = trainer.encoder, trainer.objective, trainer.settings
        self.learned = learned = objective.encode(encoder, data.learned(settings.description_weight))
        self.validation = objective.encode(encoder, data.validation)
        self.beside = beside = len(learned) - len(data.train)
        self.weak = len(data.weak)
        positions = objective.sample_for_regression(learned, np.random.default_rng(settings.seed), kept=beside)
        self.sampled = learned if len(positions) == len(learned) else learned.take(positions)
        descriptions = np.full((beside - self.weak, 2), -1)
        self.origins = _places(np.concatenate([descriptions, data.origins]), positions)
        self.trained, self.read_share, self.left_out = learned.tokenised, 1.0, ""
        if self.sampled.tokenised.has_windows:
            if len(self.sampled) < len(learned):
                rows = f"{len(self.sampled) - beside} of {len(data.train)} train rows were learned from"
                self.left_out = f"{rows}, drawn at random: the sentences of more long texts do not fit into memory"
            self.learned = self.sampled
            tokenised = self.sampled.tokenised
            self.trained = tokenised.with_sequences(
                most_telling(tokenised, None, encoder.max_length_tokens // SPREAD_SHARE)
            )
            self.read_share = tokenised.tokens / self.trained.tokens
        leading = data.leading
        spread = range(0, len(leading), -(-len(leading) // CHECKED_ROWS))
        first = 0 if len(data.train) else len(learned) - len(leading)  # weak rows stand at the end
        tokens = np.cumsum([learned.tokenised.take([first + i]).tokens for i in spread])
        checked = spread[: max(1, int((tokens <= CHECKED_TOKENS).sum()))]
        self.checked_texts = tuple(leading.texts[i] for i in checked)
        self.checked = learned.tokenised.take([first + i for i in checked])

    @property
    def certain(self) -> Ints:
        """Positions of the sampled rows but the weak ones, shape (N,)."""
        return np.arange(len(self.sampled) - self.weak)

    @property
    def targets(self) -> Sequence[Target]:
        """People's answers to the train rows among the sampled ones, which come first."""
        return self.sampled.rows.targets[: len(self.sampled) - self.beside]


def _places(origins: Ints, sampled: Ints) -> Ints:
    """Return where the rows at these positions are among the sampled ones; -1 stays, and -2 is nowhere."""
    found = np.searchsorted(sampled, origins)
    is_there = sampled[np.minimum(found, len(sampled) - 1)] == origins
    return np.where(origins < 0, origins, np.where(is_there, found, -2))

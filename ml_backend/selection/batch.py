"""Choose the tasks of a list: a strategy's, and a share at random."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ..arrays import Bools
from .distinct import DistinctTexts
from .pool import Pool
from .strategies.base import SelectionStrategy

__all__ = ["ChosenText", "choose"]

RANDOM = "random"
HELD_OUT_REASON = "drawn at random among the tasks that measure the model"


@dataclass(frozen=True, slots=True)
class ChosenText:
    """A chosen text.

    Attributes:
        position: in the pool.
        strategy: `random` where it was drawn.
        reason: why, in plain words.
        doubt: how undecided the model's answer is, from 0 to 1.
    """

    position: int
    strategy: str
    reason: str
    doubt: float

    @property
    def is_random(self) -> bool:
        """True where chance alone chose it."""
        return self.strategy == RANDOM


def choose(
    pool: Pool,
    texts: Sequence[str],
    strategy: SelectionStrategy,
    count: int,
    *,
    held_out: Bools,
    random_share: float,
    labeled_texts: Iterable[str] = (),
) -> list[ChosenText]:
    """Return so many texts of a pool in the order in which they should be labeled; fewer where there are no more.

    Held-out texts come in at the share that they have in the pool, and are drawn at random alone: they are what the
    model is measured on. Of the others, `random_share` is drawn at random as well, and the strategy chooses the rest.
    Those drawn stand between the others at random places. Near duplicates of labeled texts and of each other are
    passed over.

    Args:
        texts: of the pool, in its order.
        held_out: which of them are held out, shape (N,).

    Raises:
        ConfigurationError: the strategy does not serve what the pool is labeled with.
    """
    strategy = strategy.suited(pool)
    rng = np.random.default_rng((pool.seed, len(pool.labeled), 1))
    count = min(count, len(pool))
    measured = round(count * float(held_out.mean())) if len(pool) else 0
    drawn = round((count - measured) * random_share)
    distinct = DistinctTexts(texts.__getitem__, pool.features, pool.labeled, labeled_texts)
    free = np.flatnonzero(~held_out)
    blind = [
        ChosenText(position, RANDOM, HELD_OUT_REASON, 0.0)
        for position in distinct.take(rng.permutation(np.flatnonzero(held_out)).tolist(), measured)
    ]
    doubt = pool.doubt
    chance = SelectionStrategy.named(RANDOM)
    at_random = [
        ChosenText(position, RANDOM, chance.reason(pool, position), float(doubt[position]))
        for position in distinct.take(rng.permutation(free).tolist(), drawn)
    ]
    part = pool.take(free)
    wanted = count - len(blind) - len(at_random)
    order = strategy.order(part, wanted) if wanted and len(part) else np.zeros(0, dtype=np.int64)
    position_in_part = {int(free[i]): i for i in order.tolist()}
    chosen = [
        ChosenText(position, strategy.name, strategy.reason(part, position_in_part[position]), float(doubt[position]))
        for position in distinct.take(list(position_in_part), wanted)
    ]
    return _mixed(chosen, [*blind, *at_random], rng)


def _mixed(ordered: Sequence[ChosenText], drawn: Sequence[ChosenText], rng: np.random.Generator) -> list[ChosenText]:
    """Put what was drawn at random places among what is in order."""
    is_drawn = np.zeros(len(ordered) + len(drawn), dtype=np.bool_)
    is_drawn[rng.permutation(len(is_drawn))[: len(drawn)]] = True
    sources = iter(ordered), iter([drawn[i] for i in rng.permutation(len(drawn))])
    return [next(sources[int(each)]) for each in is_drawn]

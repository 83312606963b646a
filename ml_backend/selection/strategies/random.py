"""Choose at random."""

from ...arrays import Ints
from ..pool import Pool
from .base import SelectionStrategy

__all__: list[str] = []


class RandomStrategy(SelectionStrategy):
    """All texts have the same chance, so that what is measured on them holds for all."""

    name = "random"

    def order(self, pool: Pool, count: int) -> Ints:  # noqa: ARG002 (all are in order)
        return pool.rng().permutation(len(pool))

    def reason(self, pool: Pool, position: int) -> str:  # noqa: ARG002 (there is none but chance)
        return "drawn at random"

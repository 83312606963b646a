"""The base class of selection strategies, and how they are found."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from ...arrays import Floats, Ints
from ...errors import ConfigurationError
from ...plugins import classes_in
from ..pool import ExpectedAnswers, Pool

__all__ = ["SelectionStrategy", "UncertaintyStrategy"]

COLD_STRATEGY = "typical"


class SelectionStrategy(ABC):
    """A way to choose. A new one is a new file in this folder.

    Attributes:
        name: as users write it.
        needs_labels: serves only answers that are chosen from labels; where it does not, it serves every kind.
        needs_sources: chooses by what label sources say.
        learns: needs expected answers; before there are labels to learn from, `typical` chooses instead.
    """

    name: ClassVar[str]
    needs_labels: ClassVar[bool] = False
    needs_sources: ClassVar[bool] = False
    learns: ClassVar[bool] = False

    @abstractmethod
    def order(self, pool: Pool, count: int) -> Ints:
        """Return positions of texts in the pool, the best one first; each at most once.

        Args:
            count: how many are wanted; more of them should follow, as some may be passed over as near duplicates.
        """

    @abstractmethod
    def reason(self, pool: Pool, position: int) -> str:
        """Say in plain words why the text was chosen."""

    def serves(self, pool: Pool) -> bool:
        """True where it can choose from the pool."""
        return not self.needs_labels or not pool.answers or any(_has_labels(each) for each in pool.answers)

    def suited(self, pool: Pool) -> "SelectionStrategy":
        """Return this strategy, or the one that chooses while there is nothing to learn from.

        Raises:
            ConfigurationError: it does not serve what the pool is labeled with.
        """
        if not self.serves(pool):
            others = [name for name, kind in SelectionStrategy.all().items() if not kind.needs_labels]
            raise ConfigurationError(
                f"strategy {self.name!r} compares the chances of labels, and the answers here are spans or texts; "
                f"wanted one of {', '.join(others)}"
            )
        return self.named(COLD_STRATEGY) if self.learns and not pool.answers else self

    @staticmethod
    def all() -> Mapping[str, "type[SelectionStrategy]"]:
        """Return all strategies by name."""
        return classes_in(__package__, SelectionStrategy, "name")

    @staticmethod
    def named(name: str) -> "SelectionStrategy":
        """Return a strategy.

        Raises:
            ConfigurationError: there is none of this name.
        """
        strategies = SelectionStrategy.all()
        if name not in strategies:
            raise ConfigurationError(f"strategy {name!r} found; wanted one of {', '.join(strategies)}")
        return strategies[name]()


class UncertaintyStrategy(SelectionStrategy):
    """Chooses what the model is the least certain of."""

    learns = True

    @abstractmethod
    def doubts(self, answers: ExpectedAnswers) -> Floats:
        """Return how uncertain the answers to a control are, the more the higher, shape (N,)."""

    def order(self, pool: Pool, count: int) -> Ints:  # noqa: ARG002 (all are in order)
        served = [each for each in pool.answers if not self.needs_labels or _has_labels(each)]
        return np.argsort(-pool.worst([self.doubts(each) for each in served]), kind="stable")

    def reason(self, pool: Pool, position: int) -> str:
        return uncertainty(pool, position)


def uncertainty(pool: Pool, position: int) -> str:
    """Say what the model is uncertain about in a text."""
    least = min(pool.answers, key=lambda each: float(each.margin[position]), default=None)
    if least is None:
        return "nothing has been learned yet"
    about = f"{least.control}: " if len(pool.answers) > 1 else ""
    if least.probabilities is not None and not least.labels:
        return f"{about}the model is {least.confidence[position]:.0%} sure of its very number"
    if least.probabilities is None or not _has_labels(least):
        return f"{about}the model is {least.confidence[position]:.0%} sure of a word of its answer on average"
    chances = least.probabilities[position]
    if not least.is_one_label:
        label = int(np.abs(chances - 0.5).argmin())
        return f"{about}the model gives {least.labels[label]!r} a chance of {chances[label]:.0%}"
    first, second = np.argsort(-chances, kind="stable")[:2].tolist()
    return (
        f"{about}the model wavers between {least.labels[first]!r} ({chances[first]:.0%}) and "
        f"{least.labels[second]!r} ({chances[second]:.0%})"
    )


def _has_labels(answers: ExpectedAnswers) -> bool:
    return answers.probabilities is not None and len(answers.labels) > 1

"""What every benchmark is given, and what it is."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any

from benchmarks.support.served_home import ServedHome
from benchmarks.support.texts import Dataset, load_dataset, write_pools

__all__ = ["Bench", "Measure", "Skipped"]


class Skipped(Exception):
    """A benchmark that cannot be run here; the message says why."""


@dataclass(frozen=True)
class Bench:
    """One run of several benchmarks.

    Attributes:
        folder: for files that are gone afterwards.
        data: folder of Banking77, None where it is not at hand.
        is_quick: to see that everything works; the figures say little.
        is_large: also what takes very long.
    """

    folder: Path
    data: Path | None
    is_quick: bool = False
    is_large: bool = False

    @cached_property
    def dataset(self) -> Dataset:
        """What is trained on and asked about."""
        return load_dataset(self.data)

    @cached_property
    def pool(self) -> Path:
        """File of the texts that are asked about, by kind."""
        path = self.folder / "texts.json"
        write_pools(self.dataset, path)
        return path

    @cached_property
    def home(self) -> ServedHome:
        """A home folder with a trained version that serves; shared by the benchmarks of a run."""
        return ServedHome(self.folder / "home", self.dataset, self.is_quick)

    def fresh_seed(self) -> int:
        """A seed of texts that no other round has had."""
        return next(self._seeds)

    @cached_property
    def _seeds(self) -> Iterator[int]:
        return count(1)

    def pick(self, full: Any, quick: Any) -> Any:
        """One of the two, by what was asked for."""
        return quick if self.is_quick else full


Measure = Callable[[Bench], Mapping[str, Any]]

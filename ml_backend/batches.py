"""Many items, some at a time."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

__all__ = ["batches_of"]

T = TypeVar("T")


def batches_of(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield the items in lists of a size, the last one perhaps shorter; of a stream no more are read ahead."""
    source = iter(items)
    while batch := list(islice(source, size)):
        yield batch

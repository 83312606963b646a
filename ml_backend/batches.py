"""Lists of limited length out of many items."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

__all__ = ["in_batches"]

T = TypeVar("T")


def in_batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield the items in lists of this length, the last of which may be shorter.

    It takes no item before its list is wanted. Python has this as `itertools.batched` only since 3.12.
    """
    source = iter(items)
    while batch := list(islice(source, size)):
        yield batch

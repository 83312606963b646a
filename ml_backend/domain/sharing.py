"""Parts of a job that other machines may do. Without other machines, nothing changes."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeAlias

__all__ = ["ShareWork", "keep_work"]

ShareWork: TypeAlias = Callable[
    [str, Mapping[int, Callable[[], Any]]], AbstractContextManager[Callable[[int], Any | None]]
]
"""Offers calls, by number, to helpers of a kind, for the length of a block. The calls and what they return can be
pickled, and None is no result.

The block gets a function that is asked for the result of a number: it waits where a helper has begun, and returns None
where nobody has, or where it came to nothing. Whoever asks then makes the call; no helper begins it any more."""


@contextmanager
def keep_work(kind: str, calls: Mapping[int, Callable[[], Any]]) -> Iterator[Callable[[int], None]]:  # noqa: ARG001
    """Offer nothing to anybody; a `ShareWork`."""
    yield lambda _number: None

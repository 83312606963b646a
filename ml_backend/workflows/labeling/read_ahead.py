"""Reading from something slow while what was read before is worked on."""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Generic, TypeVar

__all__ = ["read_ahead"]

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class _Read(Generic[Item]):
    item: Item


@dataclass(frozen=True, slots=True)
class _End:
    error: BaseException | None


@contextmanager
def read_ahead(source: Iterable[Item], at_most: int) -> Iterator[Iterator[Item]]:
    """The items of a source in order, read on a thread of its own for as long as the block runs.

    What the source raises is raised where its next item would have come. Leaving the block ends the reading as soon as
    the item under way has been read.

    Args:
        at_most: items that are read and not yet taken, so that memory stays flat.
    """
    found: SimpleQueue[_Read[Item] | _End] = SimpleQueue()
    room = threading.Semaphore(at_most)
    stop = threading.Event()

    def read() -> None:
        try:
            items = iter(source)
            while room.acquire() and not stop.is_set():
                found.put(_Read(next(items)))
        except StopIteration:
            found.put(_End(None))
        except BaseException as error:
            found.put(_End(error))  # raised in the thread that takes the items

    def taken() -> Iterator[Item]:
        while isinstance(next_one := found.get(), _Read):
            room.release()
            yield next_one.item
        if next_one.error is not None:
            raise next_one.error

    thread = threading.Thread(target=read, name="read-ahead", daemon=True)
    thread.start()
    try:
        yield taken()
    finally:
        stop.set()
        room.release()
        thread.join()

"""Read from a slow source while the caller works on the items read before."""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from typing import TypeVar

__all__ = ["read_ahead"]

Item = TypeVar("Item")


@contextmanager
def read_ahead(source: Iterable[Item], at_most: int) -> Iterator[Iterator[Item]]:
    """Yield the items of a source in order, which a second thread reads while the block runs.

    An error of the source is raised in place of its next item. The end of the block also ends the reading, after the
    item that is being read.

    Args:
        at_most: number of items that are read before they are needed, which bounds the memory.
    """
    # An item comes in a tuple, so that it can be anything; an error, StopIteration included, is the end.
    queue: SimpleQueue[tuple[Item] | BaseException] = SimpleQueue()
    room = threading.Semaphore(at_most)
    stop = threading.Event()

    def read() -> None:
        try:
            items = iter(source)
            while room.acquire() and not stop.is_set():
                queue.put((next(items),))
        except BaseException as error:
            queue.put(error)  # raised in the thread that takes the items

    def items_read() -> Iterator[Item]:
        while isinstance(entry := queue.get(), tuple):
            room.release()
            yield entry[0]
        if not isinstance(entry, StopIteration):
            raise entry

    thread = threading.Thread(target=read, name="read-ahead", daemon=True)
    thread.start()
    try:
        yield items_read()
    finally:
        stop.set()
        room.release()
        thread.join()

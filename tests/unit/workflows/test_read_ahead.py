"""Items that are read on a thread of their own while earlier ones are used."""

import threading
from collections.abc import Iterator

import pytest

from ml_backend.workflows.labeling.read_ahead import read_ahead


def test_no_more_is_read_than_there_is_room_for() -> None:
    read: list[int] = []
    third = threading.Event()

    def source() -> Iterator[int]:
        for number in range(100):
            read.append(number)
            if number == 2:
                third.set()
            yield number

    with read_ahead(source(), 3):
        assert third.wait(30)

    assert read == [0, 1, 2]


def test_an_error_of_the_source_comes_after_the_items_before_it() -> None:
    def source() -> Iterator[int]:
        yield 1
        raise LookupError("nothing more")

    with read_ahead(source(), 3) as items:
        assert next(items) == 1
        with pytest.raises(LookupError, match="nothing more"):
            next(items)


def test_leaving_early_ends_the_thread() -> None:
    with read_ahead(iter(int, 1), 3) as items:
        assert next(items) == 0

    assert not [thread for thread in threading.enumerate() if thread.name == "read-ahead"]

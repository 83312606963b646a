"""Loading in the background."""

import logging
import threading
from collections.abc import Callable

import pytest

from ml_backend.domain.project import Project
from ml_backend.errors import EncoderError
from ml_backend.serving.loader import Loader
from tests.unit.serving.projects import project_of


class Shelf:
    """Loads when it may, and remembers what it has loaded, and on how many threads at a time."""

    def __init__(self, fails: Callable[[Project], Exception | None] = lambda _: None) -> None:
        self.loaded: list[int] = []
        self.may_load = threading.Event()
        self.threads: set[int] = set()
        self._fails = fails

    def __call__(self, each: Project) -> None:
        self.may_load.wait(10)
        self.threads.add(threading.get_ident())
        self.loaded.append(each.id)
        if error := self._fails(each):
            raise error


def ended() -> bool:
    for thread in threading.enumerate():
        if thread.name == "loader":
            thread.join(10)
    return not [thread for thread in threading.enumerate() if thread.name == "loader"]


def test_hundreds_of_projects_are_loaded_by_one_thread_in_their_order() -> None:
    shelf, before = Shelf(), threading.active_count()
    loader = Loader(shelf)

    for number in range(300):
        loader.add(project_of(number))

    assert threading.active_count() == before + 1
    shelf.may_load.set()
    assert ended()
    assert shelf.loaded == list(range(300))
    assert len(shelf.threads) == 1


def test_a_project_that_waits_is_not_put_in_line_again_and_may_come_back_later() -> None:
    shelf = Shelf()
    loader = Loader(shelf)
    for number in (1, 2, 3, 2, 3, 3):
        loader.add(project_of(number))
    shelf.may_load.set()
    assert ended()
    assert sorted(shelf.loaded) == [1, 2, 3]

    loader.add(project_of(2))
    assert ended()
    assert shelf.loaded[3:] == [2]


@pytest.mark.parametrize("error", [EncoderError("no such model"), RuntimeError("odd"), MemoryError()])
def test_one_that_fails_is_logged_and_keeps_no_other_waiting(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    shelf = Shelf(lambda each: error if each.id == 1 else None)
    shelf.may_load.set()
    loader = Loader(shelf)

    for number in (1, 2, 3):
        loader.add(project_of(number))

    assert ended()
    assert shelf.loaded == [1, 2, 3]
    assert caplog.messages == ["project 1 has no model to serve"]

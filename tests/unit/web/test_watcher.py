"""The thread that follows the champion."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic, sleep

import pytest

from ml_backend.domain.project import Project
from ml_backend.web.watcher import watch_champions
from ml_backend.workflows.promoting.promote import Promoter
from ml_backend.workflows.services import Services
from tests.services import add_project, add_version


@pytest.fixture
def project(services: Services) -> Project:
    return add_project(services)


def until(is_so: Callable[[], bool]) -> None:
    deadline = monotonic() + 5
    while not is_so():
        assert monotonic() < deadline
        sleep(0.005)


def loaded(services: Services, project: Project) -> str | None:
    predictor = services.champions.loaded(project)
    return predictor.version if predictor else None


@contextmanager
def watching(services: Services, **options: float) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=watch_champions, args=(services, stop), kwargs={"poll_s": 0.005, **options})
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(5)
    assert not thread.is_alive()


@pytest.mark.parametrize("full_refresh_s", [3600.0, 0.0])
def test_a_promotion_is_served_without_a_restart(services: Services, project: Project, full_refresh_s: float) -> None:
    with watching(services, full_refresh_s=full_refresh_s):
        until(lambda: loaded(services, project) == services.cold_start(project).version)
        version = add_version(services, project)
        Promoter(services).promote(project, version.name, reason="r")
        until(lambda: loaded(services, project) == version.name)


def test_an_alias_moved_by_hand_is_found_at_the_next_full_look(services: Services, project: Project) -> None:
    version = add_version(services, project)
    services.versions.serve(version.name)
    with watching(services):
        until(lambda: loaded(services, project) == version.name)

"""Asking for jobs, once and from many threads."""

import threading
from collections.abc import Callable
from typing import Any, TypeVar

from ml_backend.domain.job import Job
from ml_backend.storage.database import Database

__all__ = ["at_once", "claim", "request", "running"]

Answer = TypeVar("Answer")


def request(database: Database, key: str = "train-7", project_id: int = 7, **more: Any) -> Job:
    job, _ = database.jobs.request("train", project_id, {"seed": 1}, dedupe_key=key, **more)
    return job


def running(database: Database, key: str = "train-7", project_id: int = 7) -> Job:
    return request(database, key, project_id, claim=True)


def claim(database: Database, job_id: int | None = None) -> Job:
    """Claim a job, the oldest one unless it is named; there must be one."""
    job = database.jobs.claim(job_id)
    assert job is not None
    return job


def at_once(count: int, call: Callable[[int], Answer]) -> list[Answer]:
    """What a call returns on many threads that start it at the same moment."""
    answers: list[Answer] = []
    gate = threading.Barrier(count)

    def work(number: int) -> None:
        gate.wait()
        answers.append(call(number))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return answers

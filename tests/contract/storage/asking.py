"""Asking for jobs."""

from typing import Any

from ml_backend.domain.job import Job
from ml_backend.storage.database import Database

__all__ = ["claim", "request", "running"]


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

"""Jobs whose process died, and jobs that are resumed."""

import pytest

from ml_backend.domain.job import HeartbeatReply, JobState
from ml_backend.errors import JobError
from ml_backend.storage.database import Database
from tests.contract.storage.asking import claim, request, running
from tests.fakes import FakeClock
from tests.running import at_once


def test_a_job_whose_process_died_waits_for_its_next_attempt(database: Database) -> None:
    first = running(database)
    database.jobs.started(first, 4711, "host-a")
    assert database.jobs.requeue(first, "its process was killed by SIGKILL")
    waiting = database.jobs.get(first.id)
    assert (waiting.state, waiting.attempt, waiting.deaths) == (JobState.QUEUED, 2, 1)
    assert (waiting.pid, waiting.host, waiting.heartbeat_at) == (None, None, None)
    assert waiting.message == "goes on by itself: its process was killed by SIGKILL"
    claimed = claim(database)
    assert (claimed.id, claimed.attempt, claimed.state) == (first.id, 2, JobState.RUNNING)


def test_a_process_that_was_given_up_changes_nothing_any_more(database: Database) -> None:
    first = running(database)
    database.jobs.requeue(first, "no sign of life")
    second = claim(database)
    assert database.jobs.beat(first) is HeartbeatReply.LOST
    database.jobs.progress(first, 0.9, "training", "woke up")
    database.jobs.started(first, 4711, "host-a")
    assert not database.jobs.keep(first, {"epoch": 9})
    assert not database.jobs.requeue(first, "again")
    assert not database.jobs.finish(first, JobState.SUCCEEDED)
    assert database.jobs.get(first.id) == second


def test_a_checkpoint_is_kept_and_says_that_the_job_gets_on(database: Database, clock: FakeClock) -> None:
    first = running(database)
    database.jobs.requeue(first, "it died")
    second = claim(database)
    clock.advance(5)
    assert database.jobs.keep(second, {"run_id": "r1", "epoch": 2})
    found = database.jobs.get(first.id)
    assert (found.checkpoint, found.deaths, found.heartbeat_at) == ({"run_id": "r1", "epoch": 2}, 0, clock())


def test_a_death_is_counted_once_however_many_notice_it(database: Database) -> None:
    job = running(database)
    assert sorted(at_once(8, lambda _: database.jobs.requeue(job, "it died"))) == [False] * 7 + [True]
    assert (database.jobs.get(job.id).attempt, database.jobs.get(job.id).deaths) == (2, 1)


@pytest.mark.parametrize("state", [JobState.FAILED, JobState.ABANDONED])
def test_a_job_that_failed_can_be_resumed(database: Database, state: JobState) -> None:
    job = running(database)
    database.jobs.keep(job, {"epoch": 2})
    database.jobs.finish(job, state, error="no memory left")
    resumed = database.jobs.resume(job.id)
    assert (resumed.state, resumed.attempt, resumed.deaths) == (JobState.QUEUED, 2, 0)
    assert (resumed.error, resumed.finished_at, resumed.checkpoint) == (None, None, {"epoch": 2})
    assert claim(database).id == job.id


def test_a_job_is_resumed_by_one_of_many(database: Database) -> None:
    job = running(database)
    database.jobs.finish(job, JobState.FAILED)

    def resume(_: int) -> bool:
        try:
            database.jobs.resume(job.id)
        except JobError:
            return False
        return True

    assert sorted(at_once(8, resume)) == [False] * 7 + [True]
    assert database.jobs.get(job.id).attempt == 2


def test_a_job_resumed_by_a_command_runs_at_once(database: Database, clock: FakeClock) -> None:
    job = running(database)
    database.jobs.finish(job, JobState.FAILED)
    clock.advance(9)
    resumed = database.jobs.resume(job.id, claim=True)
    assert (resumed.state, resumed.attempt, resumed.heartbeat_at) == (JobState.RUNNING, 2, clock())


@pytest.mark.parametrize("state", [JobState.QUEUED, JobState.RUNNING, JobState.SUCCEEDED, JobState.CANCELLED])
def test_no_other_job_can_be_resumed(database: Database, state: JobState) -> None:
    job = request(database)
    if state is not JobState.QUEUED:
        job = database.jobs.claim() or job
    if state.is_over:
        database.jobs.finish(job, state)
    before = database.jobs.get(job.id)
    with pytest.raises(JobError, match=f"job {job.id} is {state}; only a job that failed or was abandoned"):
        database.jobs.resume(job.id)
    assert database.jobs.get(job.id) == before


def test_a_job_is_not_resumed_beside_another_one_at_the_same_work(database: Database) -> None:
    failed = running(database)
    database.jobs.finish(failed, JobState.FAILED)
    request(database)
    with pytest.raises(JobError, match=f"job {failed.id} cannot go on beside another job of project 7"):
        database.jobs.resume(failed.id)
    assert database.jobs.get(failed.id).state is JobState.FAILED


def test_a_job_can_be_claimed_by_name(database: Database) -> None:
    first, second = request(database, "a", 7), request(database, "b", 8)
    assert claim(database, second.id).id == second.id
    assert database.jobs.claim(second.id) is None
    assert database.jobs.get(first.id).state is JobState.QUEUED

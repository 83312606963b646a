from contextlib import ExitStack, closing
from datetime import timedelta

import pytest

from ml_backend.domain.job import HeartbeatReply, Job, JobState
from ml_backend.errors import JobError, JobNotFound
from ml_backend.storage.database import Database, open_database
from tests.contract.storage.asking import claim, request, running
from tests.fakes import FakeClock
from tests.running import at_once


def test_a_requested_job_waits_with_what_was_asked(database: Database, clock: FakeClock) -> None:
    job, is_new = database.jobs.request("promote", 7, {"version": None, "n": 1}, dedupe_key="promote-7")
    assert is_new
    assert job == Job(
        id=job.id,
        kind="promote",
        project_id=7,
        state=JobState.QUEUED,
        params={"version": None, "n": 1},
        stage="waiting",
        created_at=clock(),
    )
    assert database.jobs.get(job.id) == job


def test_a_second_request_for_the_same_work_gets_the_first_job(database: Database) -> None:
    first = request(database)
    assert database.jobs.request("train", 7, {"seed": 2}, dedupe_key="train-7") == (first, False)
    claimed = database.jobs.claim()
    assert database.jobs.request("train", 7, {"seed": 2}, dedupe_key="train-7") == (claimed, False)


@pytest.mark.parametrize("state", [state for state in JobState if state.is_over])
def test_work_that_is_over_can_be_requested_again(database: Database, state: JobState) -> None:
    first = running(database)
    database.jobs.finish(first, state)
    again, is_new = database.jobs.request("train", 7, {}, dedupe_key="train-7")
    assert is_new
    assert again.id > first.id


def test_20_simultaneous_requests_through_several_connections_make_one_job(
    database: Database, database_url: str, clock: FakeClock
) -> None:
    with ExitStack() as opened:
        others = [opened.enter_context(closing(open_database(database_url, clock))) for _ in range(4)]
        asked = [database, *others]
        answers = at_once(20, lambda n: asked[n % 5].jobs.request("train", 7, {}, dedupe_key="train-7"))
    assert len({job.id for job, _ in answers}) == 1
    assert sorted(is_new for _, is_new in answers) == [False] * 19 + [True]
    assert len(database.jobs.newest()) == 1


def test_a_job_that_the_caller_runs_is_running_from_the_start(database: Database, clock: FakeClock) -> None:
    job = running(database)
    assert (job.state, job.stage, job.started_at, job.heartbeat_at) == (JobState.RUNNING, "starting", clock(), clock())
    assert database.jobs.claim() is None


def test_a_job_cannot_start_while_another_one_runs_in_the_project(database: Database) -> None:
    first = running(database, "train-7")
    with pytest.raises(JobError, match=rf"project 7 is busy with job {first.id} \(train, starting\)"):
        running(database, "promote-7")
    assert running(database, "train-8", project_id=8).state is JobState.RUNNING


def test_an_audit_keeps_only_other_audits_of_its_project_waiting(database: Database) -> None:
    audit = database.jobs.request("audit", 7, {}, dedupe_key="audit-7", lane="audit", claim=True)[0]
    with pytest.raises(JobError, match=rf"project 7 is busy with job {audit.id} \(audit, starting\)"):
        database.jobs.request("audit", 7, {}, dedupe_key="audit-7-deep", lane="audit", claim=True)
    deep = database.jobs.request("audit", 7, {}, dedupe_key="audit-7-deep", lane="audit")[0]
    assert database.jobs.claim() is None

    promotion = database.jobs.request("promote", 7, {}, dedupe_key="promote-7", claim=True)[0]
    assert promotion.state is JobState.RUNNING
    database.jobs.finish(audit, JobState.SUCCEEDED)
    assert claim(database).id == deep.id


def test_work_on_files_is_not_limited_to_one_job(database: Database) -> None:
    assert {running(database, key, project_id=0).state for key in ("a", "b", "c")} == {JobState.RUNNING}
    for key in ("d", "e"):
        request(database, key, project_id=0)
    assert [database.jobs.claim() is not None for _ in range(3)] == [True, True, False]


def test_the_oldest_queued_job_is_claimed_first(database: Database, clock: FakeClock) -> None:
    first, second = request(database, "a", 7), request(database, "b", 8)
    clock.advance(5)
    claimed = claim(database)
    assert (claimed.id, claimed.state, claimed.started_at) == (first.id, JobState.RUNNING, clock())
    assert claimed.created_at == clock() - timedelta(seconds=5)
    assert claim(database).id == second.id
    assert database.jobs.claim() is None


def test_a_project_s_second_job_is_claimed_after_its_first(database: Database) -> None:
    first, second, other = request(database, "a", 7), request(database, "b", 7), request(database, "c", 8)
    assert [job.id for job in (database.jobs.claim(), database.jobs.claim()) if job] == [first.id, other.id]
    assert database.jobs.claim() is None
    database.jobs.finish(first, JobState.SUCCEEDED)
    assert claim(database).id == second.id


def test_a_job_is_claimed_by_one_of_many_workers(database: Database) -> None:
    job = request(database)
    assert [claimed.id for claimed in at_once(8, lambda _: database.jobs.claim()) if claimed] == [job.id]


def test_workers_never_start_two_jobs_of_a_project(database: Database) -> None:
    for number in range(8):
        request(database, f"work-{number}", project_id=7 + number % 2)
    for _ in range(4):
        claimed = [job for job in at_once(4, lambda _: database.jobs.claim()) if job]
        while (job := database.jobs.claim()) is not None:
            claimed.append(job)
        assert sorted(job.project_id for job in claimed) == [7, 8]
        assert {job.id for job in database.jobs.running()} == {job.id for job in claimed}
        for job in claimed:
            database.jobs.finish(job, JobState.SUCCEEDED)
    assert database.jobs.counts()[JobState.SUCCEEDED] == 8


def test_a_running_job_tells_how_far_it_is(database: Database, clock: FakeClock) -> None:
    job = running(database)
    database.jobs.started(job, 4711, "host-a")
    clock.advance(3)
    database.jobs.progress(job, 0.25, "training", "epoch 1 of 4")
    found = database.jobs.get(job.id)
    assert (found.pid, found.host) == (4711, "host-a")
    assert (found.progress, found.stage, found.message) == (0.25, "training", "epoch 1 of 4")
    assert found.heartbeat_at == clock()


@pytest.mark.parametrize(("given", "kept"), [(-0.5, 0.0), (1.5, 1.0)])
def test_progress_stays_between_0_and_1(database: Database, given: float, kept: float) -> None:
    job = running(database)
    database.jobs.progress(job, given, "training", "")
    assert database.jobs.get(job.id).progress == kept


def test_a_job_ends_once(database: Database, clock: FakeClock) -> None:
    job = running(database)
    clock.advance(9)
    assert database.jobs.finish(job, JobState.SUCCEEDED, result={"model_version": "t-7-v1"})
    assert not database.jobs.finish(job, JobState.FAILED, error="too late")
    found = database.jobs.get(job.id)
    assert (found.state, found.result, found.error) == (JobState.SUCCEEDED, {"model_version": "t-7-v1"}, None)
    assert (found.progress, found.stage, found.finished_at) == (1.0, "done", clock())


def test_a_failed_job_keeps_how_far_it_got_and_why_it_failed(database: Database) -> None:
    job = running(database)
    database.jobs.progress(job, 0.25, "training", "")
    assert database.jobs.finish(job, JobState.FAILED, error="no memory left")
    found = database.jobs.get(job.id)
    assert (found.state, found.error) == (JobState.FAILED, "no memory left")
    assert (found.progress, found.stage) == (0.25, "training")


def test_a_job_that_is_over_takes_no_more_news(database: Database, clock: FakeClock) -> None:
    job = running(database)
    database.jobs.finish(job, JobState.ABANDONED)
    over = database.jobs.get(job.id)
    clock.advance(1)
    database.jobs.progress(job, 0.9, "training", "still here")
    assert database.jobs.beat(job) is HeartbeatReply.LOST
    assert not database.jobs.keep(job, {"epoch": 3})
    assert not database.jobs.requeue(job, "it died")
    assert database.jobs.get(job.id) == over


def test_a_queued_job_is_cancelled_at_once(database: Database, clock: FakeClock) -> None:
    job = request(database)
    cancelled = database.jobs.cancel(job.id)
    assert (cancelled.state, cancelled.finished_at) == (JobState.CANCELLED, clock())
    assert cancelled.error == "cancelled before it started"
    assert database.jobs.claim() is None


def test_a_running_job_is_asked_to_stop_and_hears_of_it_with_its_next_beat(database: Database) -> None:
    job = running(database)
    assert database.jobs.beat(job) is HeartbeatReply.CONTINUE
    cancelled = database.jobs.cancel(job.id)
    assert (cancelled.state, cancelled.cancel_requested) == (JobState.RUNNING, True)
    assert database.jobs.beat(job) is HeartbeatReply.STOP


def test_cancelling_what_is_over_changes_nothing(database: Database) -> None:
    job = running(database)
    database.jobs.finish(job, JobState.SUCCEEDED)
    over = database.jobs.get(job.id)
    assert database.jobs.cancel(job.id) == over


def test_a_job_is_either_claimed_or_cancelled(database: Database) -> None:
    """A cancellation that comes with the claim reaches the job one way or the other."""
    for number in range(5):
        job = request(database, f"work-{number}", project_id=number + 1)
        at_once(2, lambda n, job=job: database.jobs.cancel(job.id) if n else database.jobs.claim())
        found = database.jobs.get(job.id)
        assert found.cancel_requested
        assert found.state in (JobState.CANCELLED, JobState.RUNNING)


def test_a_running_job_without_a_sign_of_life_is_stale(database: Database, clock: FakeClock) -> None:
    silent, alive = running(database, "a", 7), running(database, "b", 8)
    request(database, "c", 9)
    clock.advance(60)
    assert database.jobs.stale(60) == []
    clock.advance(1)
    database.jobs.beat(alive)
    assert [job.id for job in database.jobs.stale(60)] == [silent.id]
    database.jobs.finish(silent, JobState.ABANDONED)
    assert database.jobs.stale(60) == []


def test_an_unknown_job_is_not_found(database: Database) -> None:
    for ask in (database.jobs.get, database.jobs.cancel, database.jobs.resume):
        with pytest.raises(JobNotFound, match="there is no job 4711"):
            ask(4711)


def test_jobs_are_listed_newest_first(database: Database) -> None:
    ids = [request(database, f"work-{number}", project_id=7 + number % 2).id for number in range(4)]
    assert [job.id for job in database.jobs.newest()] == ids[::-1]
    assert [job.id for job in database.jobs.newest(project_id=8)] == [ids[3], ids[1]]
    assert [job.id for job in database.jobs.newest(limit=2)] == [ids[3], ids[2]]


def test_the_newest_job_of_a_kind_is_found_by_its_state(database: Database) -> None:
    first = running(database, "a")
    database.jobs.finish(first, JobState.SUCCEEDED)
    second = running(database, "b")
    database.jobs.finish(second, JobState.FAILED)
    last = database.jobs.last
    newest = [last("train", 7), last("train", 7, JobState.SUCCEEDED)]
    assert [job.id for job in newest if job] == [second.id, first.id]
    assert last("train", 7, JobState.CANCELLED) is None
    assert last("promote", 7) is None
    assert last("train", 8) is None


def test_jobs_are_counted_per_state(database: Database) -> None:
    request(database, "a")
    database.jobs.finish(running(database, "b", 8), JobState.FAILED)
    counts = database.jobs.counts()
    assert set(counts) == set(JobState)
    assert {state: count for state, count in counts.items() if count} == {JobState.QUEUED: 1, JobState.FAILED: 1}


def test_times_of_a_job_are_in_utc(database: Database) -> None:
    job = running(database)
    database.jobs.finish(job, JobState.SUCCEEDED)
    found = database.jobs.get(job.id)
    for moment in (found.created_at, found.started_at, found.heartbeat_at, found.finished_at):
        assert moment is not None
        assert moment.utcoffset() == timedelta(0)

import os

from ml_backend.domain.job import Job, JobState
from ml_backend.domain.ports import JobLauncher, LaunchedJob
from ml_backend.jobs.launcher import InlineLauncher

JOB = Job(id=41, kind="train", project_id=7, state=JobState.RUNNING, params={})


def test_an_inline_job_is_over_when_launch_returns() -> None:
    ran: list[int] = []

    def run(job_id: int) -> int:
        ran.append(job_id)
        return 3

    launcher: JobLauncher = InlineLauncher(run)
    launched: LaunchedJob = launcher.launch(JOB)
    assert ran == [41]
    assert (launched.poll(), launched.pid) == (3, os.getpid())
    launched.terminate()
    assert launched.poll() == 3

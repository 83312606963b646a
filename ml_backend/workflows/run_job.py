"""A job from claim to end, inside the process that was started for it."""

import logging
from collections.abc import Callable, Mapping
from typing import Any

from ..domain.job import Job, JobKind, JobState
from ..domain.model import is_cold_start
from ..domain.project import Project
from ..errors import JobCancelled, JobError, LabelloopError, PromotionError
from .gate import hold_gate, newest_snapshot
from .job_context import JobContext
from .prelabel import push_missing, select_version
from .promote import abandon_promotion, promote, rollback
from .services import Services
from .train import run_training

__all__ = ["run_job"]

log = logging.getLogger(__name__)


def run_job(services: Services, job_id: int) -> JobState:
    """Run a job that was claimed, and write how it ended; returns that state.

    Raises:
        JobError: it is not running, so nobody claimed it for us.
    """
    jobs = services.database.jobs
    job = jobs.get(job_id)
    if job.state is not JobState.RUNNING:
        raise JobError(f"job {job_id} is {job.state}; only a job that a worker or a command has claimed can be run")
    try:
        with JobContext(services.database, job) as context:
            result = _RUNNERS[job.kind](services, job, context)
    except JobCancelled as cancelled:
        jobs.finish(job_id, JobState.CANCELLED, error=str(cancelled))
    except LabelloopError as error:
        log.error("job %s failed: %s", job_id, error)
        jobs.finish(job_id, JobState.FAILED, error=str(error))
    except Exception as error:
        # The process's outermost frame: whatever it was belongs in the row, with the traceback in the log.
        log.exception("job %s failed", job_id)
        jobs.finish(
            job_id, JobState.FAILED, error=f"{type(error).__name__}: {error}; see `labelloop jobs logs {job_id}`"
        )
    else:
        jobs.finish(job_id, JobState.SUCCEEDED, result=result)
    return jobs.get(job_id).state


def _prelabel(services: Services, job: Job, context: JobContext) -> Mapping[str, Any]:
    project = services.database.projects.get(job.project_id)
    context.report(0.0, "loading", "loading the model")
    predictor = services.champions.refresh(project)
    pushed = push_missing(services, project, predictor, lambda done, text: context.report(done, "pushing", text))
    is_selected = select_version(services, project, predictor.version)
    return {"model_version": predictor.version, "pushed": pushed, "is_selected": is_selected}


def _promote(services: Services, job: Job, context: JobContext) -> Mapping[str, Any]:
    project = services.database.projects.get(job.project_id)
    reason, version = str(job.params["reason"]), job.params["version"]
    if job.params["is_forced"]:
        abandon_promotion(services, project)

    def report(done: float, text: str) -> None:
        context.report(done, "promoting", text)

    if version is None:
        done = rollback(services, project, reason=reason, report=report)
    else:
        if not job.params["is_forced"]:
            reason = _passed_gate(services, project, version, reason)
        done = promote(services, project, version, reason=reason, is_forced=job.params["is_forced"], report=report)
    return {"model_version": done.version, "previous": done.previous, "is_cold_start": is_cold_start(done.version)}


def _passed_gate(services: Services, project: Project, version: str, reason: str) -> str:
    """Why the version may serve, by a gate held now.

    Raises:
        PromotionError: it did not pass, or there are no test rows to hold a gate on.
    """
    outcome = hold_gate(services, newest_snapshot(services, project), services.registry.get(version), project)
    if outcome is None or not outcome.decision.promote:
        found = outcome.decision.reason if outcome else "there are no test rows to hold a gate on"
        raise PromotionError(
            f"{found}. `labelloop models promote {version} --force --reason TEXT` promotes all the same"
        )
    return f"{reason}; {outcome.decision.reason}" if reason else outcome.decision.reason


_RUNNERS: dict[JobKind, Callable[[Services, Job, JobContext], Mapping[str, Any]]] = {
    JobKind.TRAIN: run_training,
    JobKind.PRELABEL: _prelabel,
    JobKind.PROMOTE: _promote,
}

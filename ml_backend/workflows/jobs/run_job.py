"""A job from claim to end, inside the process that was started for it."""

import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_exponential

from ...domain.job import Job, JobKind, JobState
from ...domain.model import Promotion, is_cold_start
from ...domain.project import Project
from ...errors import DatabaseUnavailable, JobCancelled, JobError, JobLost, LabelloopError, PromotionError
from ...jobs import job_folder
from ...labelstudio.plans import plan_of
from ..auditing.audit import run_audit
from ..connecting.projects import project_as_it_is
from ..exporting.snapshots import newest_snapshot
from ..labeling.prelabel import push_missing, select_version
from ..promoting.gate import hold_gate
from ..promoting.promote import Report, abandon_promotion, finish_promotion, promote, rollback
from ..services import Services
from ..training.requests import AuditRequest, request_audit
from ..training.train import run_training
from .context import HEARTBEAT_S, JobContext
from .persistence import persistently
from .recover import tidy

__all__ = ["run_job"]

log = logging.getLogger(__name__)

FINISH_WITHIN_S = 300.0


# Hours of work must not be lost to a database that is away for some minutes.
_until_written = retry(
    retry=retry_if_exception_type(DatabaseUnavailable),
    wait=wait_exponential(max=15),
    stop=stop_after_delay(FINISH_WITHIN_S),
    reraise=True,
)


def run_job(
    services: Services,
    job_id: int,
    interrupt: Callable[[], None] | None = None,
    *,
    heartbeat_s: float = HEARTBEAT_S,
) -> JobState:
    """Run a job that was claimed, and record how it ended; returns its final state.

    Args:
        interrupt: makes this thread raise Interrupted, wherever it is.
        heartbeat_s: seconds between two signs of life, which also bring word of a cancel.

    Raises:
        JobError: the job is not running, so nobody claimed it for this process.
    """
    job = _until_written(services.database.jobs.get)(job_id)
    if job.state is not JobState.RUNNING:
        raise JobError(f"job {job_id} is {job.state}; only a job that a worker or a command has claimed can be run")
    try:
        folder = job_folder(services.options.home, job_id)
        with JobContext(services.database, job, folder, interrupt, heartbeat_s=heartbeat_s) as context:
            runner = partial(_RUNNERS[job.kind], services, job, context)
            result = persistently(runner, services.options.jobs.patience_s, context.wait)
    except JobCancelled as cancelled:
        return _finish(services, job, JobState.CANCELLED, error=str(cancelled))
    except JobLost as lost:
        log.error("%s; this process ends without a trace", lost)
        return services.database.jobs.get(job_id).state
    except LabelloopError as error:
        log.error("job %s failed: %s", job_id, error)
        return _finish(services, job, JobState.FAILED, error=str(error), is_passing=error.is_passing)
    except Exception as error:
        # The process's outermost frame: whatever it was belongs in the row, with the traceback in the log.
        log.exception("job %s failed", job_id)
        message = f"{type(error).__name__}: {error}; see `labelloop jobs logs {job_id}`"
        return _finish(services, job, JobState.FAILED, error=message)
    state = _finish(services, job, JobState.SUCCEEDED, result=result)
    _follow_up(services, job)
    return state


@_until_written
def _finish(services: Services, job: Job, state: JobState, **outcome: Any) -> JobState:
    """Record how the attempt ended; returns the job's state, which is another one where somebody else ended it."""
    if not services.database.jobs.finish(job, state, **outcome):
        return services.database.jobs.get(job.id).state
    tidy(services, services.database.jobs.get(job.id))
    return state


def _follow_up(services: Services, job: Job) -> None:
    """Ask for the audit that follows a training: a job of its own, so that it holds up neither model nor pre-labels."""
    if job.kind is not JobKind.TRAIN or not job.project_id or not services.options.feedback.audit_after_training:
        return
    try:
        if not plan_of(services.database.projects.get(job.project_id).label_config).labeled:
            return  # texts alone, which no audit judges
        request_audit(services, job.project_id, AuditRequest("training", is_pushed=True))
    except DatabaseUnavailable as error:
        log.warning("no audit follows job %s: %s", job.id, error)


def _prelabel(services: Services, job: Job, context: JobContext) -> Mapping[str, Any]:
    project = project_as_it_is(services, services.database.projects.get(job.project_id))
    context.report(0.0, "loading", "loading the model")
    predictor = services.champions.refresh(project)
    pushed = push_missing(services, project, predictor, lambda done, text: context.report(done, "pushing", text))
    is_selected = select_version(services, project, predictor.version)
    return {"model_version": predictor.version, "pushed": pushed, "is_selected": is_selected}


def _promote(services: Services, job: Job, context: JobContext) -> Mapping[str, Any]:
    project = services.database.projects.get(job.project_id)

    def report(done: float, text: str) -> None:
        context.report(done, "promoting", text)

    begun = services.database.promotions.of_job(job.id)
    done = (
        finish_promotion(services, project, begun, report) if begun else _promote_anew(services, job, project, report)
    )
    return {"model_version": done.version, "previous": done.previous, "is_cold_start": is_cold_start(done.version)}


def _promote_anew(services: Services, job: Job, project: Project, report: Report) -> Promotion:
    reason, version, is_forced = str(job.params["reason"]), job.params["version"], bool(job.params["is_forced"])
    if is_forced:
        abandon_promotion(services, project)
    if version is None:
        return rollback(services, project, reason=reason, job_id=job.id, report=report)
    if not is_forced:
        reason = _passed_gate(services, project, version, reason)
    return promote(services, project, version, reason=reason, is_forced=is_forced, job_id=job.id, report=report)


def _passed_gate(services: Services, project: Project, version: str, reason: str) -> str:
    """Why the version may serve, by a gate held now.

    Raises:
        PromotionError: it did not pass, or there are no test rows to hold a gate on.
    """
    outcome = hold_gate(services, newest_snapshot(services, project), services.versions.get(version), project)
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
    JobKind.AUDIT: run_audit,
}

"""Checks of what all projects share: settings, database, Label Studio, the running backend, models, the worker."""

import os
from datetime import timedelta
from urllib.parse import urlsplit

from sqlalchemy import text

from ...domain.addresses import LOOPBACK_HOSTS
from ...domain.job import JobState
from ...errors import ModelNotFound, StudioUnauthorized, StudioUnreachable
from .examination import Check, Examination, Finding
from .probe import BackendProbe

__all__ = ["CHECKS"]

TESTED_RELEASE = "1.23"
LONGEST_WAIT = timedelta(seconds=30)
MODEL_CLASSES = ("labelloop", "LabelloopModel")  # the latter where label-studio-ml serves it
JOBS_READ = 1000
HOW_TO_GET_ACCESS = (
    "in Label Studio click your initials (top right), Account & Settings, Personal Access Token, Create New Token, "
    "and set LABELLOOP_STUDIO_TOKEN to it; where that page is missing, an owner of the organization allows it under "
    "Organization, API Tokens Settings, Personal Access Tokens"
)
RESTART_IT = "restart `labelloop serve` with the LABELLOOP_PASSWORD and LABELLOOP_WEBHOOK_PASSWORD that are set here"
START_IT = "start `labelloop serve` with the same LABELLOOP_* settings as this command, and leave it running"


def _settings(exam: Examination) -> Finding:
    options, studio_url = exam.services.options, exam.services.studio.url
    if not os.access(options.home, os.W_OK):
        return Finding.broken(
            f"the home folder {options.home} cannot be written", "set LABELLOOP_HOME to a folder of yours"
        )
    if _is_loopback(options.backend.url) and not _is_loopback(studio_url):
        return Finding.warning(
            f"Label Studio is at {studio_url}, and to it {options.backend.url} means its own machine",
            "set LABELLOOP_HOST=0.0.0.0, LABELLOOP_PASSWORD, LABELLOOP_WEBHOOK_PASSWORD, and LABELLOOP_PUBLIC_URL to "
            "the address at which Label Studio reaches this machine; restart `labelloop serve`",
        )
    return Finding.fine(f"home {options.home}, Label Studio at {studio_url}, backend at {options.backend.url}")


def _database(exam: Examination) -> Finding:
    database = exam.services.database
    with database.engine.connect() as connection:
        revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
    return Finding.fine(f"{database.engine.dialect.name}, schema {revision}, projects: {len(database.projects.all())}")


def _label_studio(exam: Examination) -> Finding:
    studio = exam.services.studio
    try:
        release = studio.version()
    except StudioUnreachable as error:
        return Finding.broken(str(error), _unreachable_fix(studio.url))
    except StudioUnauthorized:
        reason = BackendProbe.why_unreachable(studio.url)
        if reason == "reachable":
            return Finding.fine(f"something answers at {studio.url}; its version can be asked with a token only")
        return Finding.broken(f"{studio.url} is {reason.replace('_', ' ')}", _unreachable_fix(studio.url))
    if not release.startswith(f"{TESTED_RELEASE}."):
        return Finding.warning(
            f"version {release} at {studio.url}; labelloop is tested with {TESTED_RELEASE}",
            "install label-studio==1.23.2, or go on and watch the log for refused calls",
        )
    return Finding.fine(f"version {release} at {studio.url}")


def _unreachable_fix(url: str) -> str:
    match BackendProbe.why_unreachable(url):
        case "unknown_host":
            return (
                f"no machine is called {urlsplit(url).hostname!r}: correct LABELLOOP_STUDIO_URL (in Docker Compose it "
                "is the name of the service)"
            )
        case "refused":
            return (
                f"nothing listens there: start Label Studio, or set LABELLOOP_STUDIO_URL (now {url}) to where it "
                "runs; inside a container `localhost` is the container itself"
            )
        case "silent":
            return "no answer comes back: look for a firewall or a sleeping machine, or correct LABELLOOP_STUDIO_URL"
        case _:
            return f"something listens at {url} without a proper answer: is it Label Studio, and http or https?"


def _token(exam: Examination) -> Finding:
    try:
        return Finding.fine(f"belongs to {exam.services.studio.current_user()}")
    except StudioUnauthorized as error:
        message = str(error)
        if "legacy token authentication has been disabled" in message:
            return Finding.broken(
                "the token is a legacy token, and this Label Studio has those switched off (its default)",
                HOW_TO_GET_ACCESS,
            )
        if message.startswith("no token"):
            return Finding.broken("LABELLOOP_STUDIO_TOKEN is not set", HOW_TO_GET_ACCESS)
        return Finding.broken(message, HOW_TO_GET_ACCESS)


def _backend(exam: Examination) -> Finding:
    access = exam.services.options.backend
    answer = exam.probe.get("/health")
    if answer.status == 0:
        return Finding.broken(f"nobody answers at {access.url} ({answer.reason})", START_IT)
    if answer.status == 401:
        return Finding.broken(
            f"the backend at {access.url} refuses the user and password that are set here",
            "give `labelloop serve` and this command the same LABELLOOP_USER and LABELLOOP_PASSWORD, and restart it",
        )
    if answer.status == 403:
        return Finding.broken(
            f"the backend does not answer to the name in {access.url}: {answer.get('error')}",
            "set LABELLOOP_PUBLIC_URL for `labelloop serve` as it is set here, and restart it",
        )
    if answer.get("model_class") not in MODEL_CLASSES:
        return Finding.broken(
            f"what answers at {access.url} is not labelloop (status {answer.status})",
            "stop it, or choose another LABELLOOP_PORT; then start `labelloop serve`",
        )
    return Finding.fine(f"answers at {access.url}")


def _alarms(exam: Examination) -> Finding:
    alarms = exam.probe.get("/health").get("alarms") or ()
    if alarms:
        return Finding.broken(f"the running backend says: {'; '.join(alarms)}", "do what it says, and look at its log")
    return Finding.fine("the running backend has none")


def _credentials(exam: Examination) -> Finding:
    access = exam.services.options.backend
    bare = exam.probe.get("/versions", with_credentials=False)
    if not access.password:
        if bare.status == 401:
            return Finding.broken("the backend asks for a password, and none is set here", RESTART_IT)
        return Finding.fine("none are needed on loopback")
    if bare.status != 401:
        return Finding.broken("the running backend asks for no password, though one is set here", RESTART_IT)
    if (answer := exam.probe.get("/versions")).status != 200:
        return Finding.broken(f"the backend answers {answer.status} {answer.reason}", RESTART_IT)
    return Finding.fine(f"user {access.user!r} is let in, and nobody without a password")


def _base_model(exam: Examination) -> Finding:
    from ...models.base.base_model import weights_sha256

    name = exam.services.options.models.base_model
    return Finding.fine(f"{name}, weights sha256 {weights_sha256(name)[:12]}")


def _registry(exam: Examination) -> Finding:
    """Let MLflow's aliases name what serves, where somebody moved them or a promotion could not."""
    keys = exam.services.versions.project_keys()
    drifts: list[str] = []
    lost: list[str] = []
    for key in keys:
        try:
            drifts += filter(None, [exam.services.versions.mirror(key)])
        except ModelNotFound as error:
            lost.append(str(error))
    if lost:
        return Finding.broken(
            f"{'; '.join(lost)}. What serves goes on serving from its files",
            "restore MLflow's database from a backup, or leave it: the next version that is promoted is recorded again",
        )
    if drifts:
        return Finding.warning(
            f"{'; '.join(drifts)}. The alias follows what serves, and does so again now",
            "nothing is left to do; what serves is changed by `labelloop models promote` and `rollback` alone",
        )
    return Finding.fine(f"projects with models: {len(keys)}; MLflow's alias names what serves each")


def _worker(exam: Examination) -> Finding:
    jobs, now = exam.services.database.jobs, exam.services.clock()
    newest = jobs.newest(limit=JOBS_READ)
    busy = {job.project_id for job in newest if job.state is JobState.RUNNING and job.project_id}
    waiting = [job for job in newest if job.state is JobState.QUEUED and job.project_id not in busy]
    if stuck := [each for each in waiting if each.created_at and now - each.created_at > LONGEST_WAIT]:
        job = stuck[-1]
        waited_s = (now - job.created_at).total_seconds() if job.created_at else 0.0
        return Finding.broken(
            f"job {job.id} ({job.kind} of project {job.project_id}) has waited for {waited_s:.0f} s; nobody runs it",
            "start `labelloop serve` without --no-worker, or `labelloop worker` beside it, with this LABELLOOP_HOME",
        )
    if stale := jobs.stale(exam.services.options.jobs.heartbeat_timeout_s):
        return Finding.warning(
            f"job {stale[0].id} runs, but gave no sign of life since {stale[0].heartbeat_at:%Y-%m-%d %H:%M:%S} UTC",
            "a running worker ends such jobs by itself; if none runs, start `labelloop serve`",
        )
    return Finding.fine(f"{len(newest) - len(waiting)} jobs were taken, {len(waiting)} wait for their turn")


def _is_loopback(url: str) -> bool:
    return urlsplit(url).hostname in LOOPBACK_HOSTS


CHECKS = (
    Check("settings", _settings, fix="set LABELLOOP_REVIEW_RULE as the message says"),
    Check("database", _database, fix="check LABELLOOP_DATABASE_URL and that its server is up"),
    Check("label_studio", _label_studio),
    Check("token", _token, needs=("label_studio",)),
    Check("backend", _backend, fix=START_IT),
    Check("alarms", _alarms, needs=("backend",)),
    Check("credentials", _credentials, needs=("backend",)),
    Check("base_model", _base_model, fix="set LABELLOOP_BASE_MODEL to a model that is there, as the message says"),
    Check("registry", _registry, needs=("database",), fix="check LABELLOOP_MLFLOW_URL and that its server is up"),
    Check("worker", _worker, needs=("database",)),
)

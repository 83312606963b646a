"""Looking at every link of the chain from Label Studio to the model and back."""

from sqlalchemy.exc import SQLAlchemyError

from ...errors import DatabaseUnavailable
from ..services import Services
from . import connection as check_connection
from . import loop as check_loop
from . import surroundings as check_surroundings
from .examination import Examination, Finding, State
from .probe import BackendProbe

__all__ = ["diagnose"]


def diagnose(services: Services, project_id: int | None, *, probe: BackendProbe | None = None) -> list[Finding]:
    """Check each link of the chain, in order; a broken link never hides those that can still be checked.

    Nothing is changed, except that MLflow's aliases are set to what serves. The running backend gets one test event,
    one test task and some tasks of each project.

    Args:
        project_id: the project to check; None: every connected one.
        probe: calls the running backend; None: over the network.
    """
    probe = probe or BackendProbe(services.options.backend)
    shared = Examination(services, probe).run(check_surroundings.CHECKS)
    findings = list(shared)
    for each in [project_id] if project_id is not None else _connected(services):
        checks = (*check_connection.CHECKS, *check_loop.CHECKS)
        findings += Examination(services.for_project(each), probe, each).run(checks, shared)
    if len(findings) == len(shared):
        findings.append(
            Finding("project", State.SKIPPED, "no project is connected yet", "run `labelloop connect PROJECT`")
        )
    return findings


def _connected(services: Services) -> list[int]:
    try:
        return [project.id for project in services.database.projects.all()]
    except (DatabaseUnavailable, SQLAlchemyError):
        # The finding about the database tells what is wrong with it.
        return []

"""How the loop stands, project by project."""

from ml_backend.domain.event import AnnotationEvent, EventAction
from ml_backend.domain.example import PrelabelOutcome
from ml_backend.domain.model import GateDecision
from ml_backend.workflows.jobs.kinds.train import TrainJob
from ml_backend.workflows.promoting.promote import Promoter
from ml_backend.workflows.services import Services
from ml_backend.workflows.status import JOBS_SHOWN, ProjectStatus
from tests.services import add_project, add_version

DECISION = GateDecision(True, True, "better by 0.2", 12, "a", "b", 0.5, 0.7, 0.2, None, 0.95, warnings=("thin class",))


def test_a_fresh_project_has_nothing_to_show_but_its_cold_start(services: Services) -> None:
    project = add_project(services)

    status = ProjectStatus.of(services, project)

    assert status.serving == services.cold_start(project).version
    assert (status.new_labels, status.retrain_after, status.gate) == (0, 50, None)
    assert (status.jobs, status.promotions) == ((), ())
    assert set(status.prelabels.values()) == {0}


def test_it_shows_labels_jobs_gate_and_promotions_of_this_project_alone(services: Services) -> None:
    project, other = add_project(services), add_project(services, title="Other")
    events = [
        AnnotationEvent(project.id, EventAction.CREATED, 1, prelabel=PrelabelOutcome.ACCEPTED),
        AnnotationEvent(project.id, EventAction.CREATED, 2, prelabel=PrelabelOutcome.CHANGED),
        AnnotationEvent(project.id, EventAction.CREATED, 3, was_cancelled=True),
        AnnotationEvent(other.id, EventAction.CREATED, 4),
    ]
    services.database.events.add(events)
    services.database.gates.add(project.ref.key, "abc", DECISION)
    version = add_version(services, project)
    Promoter(services).promote(project, version.name, reason="r")
    TrainJob.by_settings(services, "page").request(services, other.id)
    job, _ = TrainJob.by_settings(services, "page").request(services, project.id)

    status = ProjectStatus.of(services, project)

    assert (status.serving, status.new_labels, status.gate) == (version.name, 2, DECISION)
    assert [shown.id for shown in status.jobs] == [job.id]
    assert [shown.version for shown in status.promotions] == [version.name]
    assert dict(status.prelabels) == {
        PrelabelOutcome.ACCEPTED: 1,
        PrelabelOutcome.CHANGED: 1,
        PrelabelOutcome.NONE: 0,
    }


def test_only_the_newest_jobs_are_shown(services: Services) -> None:
    project = add_project(services)
    for _ in range(JOBS_SHOWN + 2):
        job, _is_new = TrainJob.by_settings(services, "page").request(services, project.id)
        services.database.jobs.cancel(job.id)

    shown = ProjectStatus.of(services, project).jobs

    assert [job.id for job in shown] == list(range(JOBS_SHOWN + 2, 2, -1))

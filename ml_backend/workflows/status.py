"""Collect what the page of a project shows."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from ..domain.acceptance import KeptCertificate
from ..domain.drift import DriftAlarm
from ..domain.example import PrelabelOutcome
from ..domain.job import Job
from ..domain.model import GateDecision, LearnedFrom, Promotion
from ..domain.project import Project
from .connecting.config_history import changes_since_training
from .connecting.projects import announced_version
from .services import Services
from .training.policy import new_labels
from .watching.live import live_sentence

__all__ = ["ProjectStatus"]

JOBS_SHOWN = 8
PROMOTIONS_SHOWN = 5


@dataclass(frozen=True, slots=True)
class ProjectStatus:
    """The state of a project as its page shows it.

    Attributes:
        serving: version that answers now.
        new_labels: since the last snapshot; training starts by itself at `retrain_after`, where that is not 0.
        prelabels: annotations by what became of the pre-label.
        gate: the last decision, None before the first.
        live: how often people answer blind tasks as what serves does, in a sentence; empty where that is not known.
        alarms: that something has changed since it was trained, the newest first.
        certificate: the newest by which answers are or were accepted; None before the first.
        accepted: answers that it accepted and nobody took back.
        looked_at: unlabeled texts that were compared with labeled ones, ever.
        unfit: those of them that fit no label and got none since.
        learned_from: what taught the version that serves, where that was no label of a person; empty otherwise.
        config_changes: of the label config since the serving version was trained, in sentences.
    """

    project: Project
    serving: str
    new_labels: int
    retrain_after: int
    prelabels: Mapping[PrelabelOutcome, int]
    gate: GateDecision | None
    jobs: tuple[Job, ...]
    promotions: tuple[Promotion, ...]
    now: datetime
    live: str = ""
    alarms: tuple[DriftAlarm, ...] = ()
    certificate: KeptCertificate | None = None
    accepted: int = 0
    looked_at: int = 0
    unfit: int = 0
    learned_from: str = ""
    config_changes: tuple[str, ...] = ()

    @classmethod
    def of(cls, services: Services, project: Project) -> "ProjectStatus":
        """Return the project's status, from the database alone."""
        services, database = services.for_project(project.id), services.database
        tries = database.certificates.all(project.id)
        serving = announced_version(services, project)
        champion = services.versions.champion(project.ref.key)
        is_by_sources = champion is not None and champion.learned_from is LearnedFrom.SOURCES
        certificate = next((each for each in tries if each.is_certified), None)
        return cls(
            project=project,
            serving=serving,
            new_labels=new_labels(services, project),
            retrain_after=services.options.retraining.after,
            prelabels=database.events.prelabel_counts(project.id),
            gate=database.gates.last(project.ref.key),
            jobs=tuple(database.jobs.newest(project_id=project.id, limit=JOBS_SHOWN)),
            promotions=tuple(database.promotions.history(project.id, PROMOTIONS_SHOWN)),
            now=services.clock(),
            live=live_sentence(services, project, serving),
            alarms=tuple(database.drift_alarms.all(project.id, serving)),
            certificate=certificate,
            accepted=database.acceptances.count(certificate.id) if certificate else 0,
            looked_at=database.fits.count(project.id),
            unfit=database.fits.unlabeled_count(project.id),
            learned_from=LearnedFrom.SOURCES if is_by_sources else "",
            config_changes=changes_since_training(services, project),
        )

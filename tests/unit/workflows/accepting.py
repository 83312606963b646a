"""A project whose champion can be certified, for the tests of accepting."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ml_backend.domain.acceptance import KeptCertificate
from ml_backend.domain.job import Job, JobState
from ml_backend.domain.model import ModelVersion
from ml_backend.domain.project import Project
from ml_backend.domain.snapshot import Split
from ml_backend.labelstudio.payloads import parse_webhook
from ml_backend.workflows.accepting.certify import Certifier
from ml_backend.workflows.exporting.snapshots import export_project
from ml_backend.workflows.jobs.kinds.accept import AcceptJob
from ml_backend.workflows.jobs.kinds.base import JobKind
from ml_backend.workflows.jobs.run_job import run_job
from ml_backend.workflows.labeling.ingest import receive
from ml_backend.workflows.labeling.prelabel import push_missing
from ml_backend.workflows.services import Services
from tests.fake_studio import FakeStudio
from tests.fakes import FakePredictor
from tests.services import add_project, add_version, choice, texts_in

__all__ = ["LABEL", "Certifiable", "certifiable"]

LABEL, SCORE = "Shipping", 0.9995


@dataclass(frozen=True)
class Certifiable:
    """A project with labeled validation and test rows, and unlabeled train tasks that hold the champion's predictions.

    Attributes:
        waiting: ids of the unlabeled train tasks.
        held_out: ids of unlabeled test tasks.
    """

    services: Services
    project: Project
    champion: ModelVersion
    waiting: tuple[int, ...]
    held_out: tuple[int, ...]

    @property
    def studio(self) -> FakeStudio:
        studio = self.services.studio
        assert isinstance(studio, FakeStudio)
        return studio

    def certify(self, limit: float = 0.02, audit_share: float = 0.2) -> KeptCertificate:
        return Certifier(self.services, self.project).certify(limit, audit_share)

    def run(self, kind: JobKind) -> Job:
        """Run a job to its end, whatever that is."""
        job, _ = kind.request(self.services, self.project.id, claim=True)
        run_job(self.services, job.id)
        return self.services.database.jobs.get(job.id)

    def accept(self) -> Job:
        job = self.run(AcceptJob(trigger="command"))
        assert job.state is JobState.SUCCEEDED, job.error
        return job

    def submit(self, task_ids: Sequence[int], label: str = LABEL, *, is_told: bool = True) -> None:
        """People's answers, and one event about them."""
        answer = {"result": choice(label), "lead_time": 2.0, "completed_by": 7}
        stored = [self.studio.submit_annotation(task_id, answer)["id"] for task_id in task_ids]
        if is_told and stored:
            self.tell("ANNOTATIONS_CREATED", *stored)

    def tell(self, action: str, *annotation_ids: int) -> dict[str, Any]:
        return receive(self.services, parse_webhook(self.studio.event(action, *annotation_ids)))

    def accepted(self) -> dict[int, int]:
        """Annotations that Label Studio copied from predictions, by task."""
        return {each["task"]: number for number, each in self.studio.annotations.items() if each["updated_by"] is None}

    def audits(self) -> list[int]:
        found = self.services.database.acceptances.audits(self.project.id, self.champion.name)
        return [each.task_id for each in found]


def certifiable(
    services: Services, *, test_rows: int = 190, wrong: int = 0, unseen: int = 0, unfit: int = 0
) -> Certifiable:
    """Such a project; its champion answers every text with the same label.

    Args:
        wrong: so many test rows have another label.
        unseen: of so many test rows labelloop did not see the label being given.
        unfit: so many test rows, the wrong ones first, and as many unlabeled train tasks fit no label.
    """
    validation, test = texts_in(Split.VALIDATION, 40), texts_in(Split.TEST, test_rows + 3)
    train = texts_in(Split.TRAIN, 65)
    labeled = [*train[:5], *validation, *test[:test_rows]]
    project = add_project(services, [*labeled, *train[5:], *test[test_rows:]])
    champion = add_version(services, project, LABEL, SCORE)
    answers = dict.fromkeys(test[:wrong], "Billing") | {"": "Billing"}
    fits = dict.fromkeys([*test[:unfit], *train[5 : 5 + unfit]], 0.05)
    champion_answers = FakePredictor(champion.name, answers, LABEL, SCORE, fits=fits)
    services.load_predictor.put(champion.path, champion_answers)
    services.versions.serve(champion.name)
    waiting = range(len(labeled) + 1, len(labeled) + 61)
    case = Certifiable(services, project, champion, tuple(waiting), tuple(range(waiting[-1] + 1, waiting[-1] + 4)))
    first_seen = len(labeled) - unseen
    case.submit(range(1, first_seen + 1))
    case.submit(range(first_seen + 1, len(labeled) + 1), is_told=False)
    export_project(services, project)
    push_missing(services, project, services.champions.get(project))
    return case

"""Accept answers while a certificate is in force, and choose the tasks in which people audit them.

What is about to be accepted is stored before Label Studio hears of it, so that whatever it makes of that is known here,
wherever the work stops. Label Studio makes the annotations itself, of the predictions that it holds, each of which is
first compared with what the version answers to the text as it is now.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ...batches import in_batches
from ...domain.acceptance import Acceptance, KeptCertificate
from ...domain.annotation import Prediction, Task
from ...domain.example import Target
from ...domain.fit import fits_no_label
from ...domain.progress import Progress, ProgressCallback
from ...domain.project import Project
from ...domain.snapshot import text_digest
from ...errors import CertificateError
from ...labelstudio.plans import plan_of
from ...serving.prelabels import prelabel
from ..connecting.projects import project_as_it_is
from ..services import Services
from ..splits import splits_of
from .certify import given_targets, is_acceptable
from .in_force import certificate_in_force

__all__ = ["AcceptedTasks", "accept_answers", "settle_intentions"]

TASKS_AT_ONCE = 200
"""Label Studio makes 300 annotations in a second. A batch is what an interruption leaves to be looked at again."""
TASKS_READ = 1000
STAGE = "accepting"


@dataclass(slots=True)
class AcceptedTasks:
    """The outcome of accepting.

    Attributes:
        accepted: annotations that were made.
        audits: tasks that are left to people, without a hint.
        labeled_meanwhile: tasks that people had answered or skipped before the annotation was made; theirs stands.
        outdated: tasks whose prediction in Label Studio is not what the version answers; they are left to people.
        unfit: tasks whose text fits none of the labels; they are left to people, too.
        looked_at: unlabeled tasks that were read.
    """

    accepted: int = 0
    audits: int = 0
    labeled_meanwhile: int = 0
    outdated: int = 0
    unfit: int = 0
    looked_at: int = 0


def accept_answers(services: Services, project: Project, report: ProgressCallback = Progress.ignore) -> AcceptedTasks:
    """Accept what the certificate covers among the predictions that Label Studio holds of unlabeled train tasks.

    Safe to repeat: what an earlier call, or a killed one, has accepted or left to people is left alone. Without a
    certificate in force nothing is accepted; what a killed call has left half-done is found out all the same.

    Raises:
        LabelConfigError: the label config cannot be served any more.
        CertificateError: the certified version cannot be loaded.
        StudioError: Label Studio did not answer or refused.
    """
    project = project_as_it_is(services, project)
    outcome = AcceptedTasks()
    settle_intentions(services, project, outcome)
    while (certificate := certificate_in_force(services, project)) is not None:
        _accept_by(certificate, services, project, outcome, report)
        if certificate_in_force(services, project) == certificate:
            break
    return outcome


def _accept_by(
    certificate: KeptCertificate,
    services: Services,
    project: Project,
    outcome: AcceptedTasks,
    report: ProgressCallback,
) -> None:
    """Accept what this certificate covers, as long as it is in force."""
    total = services.studio.prediction_counts(project.id).get(certificate.version, 0)

    def on_read(task_count: int, outdated: int, unfit: int) -> None:
        outcome.looked_at += task_count
        outcome.outdated += outdated
        outcome.unfit += unfit
        done = f"accepted {outcome.accepted} answers, left {outcome.audits} to people"
        report(Progress(outcome.looked_at / max(total, outcome.looked_at), STAGE, done))

    coverage = _Coverage(services, project, certificate)
    for batch in in_batches(coverage.waiting(on_read), TASKS_AT_ONCE):
        if certificate_in_force(services, project) != certificate:
            return
        services.database.acceptances.intend([each for _, each in batch])
        audits = [task for task, each in batch if each.is_audit]
        coverage.hide(audits)
        outcome.audits += len(audits)
        settle_intentions(services, project, outcome)


def settle_intentions(services: Services, project: Project, outcome: AcceptedTasks) -> None:
    """Find out what became of each intended acceptance, and let Label Studio make it where its certificate still holds.

    Raises:
        StudioError: Label Studio did not answer or refused.
    """
    in_force = certificate_in_force(services, project)
    for batch in in_batches(services.database.acceptances.intended(project.id), TASKS_AT_ONCE):
        tasks = _tasks(services, project, [each.task_id for each in batch])
        if in_force is not None:
            ours = [each.task_id for each in batch if each.certificate_id == in_force.id]
            blank = [task_id for task_id in ours if task_id in tasks and not tasks[task_id].annotations]
            services.studio.accept_predictions(project.id, blank, in_force.version)
            tasks |= _tasks(services, project, blank)
        settled: dict[int, dict[int, int | None]] = {}
        for each in batch:
            annotation_id = _settled(services, each, tasks.get(each.task_id), outcome)
            settled.setdefault(each.certificate_id, {})[each.task_id] = annotation_id
        for certificate_id, annotation_ids in settled.items():
            services.database.acceptances.settle(certificate_id, annotation_ids)


def _tasks(services: Services, project: Project, task_ids: Sequence[int]) -> dict[int, Task]:
    return {task.id: task for task in services.studio.tasks_by_id(project.id, task_ids)}


def _settled(services: Services, intended: Acceptance, task: Task | None, outcome: AcceptedTasks) -> int | None:
    """Return the annotation that stands for an acceptance, and delete those that must not stand."""
    annotations = task.annotations if task else ()
    made = [annotation for annotation in annotations if intended.covers(annotation)]
    is_labeled = len(made) < len(annotations)
    for needless in made if is_labeled else made[1:]:
        services.studio.delete_annotation(needless.id)
    outcome.labeled_meanwhile += is_labeled
    if is_labeled or not made:
        return None
    outcome.accepted += 1
    return made[0].id


class _Coverage:
    """The unlabeled tasks of a project that its certificate covers.

    Raises:
        CertificateError: the certified version cannot be loaded.
    """

    def __init__(self, services: Services, project: Project, certificate: KeptCertificate) -> None:
        self._services, self._project, self._certificate = services, project, certificate
        self._plan = plan_of(project)
        self._predictor = services.champions.refresh(project)
        if self._predictor.version != certificate.version:
            raise CertificateError(
                f"{certificate.version} cannot be loaded, and {self._predictor.version} answers for now; "
                f"`labelloop doctor {project.id}` says why"
            )

    def waiting(self, on_read: Callable[[int, int, int], None]) -> Iterator[tuple[Task, Acceptance]]:
        """Yield tasks whose answer is to be accepted or audited, without those that were covered before.

        An audit whose prediction can still be seen comes again, since the work stopped before it was hidden.

        Args:
            on_read: called with how many tasks were read since the last call, how many predictions are outdated, and
                how many texts fit no label.
        """
        certificate = self._certificate
        covered = self._services.database.acceptances.covered(certificate.id, certificate.version, self._project.id)
        stored = self._services.studio.unlabeled_tasks(self._project.id, certificate.version)
        for batch in in_batches(stored, TASKS_READ):
            splits = splits_of(self._services, self._project, [self._plan.text(task.data) for task, _ in batch])
            sure = [
                (task, prediction)
                for (task, prediction), split in zip(batch, splits, strict=True)
                if prediction is not None and not split.is_held_out and self._is_sure(task, prediction)
            ]
            hidden = [(task, covered[task.id]) for task, _ in sure if self._is_audit(covered.get(task.id))]
            fresh = [(task, prediction) for task, prediction in sure if task.id not in covered]
            confirmed, unfit = self._confirmed(fresh)
            yield from hidden
            yield from ((task, self._acceptance(task, prediction)) for task, prediction in confirmed)
            on_read(len(batch), len(fresh) - len(confirmed) - unfit, unfit)

    def hide(self, tasks: Sequence[Task]) -> None:
        """Let annotators see no prediction of tasks: a blind one takes the place of all that Label Studio holds."""
        if not tasks:
            return
        blind = prelabel(tasks, self._predictor, self._plan, [True] * len(tasks)).predictions
        self._services.studio.delete_predictions_of(self._project.id, [task.id for task in tasks])
        pairs = [(task.id, each) for task, each in zip(tasks, blind, strict=True)]
        self._services.studio.push_predictions(self._project.id, pairs)

    def _is_audit(self, known: Acceptance | None) -> bool:
        """True for an audit of this certificate."""
        return known is not None and known.is_audit and known.certificate_id == self._certificate.id

    def _confirmed(self, stored: Sequence[tuple[Task, Prediction]]) -> tuple[list[tuple[Task, Prediction]], int]:
        """Return the predictions that are to be accepted, and how many are not since their text fits no label.

        They are what the version answers, and as sure as they have to be. Others are of a text that has changed since,
        or somebody made them up.
        """
        tasks = [task for task, _ in stored]
        labels_off = self._services.options.feedback.labels_off
        made = prelabel(tasks, self._predictor, self._plan, None, labels_off=labels_off, with_fit=True)
        confirmed = [
            (task, answer, fit)
            for (task, prediction), answer, fit in zip(stored, made.predictions, made.fits, strict=True)
            if self._is_sure(task, answer) and self._targets(task, answer) == self._targets(task, prediction)
        ]
        fitting = [(task, answer) for task, answer, fit in confirmed if not fits_no_label(fit)]
        return fitting, len(confirmed) - len(fitting)

    def _targets(self, task: Task, prediction: Prediction) -> dict[str, Target]:
        return given_targets(self._plan, self._plan.text(task.data), prediction.result)

    def _is_sure(self, task: Task, stored: Prediction) -> bool:
        threshold = self._certificate.threshold
        if stored.score is None or threshold is None or stored.score < threshold:
            return False
        return is_acceptable(self._plan, self._plan.text(task.data), stored)

    def _acceptance(self, task: Task, stored: Prediction) -> Acceptance:
        return Acceptance(
            project_id=self._project.id,
            certificate_id=self._certificate.id,
            task_id=task.id,
            version=self._certificate.version,
            regions=stored.result,
            score=stored.score or 0.0,
            is_audit=self._draw(self._plan.text(task.data)) < self._certificate.audit_share,
        )

    def _draw(self, text: str) -> float:
        """Draw a number from 0 to 1 that stays the text's in this project."""
        key = f"audit:{self._project.id}:{text_digest(text)}"
        return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "big") / 2**64

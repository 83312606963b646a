"""Try for a certificate of what serves a project, and forecast what one takes."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...batches import in_batches
from ...domain.acceptance import KeptCertificate
from ...domain.annotation import Prediction
from ...domain.example import Row, Target
from ...domain.fit import fits_no_label
from ...domain.model import LIFETIME_ERROR, ModelVersion
from ...domain.project import Project
from ...domain.snapshot import Snapshot, Split
from ...errors import CertificateError
from ...labelstudio.plans import plan_of
from ...serving.prelabels import prelabel
from ...snapshots.store import SnapshotFolder
from ...tasks import ServingPlan
from ..connecting.projects import project_as_it_is
from ..exporting.snapshots import newest_snapshot
from ..services import Services
from ..splits import splits_of
from .in_force import certificate_in_force
from .spending import spent_budget

if TYPE_CHECKING:
    from ...arrays import Bools, Floats

__all__ = ["Certifier", "given_targets", "is_acceptable"]

LIMITS = (0.01, 0.02, 0.05)
TASKS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Forecast:
    """The forecast for one limit.

    Attributes:
        missing_rows: blind test rows that a certificate still takes, with a chance of 80%; None: there is no way to it.
        rows_needed: accepted blind rows that certify the limit if none of them is wrong.
        coverage: the share of answers that would be accepted.
        tasks: how many of the unlabeled train tasks that is now.
        judged: validation rows whose answer would be accepted.
        wrong: those of them whose answer is wrong.
    """

    limit: float
    missing_rows: int | None
    rows_needed: int
    coverage: float
    tasks: int
    judged: int = 0
    wrong: int = 0


@dataclass(frozen=True, slots=True)
class AcceptancePlan:
    """The forecast of what certificates take, and what they would cover.

    Attributes:
        test_rows: blind test rows that count.
        left_out: test rows that do not, since labelloop did not see them being labeled without a hint.
        spent: of the project's budget for certificates, `budget`; `next_share` is what the next try may spend.
        unlabeled: train tasks that nobody has labeled.
    """

    version: str
    snapshot_id: str
    validation_rows: int
    test_rows: int
    left_out: int
    spent: float
    next_share: float
    unlabeled: int
    forecasts: tuple[Forecast, ...]
    in_force: KeptCertificate | None
    budget: float = LIFETIME_ERROR


class Certifier:
    """The champion of a project, and the rows of its newest snapshot that can certify it.

    Raises:
        CertificateError: there is no champion, its answers are responses in words, or the snapshot has another label
            config than the project.
        SnapshotError: there is no snapshot yet.
        StudioError: Label Studio does not answer.
    """

    def __init__(self, services: Services, project: Project) -> None:
        self._services = services
        self._project = project_as_it_is(services, project)
        self._champion = _champion(services, self._project)
        self._snapshot = newest_snapshot(services, project)
        self._plan = _plan(self._project, self._snapshot)
        self._predictor = services.load_predictor(services.versions.at_hand(self._champion).path)
        folder = SnapshotFolder(self._snapshot.path)
        test = list(folder.rows(Split.TEST))
        self._test = [row for row in test if row.is_blind]
        self._left_out = len(test) - len(self._test)
        validation = list(folder.rows(Split.VALIDATION))
        self._validation = self._judged(validation)
        self._validation_rows = len(validation)

    def plan(self, limits: Iterable[float] = LIMITS) -> AcceptancePlan:
        """Return what certificates take. It looks at validation rows alone, so it costs nothing."""
        from ...measuring.certificates import missing_rows, rows_needed

        spent, share = spent_budget(self._services, self._project)
        unlabeled, waiting = self._waiting()
        scores, is_wrong = self._validation
        acceptable = len(scores) / max(self._validation_rows, 1)
        forecasts = []
        for limit in limits:
            needed, tests = rows_needed(limit, share), int(len(self._test) * acceptable)
            found = missing_rows(self._validation, rows=tests, limit=limit, delta=share) if len(scores) else None
            if found is None:
                forecasts.append(Forecast(limit, None, needed, 0.0, 0))
                continue
            missing, coverage = found
            threshold = _least_of_first(scores, round(coverage * len(scores)))
            count = sum(score >= threshold for score in waiting)
            rows, is_accepted = math.ceil(missing / acceptable), scores >= threshold
            judged, wrong = int(is_accepted.sum()), int(is_wrong[is_accepted].sum())
            forecasts.append(Forecast(limit, rows, needed, coverage * acceptable, count, judged, wrong))
        return AcceptancePlan(
            version=self._champion.name,
            snapshot_id=self._snapshot.id,
            validation_rows=self._validation_rows,
            test_rows=len(self._test),
            left_out=self._left_out,
            spent=spent,
            next_share=share,
            unlabeled=unlabeled,
            forecasts=tuple(forecasts),
            in_force=certificate_in_force(self._services, self._project),
        )

    def certify(self, limit: float, audit_share: float) -> KeptCertificate:
        """Try for a certificate, which is in force from then on, and keep the try.

        A try that fails has spent a share of the project's budget of error; one that succeeds has spent nothing. The
        same try once more, on the same rows, costs nothing either, and has the same outcome.

        Args:
            limit: the share of wrong answers that is promised.
            audit_share: the share of answers that people give instead.

        Raises:
            CertificateError: the rows are too few whatever they hold, or audits have refuted this version; the test
                rows were not looked at.
        """
        with self._services.database.locks.held(f"certificate-{self._project.id}", lambda: None):
            return self._certify(limit, audit_share)

    def _certify(self, limit: float, audit_share: float) -> KeptCertificate:
        from ...measuring.certificates import Certificate, rows_needed
        from ...measuring.error_budget import error_share

        kept = self._services.database.certificates
        tries = kept.all(self._project.id)
        if same := self._same_try(tries, limit, audit_share):
            return same
        share = error_share(kept.failures(self._project.id))
        if len(self._test) < rows_needed(limit, share) or not len(self._validation[0]):
            raise CertificateError(
                f"{len(self._test)} blind test rows cannot certify {limit:.1%} for {self._champion.name}; nothing was "
                f"spent. `labelloop auto-accept plan --project {self._project.id}` says how many are missing"
            )
        scores, is_wrong = blind = self._judged(self._test)
        found = Certificate.of(self._validation, blind, limit=limit, delta=share)
        acceptable = len(scores) / len(self._test)
        return kept.add(
            KeptCertificate(
                id=0,
                project_id=self._project.id,
                version=self._champion.name,
                fingerprint=self._project.label_config_fingerprint,
                snapshot_id=self._snapshot.id,
                threshold=found.threshold if found else None,
                limit=limit,
                delta=share,
                rows=found.rows if found else len(scores),
                loss=found.loss if found else float(is_wrong.mean()) if len(scores) else 0.0,
                share=found.share * acceptable if found else acceptable,
                audit_share=audit_share,
                created_at=self._services.clock(),
                ending="" if found else f"{limit:.1%} could not be certified",
            )
        )

    def _same_try(self, tries: Sequence[KeptCertificate], limit: float, audit_share: float) -> KeptCertificate | None:
        """Return the certificate in force if it is the one that is wanted, or the failure that would be repeated.

        Raises:
            CertificateError: audits have refuted this version.
        """
        of_version = [each for each in tries if each.version == self._champion.name]
        if refuted := next((each for each in of_version if each.was_refuted), None):
            raise CertificateError(
                f"audits have refuted {refuted.version}: {refuted.ending}. The same blind rows would certify it once "
                "more, and prove nothing; train a version on the new labels first"
            )
        for each in of_version:
            if each.limit == limit and each.snapshot_id == self._snapshot.id and not each.is_certified:
                return each
        in_force = certificate_in_force(self._services, self._project)
        wanted = (limit, audit_share)
        return in_force if in_force and (in_force.limit, in_force.audit_share) == wanted else None

    def _judged(self, rows: Sequence[Row]) -> "tuple[Floats, Bools]":
        """Let the version answer rows, as it answers tasks.

        Returns:
            Its confidence in each answer that could be accepted, shape (N,), and whether any control's answer is not
            the truth, shape (N,). Rows whose text fits no label are left out, as such tasks are: which ones these are,
            the version alone decides, whose train and validation rows it was made of.
        """
        import numpy as np

        plan = self._plan
        tasks = [plan.task(row) for row in rows]
        labels_off = self._services.options.feedback.labels_off
        made = prelabel(tasks, self._predictor, plan, None, labels_off=labels_off, with_fit=True)
        pairs = [
            (row, prediction)
            for row, prediction, fit in zip(rows, made.predictions, made.fits, strict=True)
            if not fits_no_label(fit) and is_acceptable(plan, row.text, prediction)
        ]
        scores = [each.score for _, each in pairs]
        is_wrong = [given_targets(plan, row.text, each.result) != row.targets for row, each in pairs]
        return np.array(scores, dtype=np.float64), np.array(is_wrong, dtype=np.bool_)

    def _waiting(self) -> tuple[int, list[float]]:
        """Return how many train tasks are unlabeled, and the confidence in answers to them that could be accepted."""
        count, scores = 0, []
        unfit = {each.task_id for each in self._services.database.fits.unfit(self._project.id)}
        plan = plan_of(self._project)
        waiting = self._services.studio.unlabeled_tasks(self._project.id, self._champion.name)
        for batch in in_batches(waiting, TASKS_AT_ONCE):
            texts = [plan.text(task.data) for task, _ in batch]
            splits = splits_of(self._services, self._project, texts)
            for (task, stored), text, split in zip(batch, texts, splits, strict=True):
                if split.is_held_out:
                    continue
                count += 1
                if stored is None or stored.score is None or task.id in unfit:
                    continue
                if is_acceptable(plan, text, stored):
                    scores.append(stored.score)
        return count, scores


def _least_of_first(scores: "Floats", count: int) -> float:
    """Return the least of so many highest scores, of which there is at least one."""
    import numpy as np

    return float(np.sort(scores)[-max(count, 1)])


def given_targets(plan: ServingPlan, text: str, result: Sequence[Mapping[str, Any]]) -> dict[str, Target]:
    """Return what a result answers to each control that is asked, as an annotation with this result would be read."""
    hidden = plan.config.hidden(result)
    answers = {each.name: each.answer(result, text).target for each in plan.controls if each.name not in hidden}
    return {name: target for name, target in answers.items() if target is not None}


def is_acceptable(plan: ServingPlan, text: str, prediction: Prediction) -> bool:
    """True for a prediction with a confidence that shows something, and answers every control that is asked."""
    if prediction.score is None or not prediction.result:
        return False
    hidden = plan.config.hidden(prediction.result)
    asked = {each.name for each in plan.controls} - hidden
    return given_targets(plan, text, prediction.result).keys() == asked


def _champion(services: Services, project: Project) -> ModelVersion:
    plan = plan_of(project)
    if plan.has_texts:
        names = ", ".join(each.name for each in plan.controls if not each.kind.has_labels)
        raise CertificateError(
            f"{names} of project {project.id} is answered in words, of which none is exactly right, so no share of "
            "wrong answers can be promised; answers are accepted in projects with labels alone"
        )
    champion = services.versions.champion(project.ref.key)
    if champion is None:
        raise CertificateError(
            f"project {project.id} has no champion yet, so there is nothing to certify; train once: "
            f"`labelloop train --project {project.id}`"
        )
    return champion


def _plan(project: Project, snapshot: Snapshot) -> ServingPlan:
    if snapshot.manifest.label_config_fingerprint != project.label_config_fingerprint:
        raise CertificateError(
            f"the label config of project {project.id} has changed since its newest snapshot; train again: "
            f"`labelloop train --project {project.id}`"
        )
    return plan_of(snapshot.manifest)

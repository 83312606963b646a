"""Promote and roll back versions, so that a crash at any step can be repaired.

Order: intent row, push of the missing predictions, the row that says which version serves (the commit point), MLflow's
alias, the project's selected version, deletion of predictions that nobody will look at again. Every step can be
repeated; the promotion's row says which one was the last, and whoever finds an open promotion continues after it.
"""

import logging
from functools import partial

from ...domain.job import Job, JobState
from ...domain.model import ModelVersion, Promotion, PromotionState
from ...domain.ports import Predictor
from ...domain.progress import Progress, ProgressCallback
from ...domain.project import Project
from ...errors import HookError, LabelloopError, ModelNotFound, PromotionError, PromotionVetoed, TrackingError
from ..labeling.prelabel import push_missing, select_version
from ..services import Services

__all__ = ["Promoter"]

log = logging.getLogger(__name__)

STAGE = "promoting"


class Promoter:
    """Decides which version serves a project, and lets Label Studio and MLflow follow."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def promote(
        self,
        project: Project,
        version: str,
        *,
        reason: str,
        is_forced: bool = False,
        job_id: int | None = None,
        actor: str = "",
        report: ProgressCallback = Progress.ignore,
    ) -> Promotion:
        """Make a version the champion, with its predictions in Label Studio first.

        Args:
            is_forced: hooks are not asked.
            job_id: the job that does it, by which a later attempt finds the promotion.
            actor: who asked for it.

        Raises:
            ModelNotFound: there is no such version.
            PromotionVetoed: a hook objects.
            PromotionError: it serves already, or another promotion is under way.
        """
        if ModelVersion.is_cold_start_name(version):
            # One of an earlier label config cannot answer any more.
            version = ModelVersion.cold_start_name(project.ref.key, project.label_config_fingerprint)
        else:
            self._services.versions.get(version)
        previous = self._services.versions.serving(project)
        if version == previous:
            raise PromotionError(f"{version} serves already; nothing was changed")
        if not is_forced:
            self.ask_hooks(project.ref.key, version, previous=previous, reason=reason)
        promotion = self._services.database.promotions.begin(
            project.id,
            version,
            previous=previous,
            reason=reason,
            is_forced=is_forced,
            job_id=job_id,
            actor=actor,
        )
        return self.finish(project, promotion, report)

    def ask_hooks(self, key: str, version: str, *, previous: str, reason: str) -> None:
        """Let hooks object to a promotion.

        Raises:
            PromotionVetoed: one does, or fails, which is no consent.
        """
        remedy = f"`labelloop models promote {version} --force --reason TEXT` promotes all the same"
        try:
            objection = self._services.hooks.veto(key, version, previous, reason)
        except HookError as error:
            raise PromotionVetoed(f"{version} was not promoted: {error}. {remedy}") from error
        if objection is not None:
            raise PromotionVetoed(f"{version} was not promoted: vetoed by {objection}. {remedy}")

    def finish(self, project: Project, promotion: Promotion, report: ProgressCallback = Progress.ignore) -> Promotion:
        """Continue a promotion after its last step to the end, once no other process works on it."""
        waiting = partial(report, Progress(0.0, STAGE, "another process is finishing it"))
        with self._services.database.locks.held(_lock(project.id), waiting):
            return self._finish(project, promotion, Progress.share_of(report, 0.0, 1.0, STAGE))

    def reconcile(self) -> int:
        """Finish every promotion that a crash or an unreachable Label Studio left half-done.

        Projects with a running job are left alone, since it may be in the middle of one, and so are promotions that
        another process is at.

        Returns:
            How many could not be finished and must be tried again later.
        """
        busy = {job.project_id for job in self._services.database.jobs.running()}
        waiting = 0
        for promotion in self._services.database.promotions.all_open():
            project = self._services.database.projects.find(promotion.project_id)
            if promotion.project_id in busy or project is None:
                continue
            try:
                with self._services.database.locks.attempt(_lock(project.id)) as is_free:
                    if is_free and self._is_unwanted(promotion):
                        self._withdraw(project, promotion)
                    elif is_free:
                        self._finish(project, promotion)
            except LabelloopError as error:
                log.warning("promotion of %s waits: %s", promotion.version, error)
                waiting += 1
        return waiting

    def abandon(self, project: Project) -> None:
        """Give up the open promotion of a project.

        Raises:
            PromotionError: it has reached the commit point, so it can only be finished.
        """
        promotion = self._services.database.promotions.open(project.id)
        if promotion is None:
            return
        if promotion.state is PromotionState.COMMITTED or self._services.versions.serving(project) == promotion.version:
            raise PromotionError(f"{promotion.version} serves already; its promotion can only be finished")
        self._services.database.promotions.advance(promotion, PromotionState.ABANDONED)

    def withdraw(self, job: Job) -> None:
        """Give up the promotion that a cancelled job was in the middle of, its predictions included.

        One that has pushed all of them is finished instead, by `reconcile`, as after a crash.
        """
        promotion = self._services.database.promotions.of_job(job.id)
        if promotion is None or promotion.state is not PromotionState.INTENT:
            return
        with self._services.database.locks.attempt(_lock(promotion.project_id)) as is_free:
            if is_free:
                self._withdraw(self._services.database.projects.get(promotion.project_id), promotion)

    def rollback(
        self,
        project: Project,
        *,
        reason: str,
        job_id: int | None = None,
        actor: str = "",
        report: ProgressCallback = Progress.ignore,
    ) -> Promotion:
        """Make the version before the champion serve again: the cold start, where the champion is the first.

        Raises:
            PromotionError: there is no champion.
        """
        target = self.version_before(project)
        return self.promote(project, target, reason=reason, is_forced=True, job_id=job_id, actor=actor, report=report)

    def version_before(self, project: Project) -> str:
        """Return what served before the champion, without what was rolled back: after v1, v2, v1, the cold start.

        Raises:
            PromotionError: no promotion led to the champion, or there is none.
        """
        if self._services.versions.champion(project.ref.key) is None:
            raise PromotionError(f"project {project.id} has no champion, so there is nothing to roll back")
        served: list[str] = []
        for promotion in reversed(self._services.database.promotions.history(project.id)):
            if promotion.state is not PromotionState.DONE:
                continue
            if promotion.version in served:
                del served[served.index(promotion.version) + 1 :]
            else:
                served += [promotion.version] if served else [promotion.previous, promotion.version]
        if len(served) < 2:
            raise PromotionError(
                f"project {project.id} has a champion that no promotion led to, so what served before is unknown; "
                "name a version with `labelloop models promote`"
            )
        return served[-2]

    def _finish(self, project: Project, promotion: Promotion, report: ProgressCallback = Progress.ignore) -> Promotion:
        promotions = self._services.database.promotions
        promotion = promotions.get(promotion.id)  # another process may have brought it on meanwhile
        if promotion.state is PromotionState.INTENT:
            push_missing(self._services, project, self._predictor(project, promotion.version), report)
            promotion = promotions.advance(promotion, PromotionState.PUSHED)
        if promotion.state is PromotionState.PUSHED:
            promotion = promotions.commit(promotion, project.ref.key)
            log.info("project %s: %s is champion (%s)", project.id, promotion.version, promotion.reason)
            self._services.hooks.model_promoted(
                project.ref.key, promotion.version, promotion.previous, promotion.reason
            )
        if promotion.state is PromotionState.COMMITTED:
            self._mirror(project)
            select_version(self._services, project, promotion.version)
            self._delete_old_predictions(project, promotion)
            promotion = promotions.advance(promotion, PromotionState.DONE)
        return promotion

    def _mirror(self, project: Project) -> None:
        """Let MLflow's alias name what serves; annotators do not wait where MLflow is away or has lost the version."""
        try:
            self._services.versions.mirror(project.ref.key)
        except (TrackingError, ModelNotFound) as error:
            log.warning(
                "`labelloop doctor` sets MLflow's alias for project %s once that is mended: %s", project.id, error
            )

    def _is_unwanted(self, promotion: Promotion) -> bool:
        """True where its job was cancelled before all predictions were pushed."""
        if promotion.state is not PromotionState.INTENT or promotion.job_id is None:
            return False
        return self._services.database.jobs.get(promotion.job_id).state is JobState.CANCELLED

    def _withdraw(self, project: Project, promotion: Promotion) -> None:
        if self._services.database.promotions.get(promotion.id).state is not PromotionState.INTENT:
            return  # another process brought it on before it let go of the lock
        history = self._services.database.promotions.history(project.id)
        has_served = {each.version for each in history if each.state is PromotionState.DONE} | {promotion.previous}
        if promotion.version not in has_served:
            self._services.studio.delete_predictions(project.id, promotion.version)
        self._services.database.promotions.advance(promotion, PromotionState.ABANDONED)

    def _predictor(self, project: Project, version: str) -> Predictor:
        if ModelVersion.is_cold_start_name(version):
            return self._services.cold_start(project)
        return self._services.load_predictor(self._services.versions.get(version).path)

    def _delete_old_predictions(self, project: Project, promotion: Promotion) -> None:
        """Keep the champion's and the previous version's; what became of older pre-labels was stored at ingest."""
        keep = {promotion.version, promotion.previous}
        self._services.database.blind_answers.forget(project.id, keep)
        for version in self._services.studio.prediction_counts(project.id):
            if version.startswith(f"{project.ref.key}-") and version not in keep:
                deleted = self._services.studio.delete_predictions(project.id, version)
                log.info("project %s: deleted %s predictions of %s", project.id, deleted, version)


def _lock(project_id: int) -> str:
    return f"promotion-{project_id}"

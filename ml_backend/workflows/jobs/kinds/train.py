"""Jobs that train: snapshot, training, registration, gate and, where the gate says so, promotion."""

import logging
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from ....atomic_files import take_place, unfinished_folder
from ....domain.job import Job, JobState
from ....domain.model import GateDecision, LearnedFrom, Method, ModelVersion, PromotionState, WeakRows
from ....domain.progress import Progress
from ....domain.project import Project
from ....domain.reasons import ReasonCount
from ....domain.snapshot import Snapshot
from ....errors import ModelNotFound, PromotionVetoed, TrackingError
from ....labelstudio.plans import plan_of
from ....options import project_settings
from ...promoting.gate import hold_gate
from ...promoting.promote import Promoter
from ...services import Services
from ...training.job_snapshot import job_snapshot
from ...training.preference_pairs import PreferencePairs, preference_pairs
from ...training.train import TrainingChoices, train_and_register
from ...training.weak_rows import ProposedRows, proposed_rows
from ..context import JobContext
from .audit import AuditJob
from .base import JobKind
from .select import SelectJob

if TYPE_CHECKING:
    from ....measuring.evaluation import Evaluation
    from ....measuring.text_metrics import TextEvaluation

__all__ = ["TrainJob"]

log = logging.getLogger(__name__)

# Shares of the progress bar, from rough shares of the time.
GATE_STARTS, PROMOTION_STARTS = 0.85, 0.9


class TrainJob(JobKind, TrainingChoices, frozen=True):
    """Train a version on a snapshot, hold the gate, and promote the version that passes.

    A snapshot that the last successful job trained on in the same way, with the same weak rows, is not trained on
    again: the result is that job's, with `same_as` naming it.

    Attributes:
        trigger: who asked: `label-studio`, `policy`, `page` or `command`.
        snapshot: folder of a snapshot; None: take one of the project first.
        actor: the user who asked, as far as that is known.
        out: folder that gets a copy of the serving bundle; None: the registry's copy is enough.
        sources: folder of label sources, or of one such folder per project; "": none.
        tasks: file of the unlabeled tasks that they read, beside a snapshot; a project has its own.
        preferences: folder of pairs of responses for method dpo, beside those of the project; "": none.
    """

    name: ClassVar[str] = "train"
    retry_command: ClassVar[str] = "labelloop train --project {project_id}"

    trigger: str
    snapshot: str | None = None
    out: str | None = None
    actor: str = ""
    sources: str = ""
    tasks: str | None = None
    preferences: str = ""

    @classmethod
    def by_settings(cls, services: Services, trigger: str, actor: str = "") -> Self:
        """Return the request for a training as the settings describe it."""
        options = services.options
        return cls(
            trigger=trigger,
            actor=actor,
            base_model=options.models.base_model,
            seed=options.seed,
            weak_rows=options.sources.weak_rows,
            sources=options.sources.folder,
        )

    def dedupe_key(self, project_id: int) -> str:
        # Rows of a file belong to whoever named them: two such trainings are never the same work.
        return f"train:{project_id}" if project_id else f"train:file:{uuid.uuid4().hex}"

    def run(self, services: Services, job: Job, context: JobContext) -> Mapping[str, Any]:
        project = services.database.projects.get(job.project_id) if job.project_id else None
        uses_sources = bool(self.sources) and self.weak_rows is not WeakRows.NONE
        snapshot = job_snapshot(services, project, self.snapshot, context, may_be_empty=uses_sources)
        tasks = Path(self.tasks) if self.tasks else None
        weak = proposed_rows(
            services, snapshot, project or tasks, self.sources, handling=self.weak_rows, context=context
        )
        preferred = (
            preference_pairs(services, snapshot, project, start=self.start, folder=self.preferences, context=context)
            if self.method is Method.DPO
            else None
        )
        earlier = self._same_work(services, job, snapshot, weak, preferred)
        if earlier is not None:
            log.info("snapshot %s is unchanged since job %s", snapshot.id, earlier.id)
            return {**earlier.result, "same_as": earlier.id}
        report = Progress.share_of(context.report, 0.0, GATE_STARTS)
        model, outcome = train_and_register(services, self, snapshot, context, report, weak=weak, preferred=preferred)
        if self.out:
            _deliver(model, Path(self.out))
        gate = _hold_gate(services, project, snapshot, model, context, weak=weak, preferred=preferred)
        decision = gate["decision"]
        is_promoted, vetoes = False, []
        if decision and decision["promote"]:
            try:
                is_promoted = _promote(services, project, model, decision, context, actor=self.actor or self.trigger)
            except PromotionVetoed as veto:
                log.warning("%s", veto)
                vetoes = [str(veto)]
        return {
            "snapshot_id": snapshot.id,
            "model_version": model.name,
            "model_dir": self.out or str(model.path),
            **outcome,
            "warnings": [*outcome["warnings"], *vetoes],
            "reasons": ReasonCount.list_to_json(snapshot.manifest.reasons),
            "metrics": {"validation": dict(model.metrics), "test": gate["test"]},
            "gate": decision,
            "is_promoted": is_promoted,
            "learned_from": model.learned_from,
            "settings": services.options.texts(project_settings()),
            "trigger": self.trigger,
        }

    def follow_up(self, services: Services, job: Job) -> None:
        """Request what follows in jobs apart, so that it holds up neither the model nor the pre-labels.

        That is an audit of the project, and a new list of the tasks to label next where a version was promoted.
        """
        if job.project_id and job.result.get("is_promoted"):
            SelectJob.refresh(services, job.project_id, "promotion")
        if not job.project_id or not services.options.feedback.audit_after_training:
            return
        if job.result.get("learned_from") == LearnedFrom.SOURCES:
            return  # there is no label to judge
        # An audit judges labels; it has nothing to say about texts alone.
        if plan_of(services.database.projects.get(job.project_id)).labeled:
            AuditJob(trigger="training", is_pushed=True).request(services, job.project_id)

    def _same_work(
        self,
        services: Services,
        job: Job,
        snapshot: Snapshot,
        weak: ProposedRows,
        preferred: PreferencePairs | None,
    ) -> Job | None:
        """Return the job that has trained on the snapshot in the same way, if it was the last one to succeed."""
        last = services.database.jobs.last(self.name, job.project_id, JobState.SUCCEEDED)
        if last is None or last.result.get("snapshot_id") != snapshot.id or self.out:
            return None
        digests = [last.result.get(name, {}).get("digest", "") for name in ("weak_rows", "preferences")]
        own = [weak.digest, preferred.digest if preferred is not None else ""]
        if digests != own or not self.trains_like(TrainJob(**last.params)):
            return None
        try:
            services.versions.get(str(last.result["model_version"]))
        except ModelNotFound:
            return None
        return services.database.jobs.get(int(last.result.get("same_as", last.id)))


def _deliver(model: ModelVersion, out: Path) -> None:
    """Put a copy of the serving bundle where it was asked for, whole or not at all."""
    with unfinished_folder(out.parent) as draft:
        shutil.copytree(model.path, draft, dirs_exist_ok=True)
        take_place(draft, out)  # or not: an attempt before this one may have delivered already


def _hold_gate(
    services: Services,
    project: Project | None,
    snapshot: Snapshot,
    model: ModelVersion,
    context: JobContext,
    *,
    weak: ProposedRows,
    preferred: PreferencePairs | None,
) -> Mapping[str, Any]:
    """Return the gate's decision as JSON values, None where there are no test rows; and the version's test metrics."""
    earlier: Mapping[str, Any] | None = context.checkpoint.get("gate")
    if earlier is not None and _still_holds(services, project, earlier["decision"], context.job):
        return earlier
    report = Progress.share_of(context.report, GATE_STARTS, PROMOTION_STARTS)
    report(Progress(0.0, "gate", "scoring challenger and champion on the test rows"))
    outcome = hold_gate(services, snapshot, model, project, weak=weak.rows, preferred=preferred, report=report)
    figures = _test_metrics(outcome.test) if outcome else {}
    if outcome is not None:
        _record_test(services, model, figures, outcome.decision)
    gate = {"decision": asdict(outcome.decision) if outcome else None, "test": figures}
    context.keep(gate=gate)
    return gate


def _record_test(services: Services, model: ModelVersion, figures: Mapping[str, float], decision: GateDecision) -> None:
    """Add the test figures to the version's run, and those of slices as metrics and as a table with intervals."""
    slices = [each.challenger for each in decision.slices]
    try:
        with services.tracker.run(model.project_key, model.name, resume=model.run_id) as run:
            run.log_metrics({f"test_{name}": value for name, value in figures.items()})
            if slices:
                run.log_metrics({f"test_slice.{each.name}": each.score for each in slices})
                run.log_table([asdict(each) for each in slices], "test_slices.json")
    except TrackingError as error:
        log.warning("the test figures of %s are not in MLflow: %s", model.name, error)


def _test_metrics(evaluations: Mapping[str, "Evaluation | TextEvaluation"]) -> dict[str, float]:
    """Return the figures of the only control, or those of several, each under its control's name."""
    if len(evaluations) == 1:
        return next(iter(evaluations.values())).summary()
    return {
        f"{control}.{name}": value
        for control, evaluation in evaluations.items()
        for name, value in evaluation.summary().items()
    }


def _still_holds(services: Services, project: Project | None, decision: Mapping[str, Any] | None, job: Job) -> bool:
    """Return False where another champion serves than the one that was beaten, and not because of this job."""
    if decision is None or project is None or services.database.promotions.of_job(job.id) is not None:
        return True
    return bool(decision["champion"] == services.versions.serving(project))


def _promote(
    services: Services,
    project: Project | None,
    model: ModelVersion,
    decision: Mapping[str, Any],
    context: JobContext,
    *,
    actor: str,
) -> bool:
    """Promote the version; return False where somebody's forced promotion came before it.

    Raises:
        PromotionVetoed: a hook objects.
    """
    reason = str(decision["reason"])
    if project is None:
        # Rows of a file: no Label Studio shows the version, so there are no predictions to push first.
        previous = str(decision["champion"])
        Promoter(services).ask_hooks(model.project_key, model.name, previous=previous, reason=reason)
        services.versions.serve(model.name)
        services.hooks.model_promoted(model.project_key, model.name, previous, reason)
        return True
    report = Progress.share_of(context.report, PROMOTION_STARTS, 1.0)
    report(Progress(0.0, "promoting", f"pushing the pre-labels of {model.name}"))
    begun = services.database.promotions.of_job(context.job.id)
    if begun is not None:
        return Promoter(services).finish(project, begun, report).state is PromotionState.DONE
    Promoter(services).promote(project, model.name, reason=reason, job_id=context.job.id, actor=actor, report=report)
    return True

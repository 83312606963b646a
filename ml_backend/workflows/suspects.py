"""Train rows whose label an audit suspects to be wrong, and what a training does with them."""

from ..domain.example import Row
from ..domain.model import Suspects
from ..domain.quality import Issue, IssueKind
from ..domain.snapshot import Snapshot, Split
from ..labelstudio.label_config_xml import parse_label_config
from ..snapshots.store import read_rows
from ..tasks import serving_plan
from .audit import Report, audit_snapshot
from .job_context import JobContext
from .retrain import TrainRequest
from .services import Services

__all__ = ["suspected_rows", "trusted_rows"]

SHARE = 0.05
"""Of a training job's progress bar."""


def trusted_rows(
    services: Services, request: TrainRequest, snapshot: Snapshot, context: JobContext, handling: Suspects
) -> tuple[list[Row], tuple[str, ...]]:
    """The rows to train on, and sentences on what became of those with a suspicious label."""
    from ..training.suspects import treated

    control = serving_plan(parse_label_config(snapshot.manifest.label_config)).served.control
    suspects: list[str] = []
    if handling is not Suspects.KEEP:

        def report(done: float, stage: str, message: str) -> None:
            context.report(done * SHARE, stage, message)

        if "suspects" not in context.checkpoint:
            # What people decide meanwhile must not change the rows of a training that is gone on with.
            context.keep(suspects=suspected_rows(services, snapshot, base_model=request.base_model, report=report))
        suspects = context.checkpoint["suspects"]
    return treated(list(read_rows(snapshot.path, Split.TRAIN)), suspects, handling, control.name)


def suspected_rows(services: Services, snapshot: Snapshot, *, base_model: str, report: Report) -> list[str]:
    """Ids of the train rows whose label is likely wrong, without those whose label somebody has confirmed.

    Raises:
        SnapshotError: the snapshot is damaged.
        EncoderError: the base model cannot be loaded.
    """
    audit = audit_snapshot(services, snapshot, base_model=base_model, report=report)
    flags = services.database.flags.all(snapshot.manifest.project.id)
    settled = {(flag.task_id, flag.answer) for flag in flags if flag.outcome.is_decision}

    def is_suspected(issue: Issue) -> bool:
        return (
            issue.kind is IssueKind.LABEL_ERROR
            and issue.split is Split.TRAIN
            and (issue.task_id, issue.given) not in settled
        )

    return [issue.row_id for issue in audit.issues if is_suspected(issue)]

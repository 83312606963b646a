"""Train rows whose label an audit suspects to be wrong, and what a training does with them."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from ..domain.example import Row
from ..domain.model import Suspects
from ..domain.quality import IssueKind
from ..domain.snapshot import Snapshot, Split
from ..labelstudio.label_config_xml import parse_label_config
from ..snapshots.store import read_rows
from ..tasks import serving_plan
from .audit import Report, audit_snapshot
from .job_context import JobContext
from .retrain import TrainRequest
from .services import Services
from .whole_file import whole_file

if TYPE_CHECKING:
    from ..training.suspects import Suspicion

__all__ = ["suspicion", "trusted_rows"]

SHARE = 0.05
"""Of a training job's progress bar."""
KEPT = "suspicion.json"


def trusted_rows(
    services: Services, request: TrainRequest, snapshot: Snapshot, context: JobContext, handling: Suspects
) -> tuple[list[Row], tuple[str, ...]]:
    """The train rows, those with a suspicious label treated as the training wants, and what there is to say of it."""
    from ..training.suspects import treated

    rows = list(read_rows(snapshot.path, Split.TRAIN))
    plan = serving_plan(parse_label_config(snapshot.manifest.label_config))
    # Texts are not right or wrong as labels are.
    if handling is Suspects.KEEP or not plan.labeled:
        return rows, ()

    def report(done: float, stage: str, message: str) -> None:
        context.report(done * SHARE, stage, message)

    # What people decide meanwhile must not change the rows of a training that is gone on with.
    found = _kept(context.folder / KEPT)
    if found is None:
        found = suspicion(services, snapshot, base_model=request.base_model, report=report)
        with whole_file(context.folder / KEPT) as file:
            json.dump({"quality": found.quality, "suspects": sorted(found.suspects)}, file)
        context.keep(is_audited=True)  # progress: deaths before and after it are not in a row
    return treated(rows, found, handling, plan.labeled[0].name)


def suspicion(services: Services, snapshot: Snapshot, *, base_model: str, report: Report) -> "Suspicion":
    """What an audit of the snapshot says of its train rows; a label that somebody has confirmed is beyond doubt.

    Raises:
        SnapshotError: the snapshot is damaged.
        EncoderError: the base model cannot be loaded.
    """
    from ..training.suspects import Suspicion

    audit = audit_snapshot(services, snapshot, base_model=base_model, report=report)
    flags = services.database.flags.all(snapshot.manifest.project.id)
    settled = {(flag.task_id, flag.answer) for flag in flags if flag.outcome.is_decision}
    doubtful = {
        row.task_id: row.id
        for row in read_rows(snapshot.path, Split.TRAIN)
        if (row.task_id, row.targets.get(audit.control)) not in settled
    }
    errors = {issue.row_id for issue in audit.issues if issue.kind is IssueKind.LABEL_ERROR}
    return Suspicion(
        {doubtful[task_id]: quality for task_id, quality in audit.quality.items() if task_id in doubtful},
        frozenset(errors & set(doubtful.values())),
    )


def _kept(path: Path) -> "Suspicion | None":
    from ..training.suspects import Suspicion

    if not path.is_file():
        return None
    found = json.loads(path.read_text(encoding="utf-8"))
    return Suspicion(found["quality"], frozenset(found["suspects"]))

"""Train rows whose label an audit suspects to be wrong, as a training treats them."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ...atomic_files import atomic_text
from ...domain.example import Row, first_rows
from ...domain.model import Suspects
from ...domain.progress import Progress, ProgressCallback
from ...domain.quality import IssueKind
from ...domain.snapshot import Snapshot, Split
from ...labelstudio.plans import plan_of
from ...snapshots.store import SnapshotFolder
from ..auditing.audit import audit_snapshot
from ..auditing.decisions import flags_of
from ..jobs.context import JobContext
from ..services import Services

if TYPE_CHECKING:
    from ...learning.rows.suspects import Suspicion

__all__ = ["rows_by_trust", "trusted_rows"]

SUSPICIONS, CONTROLS = "suspicion.json", "controls"


def trusted_rows(
    services: Services,
    snapshot: Snapshot,
    context: JobContext,
    handling: Suspects,
    *,
    base_model: str,
    report: ProgressCallback = Progress.ignore,
) -> tuple[Mapping[str, Sequence[Row]], tuple[str, ...]]:
    """Return the train rows per control, with suspicious answers treated as the training wants, and notes on them."""
    return rows_by_trust(
        services,
        snapshot,
        context.folder,
        handling,
        base_model=base_model,
        report=report,
        # Progress: deaths before and after it are not in a row.
        on_audited=lambda: context.keep(is_audited=True),
    )


def rows_by_trust(
    services: Services,
    snapshot: Snapshot,
    folder: Path,
    handling: Suspects,
    *,
    base_model: str,
    report: ProgressCallback = Progress.ignore,
    on_audited: Callable[[], None] = lambda: None,
) -> tuple[Mapping[str, Sequence[Row]], tuple[str, ...]]:
    """Return the same for work without a job.

    Args:
        folder: keeps what the audit said, which is then not asked again.
        on_audited: called where it was asked.
    """
    from ...learning.rows.suspects import treat_suspects

    plan = plan_of(snapshot.manifest)
    every = list(SnapshotFolder(snapshot.path).rows(Split.TRAIN))
    rows: dict[str, Sequence[Row]] = {served.name: every for served in plan.controls}
    # Texts are not right or wrong as labels are.
    if handling is Suspects.KEEP or not plan.labeled or not every:
        return rows, ()

    # What people decide meanwhile must not change the rows of a training that is resumed.
    suspicions = _earlier_suspicions(folder / SUSPICIONS)
    if suspicions is None:
        suspicions = suspicion(services, snapshot, base_model=base_model, report=report)
        with atomic_text(folder / SUSPICIONS) as file:
            controls = {
                name: {"quality": each.quality, "suspects": sorted(each.suspects)} for name, each in suspicions.items()
            }
            json.dump({CONTROLS: controls}, file)
        on_audited()
    notes = []
    for served in plan.labeled:
        rows[served.name], remarks = treat_suspects(every, suspicions[served.name], handling, served.name)
        notes += [f"{served.name}: {note}" if len(plan.labeled) > 1 else note for note in remarks]
    return rows, tuple(notes)


def suspicion(
    services: Services, snapshot: Snapshot, *, base_model: str, report: ProgressCallback = Progress.ignore
) -> Mapping[str, "Suspicion"]:
    """Return what an audit of the snapshot says about its train rows, per control.

    An answer that somebody has confirmed is beyond doubt.

    Raises:
        SnapshotError: the snapshot is damaged.
        EncoderError: the base model cannot be loaded.
    """
    from ...learning.rows.suspects import Suspicion

    audit = audit_snapshot(services, snapshot, base_model=base_model, report=report)
    flags = flags_of(services, snapshot.manifest.project.id, audit.controls[0].control)
    settled = {(flag.task_id, flag.control, flag.answer) for flag in flags if flag.outcome.is_decision}
    rows = first_rows(SnapshotFolder(snapshot.path).rows(Split.TRAIN))
    errors = {(issue.task_id, issue.control) for issue in audit.issues if issue.kind is IssueKind.LABEL_ERROR}
    suspicions = {}
    for each in audit.controls:
        name = each.control
        doubtful = {
            row.task_id: row.id for row in rows.values() if (row.task_id, name, row.targets.get(name)) not in settled
        }
        suspicions[name] = Suspicion(
            {doubtful[task_id]: quality for task_id, quality in each.quality.items() if task_id in doubtful},
            frozenset(row_id for task_id, row_id in doubtful.items() if (task_id, name) in errors),
        )
    return suspicions


def _earlier_suspicions(path: Path) -> Mapping[str, "Suspicion"] | None:
    from ...learning.rows.suspects import Suspicion

    if not path.is_file():
        return None
    controls = json.loads(path.read_text(encoding="utf-8")).get(CONTROLS)
    if controls is None:
        return None  # of a release that knew one control alone
    return {name: Suspicion(each["quality"], frozenset(each["suspects"])) for name, each in controls.items()}

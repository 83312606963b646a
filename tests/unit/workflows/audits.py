"""Projects with labels of their own in the fake Label Studio, their snapshots, and audits made by hand."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ml_backend.domain.example import Row
from ml_backend.domain.flag import Flag, FlagOutcome
from ml_backend.domain.job import Job
from ml_backend.domain.project import Project
from ml_backend.domain.quality import Audit, ControlQuality, Disagreement, Issue, IssueKind
from ml_backend.domain.snapshot import Snapshot, Split
from ml_backend.snapshots.store import SnapshotFolder
from ml_backend.workflows.auditing.push_flags import PushedFlags, push_audit
from ml_backend.workflows.exporting.snapshots import export_project
from ml_backend.workflows.jobs.context import JobContext
from ml_backend.workflows.jobs.kinds.audit import AuditJob
from ml_backend.workflows.jobs.run_job import run_job
from ml_backend.workflows.services import Services
from tests.services import add_project, choice

CONTROL = "category"
FILLERS = ["my", "the", "is", "where", "please", "a", "b", "c", "d", "e", "f", "g", "h", "lost", "bank", "money"]


@dataclass
class Case:
    """A labeled project.

    Attributes:
        studio: the fake, to look into.
    """

    services: Services
    project: Project
    studio: Any

    def snapshot(self) -> Snapshot:
        return export_project(self.services, self.project)

    def data(self, task_id: int) -> Mapping[str, Any]:
        data: Mapping[str, Any] = self.studio.tasks[task_id]["data"]
        return data

    def annotation(self, task_id: int) -> dict[str, Any]:
        """The first annotation of a task."""
        found: dict[str, Any] = next(a for a in self.studio.annotations.values() if a["task"] == task_id)
        return found

    def relabel(self, task_id: int, label: str) -> None:
        """What an expert does who ticks a label and presses Update."""
        self.studio.update_annotation(self.annotation(task_id)["id"], {"result": choice(label)})

    def confirm(self, task_id: int) -> None:
        """What an expert does who presses Update with the same label."""
        self.studio.update_annotation(self.annotation(task_id)["id"])

    def suspects(self) -> set[int]:
        """Tasks in the tab of likely label errors."""
        return {task.id for task in self.studio.tasks_with(self.project.id, "labelloop_suspect", "true")}

    def outcomes(self) -> dict[int, FlagOutcome]:
        """What became of each task's last flag."""
        return {flag.task_id: flag.outcome for flag in self.services.database.flags.all(self.project.id)}

    def writes(self) -> list[int]:
        """Tasks whose data was written, in order."""
        return [task_id for method, task_id in self.studio.changes if method == "replace_data"]


def labeled_case(services: Services, tasks: int = 120, **data: Any) -> Case:
    """A project whose tasks all carry the label `Billing`, with texts that are nothing like each other."""
    words = random.Random(5)
    project = add_project(services)
    items = [
        {
            "data": {"text": " ".join("".join(words.choices("abcdefghij", k=6)) for _ in range(8)), **data},
            "annotations": [{"result": choice("Billing")}],
        }
        for _ in range(tasks)
    ]
    services.studio.import_tasks(project.id, items)
    services.studio.changes.clear()
    return Case(services, project, services.studio)


def rows_of(snapshot: Snapshot, held_out: bool) -> list[Row]:
    return [
        row for split in Split if split.is_held_out is held_out for row in SnapshotFolder(snapshot.path).rows(split)
    ]


def suspects_in(snapshot: Snapshot, train: int, held_out: int = 0) -> list[int]:
    """Task ids of the first rows."""
    found = rows_of(snapshot, held_out=False)[:train] + rows_of(snapshot, held_out=True)[:held_out]
    return [row.task_id for row in found]


def audit_of(
    snapshot: Snapshot,
    suspects: Sequence[int],
    *,
    kinds: Mapping[int, IssueKind] | None = None,
    disagreements: Sequence[Disagreement] = (),
    qualities: Mapping[int, float] | None = None,
) -> Audit:
    """An audit that suspects these tasks of being `Returns`, the first one most."""
    rows = {row.task_id: (row, split) for split in Split for row in SnapshotFolder(snapshot.path).rows(split)}
    issues = []
    for position, task_id in enumerate(suspects):
        row, split = rows[task_id]
        issues.append(
            Issue(
                task_id=task_id,
                row_id=row.id,
                split=split,
                kind=(kinds or {}).get(task_id, IssueKind.LABEL_ERROR),
                quality=(qualities or {}).get(task_id, 0.01234567 * (position + 1)),
                given=row.targets[CONTROL],
                suggested=None if split.is_held_out else "Returns",
                control=CONTROL,
            )
        )
    return Audit(
        snapshot_id=snapshot.id,
        rows=len(rows),
        seconds=1.0,
        probabilities_from="frozen base",
        controls=(
            ControlQuality(
                CONTROL, dict.fromkeys(rows, 0.9) | {issue.task_id: issue.quality for issue in issues}, health=0.9
            ),
        ),
        issues=issues,
        disagreements=disagreements,
    )


def push(case: Case, snapshot: Snapshot, audit: Audit) -> PushedFlags:
    """The push, after forgetting what was written before."""
    case.studio.changes.clear()
    return push_audit(case.services, case.project, audit, snapshot)


def suspect(case: Case, snapshot: Snapshot, tasks: Sequence[int], **how: Any) -> PushedFlags:
    """Push an audit that suspects these tasks."""
    return push(case, snapshot, audit_of(snapshot, tasks, **how))


def suspect_first(case: Case, train: int = 1, held_out: int = 0) -> tuple[Snapshot, list[int]]:
    """A snapshot, and tasks of its first rows that are pushed as suspects."""
    snapshot = case.snapshot()
    tasks = suspects_in(snapshot, train, held_out)
    suspect(case, snapshot, tasks)
    return snapshot, tasks


def put_flag(services: Services, **how: Any) -> None:
    """Put a flag of task 1 of project 1, with what differs from a suspected train row."""
    values: dict[str, Any] = {
        "project_id": 1,
        "task_id": 1,
        "kind": IssueKind.LABEL_ERROR,
        "given": "Billing",
        "suggested": None,
        "quality": 0.1,
        "is_held_out": False,
        "is_decoy": False,
        "snapshot_id": "00ff",
        "probabilities_from": "frozen base",
        "labeled_at": "",
        "flagged_at": services.clock(),
    }
    services.database.flags.put(Flag(**values | how))


def run_audit(services: Services, **request: Any) -> Job:
    """The job of an audit of project 1, at its end."""
    job, _ = AuditJob(trigger="command", **request).request(services, 1, claim=True)
    run_job(services, job.id)
    return services.database.jobs.get(job.id)


def training_context(services: Services, folder: Path) -> JobContext:
    """The job's context of a training that is under way."""
    job, _ = services.database.jobs.request("train", 0, {}, dedupe_key="t", claim=True)
    return JobContext(services.database, job, folder)

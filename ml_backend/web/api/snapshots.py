"""Snapshots of a project: what is in them, what was made of them, how two differ, and their rows as a file."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, Literal

from flask import Response, send_file, url_for
from pydantic import BaseModel, Field

from ...domain.access import Role
from ...domain.snapshot import Split
from ...workflows.exporting.archives import archive_path, export_archive, export_choices
from ...workflows.exporting.snapshots import stored_snapshot
from ...workflows.jobs.kinds.export import ExportJob
from ...workflows.viewing.differences import snapshot_difference
from ...workflows.viewing.snapshots import project_snapshot, snapshot_page
from ..call import Call
from .base import Endpoint
from .jobs import StartedJob
from .projects import PROJECT, LogEntry

__all__ = ["CompareSnapshots", "ExportSnapshot", "OneSnapshot", "SomeSnapshots"]

ID = "^[0-9a-f]{8,64}$"
MOST_EXPORTED_ROWS = 20_000
"""Rows that are written while somebody waits, which takes seconds; a job writes more."""


class SnapshotSummary(BaseModel):
    """A snapshot as lists show it."""

    id: str
    is_here: bool = Field(description="Its files are on this machine; what follows is empty otherwise.")
    read_at: datetime = Field(description="When the reading of its rows began.")
    made_at: datetime | None = None
    counts: Mapping[str, int] = Field({}, description="Rows per split, and what is unresolved and dropped.")
    parent: str | None = None
    review_rule: str = ""
    fingerprint: str = Field("", description="Of its label config.")
    is_present_config: bool = False
    versions: list[str] = Field(description="Those that were trained on it.")

    @property
    def rows(self) -> int:
        """How many rows all splits have."""
        return sum(self.counts.get(split.value, 0) for split in Split)


class LabelCounts(BaseModel):
    """Rows that hold a label, per split."""

    control: str
    label: str
    train: int
    validation: int
    test: int


class TrainedVersion(BaseModel):
    """A version that was trained on a snapshot, and what became of it."""

    version: str
    method: str
    made_at: datetime
    is_champion: bool
    macro_f1: float | None
    job_id: int | None = Field(description="The training, as far as it is among the newest jobs.")
    log: list[LogEntry]


class ExportChoice(BaseModel):
    """A form in which a snapshot can be had."""

    format: str
    control: str = Field(description="Whose answers it carries; empty: all.")
    description: str
    limits: str
    ready_bytes: int | None = Field(description="Size of the archive where a job has written it.")


class SnapshotDetails(SnapshotSummary):
    """A snapshot with all that is known of it."""

    split: str = ""
    split_rule: str = ""
    seed: int = 0
    fields: list[str] = Field([], description="Fields of a task that are read; empty: the first served control's text.")
    warnings: list[str] = []
    labels: list[LabelCounts] = []
    left_out: list[str] = Field([], description="Tasks and answers that were left out or repaired, by reason.")
    trained: list[TrainedVersion]
    exports: list[ExportChoice] = []


class SnapshotList(BaseModel):
    """Some snapshots, and how many there are."""

    snapshots: list[SnapshotSummary]
    count: int
    page: int
    pages: int


class SnapshotFilter(BaseModel, extra="forbid"):
    """Which page of snapshots."""

    page: int = Field(1, ge=1, le=100_000)
    size: int = Field(20, ge=1, le=100)


class SnapshotId(BaseModel, extra="forbid"):
    """A snapshot of the project."""

    id: str = Field(pattern=ID)


class TwoSnapshots(BaseModel, extra="forbid"):
    """Two snapshots, and which differences to show."""

    old: str = Field(pattern=ID)
    new: str = Field(pattern=ID)
    kind: Literal["", "relabeled", "added", "removed", "reworded", "moved"] = ""
    page: int = Field(1, ge=1, le=100_000)
    size: int = Field(20, ge=1, le=100)


class LabelChange(BaseModel):
    """How many rows hold a label, before and after."""

    control: str
    label: str
    before: int
    after: int


class ControlChange(BaseModel):
    """An answer before and after, in words; null where there is none."""

    control: str
    before: str | None
    after: str | None


class RowChange(BaseModel):
    """A row that differs."""

    kind: str
    task_id: int
    text: Mapping[str, str]
    text_before: Mapping[str, str] | None = None
    split: str
    split_before: str
    controls: list[ControlChange]


class SnapshotDifference(BaseModel):
    """How a snapshot differs from an earlier one."""

    counts: Mapping[str, int] = Field(description="Rows per kind of difference, and those that are the same.")
    labels: list[LabelChange]
    found: int
    rows: list[RowChange]
    page: int
    pages: int


class WantedExport(BaseModel, extra="forbid"):
    """A snapshot, and the form in which it is wanted."""

    id: str = Field(pattern=ID)
    format: str = Field(max_length=64)
    control: str = Field("", max_length=1000)


class SomeSnapshots(Endpoint):
    """List the snapshots of a project, the newest first."""

    name = "snapshots"
    path = f"/projects/{PROJECT}/data"

    def answer(self, call: Call, asked: SnapshotFilter) -> SnapshotList:
        project = call.services.database.projects.get(call.ids["project_id"])
        start = (asked.page - 1) * asked.size
        found, count = snapshot_page(call.services, project, start=start, count=asked.size)
        pages = max(-(-count // asked.size), 1)
        return SnapshotList(
            snapshots=[SnapshotSummary(**each) for each in found], count=count, page=asked.page, pages=pages
        )


class OneSnapshot(Endpoint):
    """Show a snapshot: its rows per label and split, what was left out, and the versions that learned from it."""

    name = "snapshot"
    path = f"/projects/{PROJECT}/data/snapshot"

    def answer(self, call: Call, asked: SnapshotId) -> SnapshotDetails:
        services = call.services
        project = services.database.projects.get(call.ids["project_id"])
        found = project_snapshot(services, project, asked.id)
        exports: list[ExportChoice] = []
        if found["is_here"]:
            snapshot = stored_snapshot(services, project, asked.id)
            for each in export_choices(snapshot):
                path = archive_path(services, project, snapshot, each["format"], each["control"])
                exports.append(ExportChoice(**each, ready_bytes=path.stat().st_size if path.is_file() else None))
        return SnapshotDetails(**found, exports=exports)


class CompareSnapshots(Endpoint):
    """Compare two snapshots of a project, row by row."""

    name = "compare_snapshots"
    path = f"/projects/{PROJECT}/data/difference"

    def answer(self, call: Call, asked: TwoSnapshots) -> SnapshotDifference:
        project = call.services.database.projects.get(call.ids["project_id"])
        found = snapshot_difference(
            call.services,
            project,
            asked.old,
            asked.new,
            kind=asked.kind,
            start=(asked.page - 1) * asked.size,
            count=asked.size,
        )
        return SnapshotDifference(**found, page=asked.page, pages=max(-(-found["found"] // asked.size), 1))


class ExportSnapshot(Endpoint):
    """Hand out the rows of a snapshot in an export format, as a ZIP archive.

    Of more than 20,000 rows a job writes the archive first; the answer is then the job, and the archive itself once the
    job has succeeded.
    """

    name = "export_snapshot"
    path = f"/projects/{PROJECT}/data/export"
    method = "POST"
    role = Role.ANALYST
    subject = "project {project_id}, snapshot {id} as {format} {control}"
    words = "Download"
    media_type: ClassVar[str] = "application/zip"

    def answer(self, call: Call, asked: WantedExport) -> Response | StartedJob:
        services = call.services
        project = services.database.projects.get(call.ids["project_id"])
        snapshot = stored_snapshot(services, project, asked.id)
        path = archive_path(services, project, snapshot, asked.format, asked.control)
        if path.is_file():
            return send_file(path, as_attachment=True, download_name=path.name)
        if sum(snapshot.manifest.counts.get(split.value, 0) for split in Split) > MOST_EXPORTED_ROWS:
            wanted = ExportJob(
                trigger="page",
                actor=call.visitor.name,
                snapshot_id=asked.id,
                format_name=asked.format,
                control=asked.control,
            )
            job, is_new = wanted.request(services, project.id)
            return StartedJob(job=job.id, state=job.state, is_new=is_new)
        path.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=path.parent) as folder:
            file = Path(folder) / path.name
            export_archive(snapshot, asked.format, asked.control, file)
            # The open file outlives its name, and is gone once it has been sent.
            return send_file(file.open("rb"), self.media_type, as_attachment=True, download_name=path.name)

    def sentence(self, answer: Any) -> str:
        if isinstance(answer, StartedJob):
            return f"Job {answer.job} writes the archive; once it has succeeded, Download hands it out."
        return "The archive was handed out."

    def next_path(self, answer: StartedJob) -> str:
        return url_for("pages.job", job_id=answer.job)

"""Reviewed tasks into snapshots, from Label Studio or from one of its export files."""

from collections.abc import Iterable
from pathlib import Path

from ..domain.annotation import Task
from ..domain.event import AnnotationEvent
from ..domain.label_config import LabelConfig
from ..domain.project import Project
from ..domain.snapshot import ProjectRef, Snapshot, SplitFractions
from ..errors import SnapshotError
from ..labelstudio.export_file import read_export
from ..labelstudio.label_config_xml import parse_label_config
from ..snapshots.build import BuildSettings, BuiltRows, History, build_rows
from ..snapshots.review import ReviewRule
from ..snapshots.store import write_snapshot
from ..tasks import serving_plan
from .services import Services
from .setup import remember_project, slug_of

__all__ = ["build_from_file", "export_file", "export_project", "file_project"]


def export_project(services: Services, project: Project, out: Path | None = None) -> Snapshot:
    """A snapshot of a project's reviewed tasks as Label Studio holds them now.

    Args:
        out: folder for the snapshot; None: the home folder's.

    Raises:
        StudioError: Label Studio cannot be read.
        SnapshotError: not one task is reviewed.
    """
    info = services.studio.project(project.id)
    project = remember_project(services, project.id, info.label_config, title=info.title)
    # Taken first: a label that arrives while tasks are read counts as new next time, rather than never.
    last_event_id = services.database.events.last_id(project.id)
    history = services.database.events.history(project.id)
    config = parse_label_config(info.label_config)
    built = _build(services, services.studio.reviewed_tasks(project.id), config, project.split, history.get)
    if not any(built.splits.values()):
        raise SnapshotError(
            f"project {project.id} has no reviewed task that gives a row ({_why_empty(built)}); "
            f"review rule: {services.options.review_rule}"
        )
    previous = services.database.snapshots.last(project.id)
    snapshot = _write(services, built, project.ref, config, project.split, out, previous.id if previous else None)
    services.database.snapshots.add(project.id, snapshot.id, last_event_id)
    return snapshot


def export_file(
    services: Services, export: Path, label_config: str, split: SplitFractions, out: Path | None = None
) -> Snapshot:
    """A snapshot of a JSON export of Label Studio. No server is asked.

    Raises:
        StudioExportError: the file is not such an export.
        SnapshotError: not one task in it is reviewed.
    """
    config = parse_label_config(label_config)
    built = build_from_file(services, export, config, split)
    if not any(built.splits.values()):
        raise SnapshotError(
            f"{export} has no reviewed task that gives a row ({_why_empty(built)}); "
            f"review rule: {services.options.review_rule}"
        )
    return _write(services, built, file_project(export), config, split, out, None)


def file_project(export: Path) -> ProjectRef:
    """The name under which rows of a file are kept."""
    return ProjectRef(0, slug_of(export.stem))


def build_from_file(services: Services, export: Path, config: LabelConfig, split: SplitFractions) -> BuiltRows:
    """The rows of an export file, not written anywhere."""
    return _build(services, read_export(export), config, split, _unseen)


def _unseen(_annotation_id: int) -> AnnotationEvent | None:
    return None


def _build(
    services: Services, tasks: Iterable[Task], config: LabelConfig, split: SplitFractions, history: History
) -> BuiltRows:
    settings = BuildSettings(
        split=split,
        review_rule=ReviewRule.parse(services.options.review_rule),
        trust_ground_truth=services.options.trust_ground_truth,
    )
    return build_rows(tasks, serving_plan(config), settings, history)


def _why_empty(built: BuiltRows) -> str:
    reasons = [f"{count} {reason.replace('_', ' ')}" for reason, count in built.dropped_counts.items()]
    reasons += [f"{len(built.unresolved)} unresolved"] if built.unresolved else []
    reasons += [f"{built.not_reviewed} not reviewed"] if built.not_reviewed else []
    return ", ".join(reasons) or "no annotated task at all"

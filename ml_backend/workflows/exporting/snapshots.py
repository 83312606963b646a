"""Reviewed tasks into snapshots, from Label Studio or from one of its export files."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from ...domain.annotation import Annotation, Task
from ...domain.event import AnnotationEvent
from ...domain.example import Row
from ...domain.label_config import LabelConfig
from ...domain.project import Project
from ...domain.reasons import UNREVIEWED, Reason, ReasonCount, ReasonCounts
from ...domain.snapshot import ProjectRef, Snapshot, SplitFractions, split_of
from ...errors import SnapshotError
from ...labelstudio.export_file import read_export
from ...labelstudio.file_notes import FileNotes
from ...labelstudio.file_text import name_without_gz
from ...labelstudio.flat_export import read_flat_export
from ...labelstudio.flat_records import is_flat_export
from ...labelstudio.plans import plan_of
from ...snapshots.believe import believed
from ...snapshots.build import BuiltRows, build_rows
from ...snapshots.review import ReviewRule
from ...snapshots.reviewed import BuildSettings, History, RowChange, reviewed_rows
from ...snapshots.store import MANIFEST, read_manifest, write_snapshot
from ...tasks import ServingPlan
from ..connecting.config_history import control_absences
from ..connecting.projects import remember_project, slug_of
from ..services import Services

__all__ = [
    "build_settings",
    "event_history",
    "export_file",
    "export_project",
    "newest_snapshot",
    "no_row_error",
    "row_change",
    "rows_of_file",
    "stored_snapshot",
    "studio_tasks",
    "unseen",
]


def export_project(
    services: Services, project: Project, out: Path | None = None, *, is_for_training: bool = True
) -> Snapshot:
    """A snapshot of a project's reviewed tasks as Label Studio holds them now.

    Args:
        out: the snapshot's folder; None: one below the home folder, which then counts as the project's newest.
        is_for_training: False: it does not count as the newest, so that its labels still count as new to training.

    Raises:
        StudioError: Label Studio cannot be read.
        SnapshotError: not one task is reviewed.
        HookError: a hook failed with a row.
    """
    info = services.studio.project(project.id)
    project = remember_project(services, project.id, info.label_config, title=info.title)
    # Taken first: a label that arrives while tasks are read counts as new next time, rather than never.
    last_event_id, read_at = services.database.events.last_id(project.id), services.clock()
    plan = plan_of(info.label_config)
    history = event_history(services, project, plan)
    settings = build_settings(services, project.split, project)
    tasks = services.studio.reviewed_tasks(project.id)
    built = build_rows(tasks, plan, settings, history, row_change(services, plan))
    if not any(built.splits.values()):
        raise no_row_error(services, f"project {project.id}", built.reasons)
    previous = services.database.snapshots.last(project.id)
    snapshot = _written(
        services,
        built,
        out,
        project=project.ref,
        config=plan.config,
        settings=settings,
        parent=previous.id if previous else None,
    )
    if out is None and is_for_training:
        services.database.snapshots.add(project.id, snapshot.id, last_event_id, read_at)
    return snapshot


def newest_snapshot(services: Services, project: Project) -> Snapshot:
    """The project's newest snapshot.

    Raises:
        SnapshotError: there is none.
    """
    last = services.database.snapshots.last(project.id)
    if last is None:
        raise SnapshotError(
            f"project {project.id} has no snapshot yet; train once: `labelloop train --project {project.id}`"
        )
    return stored_snapshot(services, project, last.id)


def stored_snapshot(services: Services, project: Project, snapshot_id: str) -> Snapshot:
    """One of the project's snapshots below the home folder.

    Raises:
        SnapshotError: it is not there, or damaged.
    """
    path = services.options.snapshots_folder / project.ref.key / snapshot_id
    return Snapshot(path, read_manifest(path))


def export_file(
    services: Services, export: Path, label_config: str, split: SplitFractions, out: Path | None = None
) -> Snapshot:
    """A snapshot of an export of Label Studio. No server is asked.

    Raises:
        StudioExportError: the file is not such an export.
        SnapshotError: not one task in it is reviewed.
        HookError: a hook failed with a row.
    """
    plan = plan_of(label_config)
    settings = build_settings(services, split)
    notes = FileNotes()
    built = build_rows(studio_tasks(export, plan.config, notes), plan, settings, unseen, row_change(services, plan))
    if not any(built.splits.values()):
        raise no_row_error(services, str(export), built.reasons, notes.sentences)
    built = replace(built, warnings=(*built.warnings, *notes.about_values))
    project = ProjectRef(0, slug_of(name_without_gz(export).stem))
    return _written(services, built, out, project=project, config=plan.config, settings=settings, parent=None)


def rows_of_file(
    services: Services, export: Path, plan: ServingPlan, reasons: ReasonCounts, notes: FileNotes
) -> Iterator[Row]:
    """Yield every reviewed row of an export file, after the hooks, without a split and without writing it anywhere.

    Args:
        reasons: counts what is left out while rows pass.
        notes: as for `studio_tasks`.

    Raises:
        StudioExportError: the file is not such an export; raised when the reading gets there.
        HookError: a hook failed with a row; raised when the reading gets there.
    """
    tasks, settings = studio_tasks(export, plan.config, notes), build_settings(services, SplitFractions(1, 0, 0))
    return reviewed_rows(tasks, plan, settings, unseen, reasons=reasons, change=row_change(services, plan))


def studio_tasks(export: Path, config: LabelConfig, notes: FileNotes | None = None) -> Iterator[Task]:
    """Yield every task of a Label Studio export (JSON, JSON_MIN, CSV or TSV), in constant memory.

    Args:
        notes: counts the values that had to be changed or left out.

    Raises:
        StudioExportError: the file is not such an export; raised when the reading gets there.
    """
    is_flat = is_flat_export(export)
    yield from read_flat_export(export, config, notes) if is_flat else read_export(export, notes)


def row_change(services: Services, plan: ServingPlan) -> RowChange:
    """What hooks do to rows."""
    labels = {served.name: frozenset(served.control.label_values) for served in plan.controls}
    return partial(services.hooks.change_rows, labels=labels)


def event_history(services: Services, project: Project, plan: ServingPlan) -> History:
    """Return a function that gives the events about an annotation, merged, as far as Label Studio confirms them."""
    told = services.database.events.by_annotation(project.id)

    def history(task: Task, annotation: Annotation) -> AnnotationEvent | None:
        is_held_out = split_of(plan.text(task.data), project.split).is_held_out
        return believed(told.get(annotation.id, ()), task, annotation, is_held_out=is_held_out)

    return history


def unseen(_task: Task, _annotation: Annotation) -> AnnotationEvent | None:
    """The history of annotations that labelloop did not see being made."""
    return None


def build_settings(services: Services, split: SplitFractions, project: Project | None = None) -> BuildSettings:
    """What decides on rows, by the settings; and by the project's history, where the rows are one's."""
    return BuildSettings(
        split=split,
        review_rule=ReviewRule.parse(services.options.labels.review_rule),
        trust_ground_truth=services.options.labels.trust_ground_truth,
        absences=control_absences(services, project) if project else {},
    )


def no_row_error(
    services: Services, source: str, reasons: Iterable[ReasonCount], notes: Iterable[str] = ()
) -> SnapshotError:
    """Make the error for a source of tasks without a row; it names all that was left out, and the notes on a file."""
    reasons = tuple(reasons)
    unresolved = sum(each.count for each in reasons if not each.control and each.reason is Reason.UNRESOLVED)
    not_reviewed = sum(each.count for each in reasons if each.reason in UNREVIEWED)
    found = "; ".join([*map(str, reasons), *notes]) or "no annotated task at all"
    return SnapshotError(
        f"{source} holds no reviewed task that gives a row ({unresolved} unresolved, {not_reviewed} not reviewed): "
        f"{found}; wanted at least one, by the review rule {services.options.labels.review_rule!r}"
    )


def _written(
    services: Services,
    built: BuiltRows,
    out: Path | None,
    *,
    project: ProjectRef,
    config: LabelConfig,
    settings: BuildSettings,
    parent: str | None,
) -> Snapshot:
    write = partial(
        write_snapshot,
        built=built,
        project=project,
        config=config,
        settings=settings,
        seed=services.options.seed,
        parent=parent,
        created_at=services.clock(),
    )
    if out is None:
        snapshot = write(services.options.snapshots_folder)
    else:
        out = out.resolve()
        out.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".labelloop-", dir=out.parent) as folder:
            snapshot = _moved(write(Path(folder)), out)
    services.hooks.snapshot_written(snapshot)
    return snapshot


def _moved(snapshot: Snapshot, out: Path) -> Snapshot:
    """The snapshot at the folder that the caller named, which must be free, or hold the same one."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        if (out / MANIFEST).exists() and read_manifest(out).id == snapshot.id:
            return Snapshot(out, replace(read_manifest(out), reasons=snapshot.manifest.reasons))
        raise SnapshotError(f"{out} holds something else already; choose a folder that is empty or not there yet")
    snapshot.path.rename(out)
    return replace(snapshot, path=out)

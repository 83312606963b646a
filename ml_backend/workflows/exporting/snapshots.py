"""Turn reviewed tasks into snapshots, from Label Studio or from one of its export files."""

from dataclasses import replace
from pathlib import Path

from ...atomic_files import take_place, unfinished_folder
from ...domain.project import Project
from ...domain.snapshot import ProjectRef, Snapshot, SplitFractions
from ...errors import SnapshotError, SnapshotNotFound, StateError
from ...labelstudio.files.notes import FileNotes
from ...labelstudio.files.text import name_without_gz
from ...snapshots.build import BuiltRows
from ...snapshots.reviewed import BuildSettings
from ...snapshots.store import SnapshotFolder, write_snapshot
from ..connecting.projects import project_as_it_is, slug_of
from ..services import Services
from .row_source import RowSource, plan_of_file

__all__ = ["export_file", "export_project", "newest_snapshot", "stored_snapshot"]


def export_project(
    services: Services,
    project: Project,
    out: Path | None = None,
    *,
    is_for_training: bool = True,
    may_be_empty: bool = False,
) -> Snapshot:
    """Write a snapshot of a project's reviewed tasks as Label Studio holds them now.

    Args:
        out: the snapshot's folder; None: one below the home folder, which then counts as the project's newest.
        is_for_training: False: it does not count as the newest, so that its labels still count as new to training.
        may_be_empty: a snapshot without a row says that people have said nothing yet.

    Raises:
        StudioError: Label Studio cannot be read.
        SnapshotError: not one task is reviewed, and it may not be empty.
        HookError: a hook failed with a row.
        StateError: the snapshot cannot be kept in the place that machines share; it may pass.
    """
    project = project_as_it_is(services, project)
    # Taken first: a label that arrives while tasks are read counts as new next time, rather than never.
    last_event_id, read_at = services.database.events.last_id(project.id), services.clock()
    source = RowSource.of_project(services, project)
    settings = source.settings(project.split)
    built = source.build(settings)
    if not any(built.splits.values()) and not may_be_empty:
        raise source.no_row_error(built.reasons)
    previous = services.database.snapshots.last(project.id)
    parent = previous.id if previous else None
    snapshot = _written(source, built, settings, project.ref, parent=parent, out=out)
    if out is None:
        services.shared.keep(_shared_name(project, snapshot.id), snapshot.path)
    if out is None and is_for_training:
        services.database.snapshots.add(project.id, snapshot.id, last_event_id, read_at)
    return snapshot


def newest_snapshot(services: Services, project: Project) -> Snapshot:
    """Return the project's newest snapshot.

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
    """Return one of the project's snapshots, from below the home folder or the place that machines share.

    Raises:
        SnapshotNotFound: it is in neither.
        SnapshotError: it is damaged; or that place cannot be read, which may pass.
    """
    path = services.options.snapshots_folder / project.ref.key / snapshot_id
    if not path.is_dir():
        try:
            found = services.shared.find(_shared_name(project, snapshot_id))
        except StateError as error:
            raise SnapshotError(str(error), is_passing=error.is_passing) from error
        if found is None:
            raise SnapshotNotFound(
                f"the files of snapshot {snapshot_id} of project {project.id} are not on this machine; they lie below "
                f"the home folder of the worker that made it, in snapshots/{project.ref.key}"
            )
        path = found
    return Snapshot(path, SnapshotFolder(path).manifest())


def _shared_name(project: Project, snapshot_id: str) -> str:
    return f"snapshots/{project.ref.key}/{snapshot_id}"


def export_file(
    services: Services, export: Path, label_config: str, split: SplitFractions, out: Path | None = None
) -> Snapshot:
    """Write a snapshot of an export of Label Studio. No server is asked.

    Raises:
        StudioExportError: the file is not such an export.
        SnapshotError: not one task in it is reviewed.
        HookError: a hook failed with a row.
    """
    notes = FileNotes()
    plan, unread = plan_of_file(services, export, label_config)
    source = RowSource.of_file(services, export, plan, notes, split)
    settings = source.settings(split)
    built = source.build(settings)
    if not any(built.splits.values()):
        raise source.no_row_error(built.reasons, notes.sentences)
    built = replace(built, warnings=(*built.warnings, *unread, *notes.about_values))
    return _written(source, built, settings, ProjectRef(0, slug_of(name_without_gz(export).stem)), out=out)


def _written(
    source: RowSource,
    built: BuiltRows,
    settings: BuildSettings,
    project: ProjectRef,
    *,
    parent: str | None = None,
    out: Path | None,
) -> Snapshot:
    services = source.services

    def write(folder: Path) -> Snapshot:
        return write_snapshot(
            folder,
            built,
            project=project,
            config=source.plan.config,
            fields=source.plan.fixed_fields,
            settings=settings,
            seed=services.options.seed,
            parent=parent,
            created_at=services.clock(),
        )

    if out is None:
        snapshot = write(services.options.snapshots_folder)
    else:
        out = out.resolve()
        with unfinished_folder(out.parent) as folder:
            snapshot = _moved(write(folder), out)
    services.hooks.snapshot_written(snapshot)
    return snapshot


def _moved(snapshot: Snapshot, out: Path) -> Snapshot:
    """Return the snapshot at the folder that the caller named, which must be free, or hold the same one."""
    if take_place(snapshot.path, out):
        return replace(snapshot, path=out)
    if (out / SnapshotFolder.MANIFEST).exists() and SnapshotFolder(out).manifest().id == snapshot.id:
        return Snapshot(out, replace(SnapshotFolder(out).manifest(), reasons=snapshot.manifest.reasons))
    raise SnapshotError(f"{out} holds something else already; choose a folder that is empty or not there yet")

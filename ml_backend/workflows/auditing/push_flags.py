"""Showing an audit's findings to the people who can settle them: marks in their tasks, and tabs in Label Studio."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ...domain.example import Target
from ...domain.progress import Progress, ProgressCallback
from ...domain.project import Project
from ...domain.quality import Audit
from ...domain.snapshot import Snapshot, Split
from ...errors import StudioError
from ...labelstudio.plans import plan_of
from ...labelstudio.quality_fields import (
    QualityField,
    ReviewTab,
)
from ...quality.flagging import choose_flags
from ...quality.precision import measured_precision
from ...snapshots.store import SnapshotFolder
from ..services import Services
from .decisions import first_control, flags_of, learn_decisions
from .marks import Marker

__all__ = ["PushedFlags", "push_audit"]

STAGE = "pushing"


@dataclass(frozen=True, slots=True)
class PushedFlags:
    """The outcome of a push.

    Attributes:
        written: tasks that were marked, or whose mark was brought up to date.
        cleared: tasks whose mark was taken away.
        unchanged: tasks whose mark was right already.
        decided: flags that people had settled since the push before.
        tabs: address in Label Studio by title.
    """

    written: int = 0
    cleared: int = 0
    unchanged: int = 0
    decided: int = 0
    tabs: Mapping[str, str] = field(default_factory=dict)


def push_audit(
    services: Services,
    project: Project,
    audit: Audit,
    snapshot: Snapshot,
    report: ProgressCallback = Progress.ignore,
) -> PushedFlags:
    """Mark the most suspicious tasks and those that annotators disagree about, clear all others, and see to the tabs.

    Safe to repeat: a second push of the same audit changes nothing, and one that was killed is resumed.

    Args:
        snapshot: the one that was audited.

    Raises:
        StudioError: Label Studio did not answer or refused, or the label config uses a name of labelloop's fields.
    """
    _check_names(project)

    def report_waiting() -> None:
        report(Progress(0.0, STAGE, "another process is pushing"))

    with services.database.locks.held(f"review-{project.id}", report_waiting):
        return _push(services, project, audit, snapshot, report)


def _check_names(project: Project) -> None:
    used = {key for control in plan_of(project.label_config).config.controls for key in control.object.keys}
    if taken := [name for name in QualityField if name in used]:
        raise StudioError(
            f"the label config of project {project.id} shows {', '.join(taken)}, where labelloop would write what it "
            "finds; rename that field in the tasks and in the label config, then push again"
        )


def _push(
    services: Services, project: Project, audit: Audit, snapshot: Snapshot, report: ProgressCallback
) -> PushedFlags:
    report(Progress(0.0, STAGE, "reading what people decided"))
    decided = learn_decisions(services, project)
    history = flags_of(services, project.id, first_control(plan_of(project.label_config)))
    at_most = services.options.feedback.push_flags_at_most
    precision = measured_precision(history, floor=services.options.feedback.flag_precision_floor)
    labeled, held_out = _labeled(snapshot)
    chosen = choose_flags(
        audit,
        labeled,
        held_out,
        history,
        at_most=at_most,
        silenced={row.kind for row in precision if row.is_silenced and row.kind is not None},
    )
    marker = Marker(services, project, audit)
    marker.want(chosen, [each for each in audit.disagreements if not each.is_settled][:at_most])
    marker.write(report)
    return PushedFlags(marker.written, marker.cleared, marker.unchanged, decided, _tabs(services, project))


def _labeled(snapshot: Snapshot) -> tuple[dict[int, Mapping[str, Target]], set[int]]:
    """Return the answers of the snapshot's tasks by task and control, and which tasks are held out."""
    rows = [(split, row) for split in Split for row in SnapshotFolder(snapshot.path).rows(split) if row.targets]
    return {row.task_id: row.targets for _, row in rows}, {row.task_id for split, row in rows if split.is_held_out}


def _tabs(services: Services, project: Project) -> dict[str, str]:
    """Return addresses of the tabs. What people changed about a tab is left alone, except what it lists and how."""
    studio = services.studio
    views, columns = studio.views(project.id), studio.columns(project.id)
    if not views:
        studio.create_view(project.id, ReviewTab.default_view(columns))
    known = {(view["data"] or {}).get("title"): view for view in views}
    text_field = plan_of(project.label_config).object.keys[0]
    addresses = {}
    for tab in ReviewTab:
        wanted = tab.view(text_field, columns)
        view = known.get(tab.value)
        if view is None:
            view = studio.create_view(project.id, wanted)
        elif any(view["data"].get(key) != wanted[key] for key in ("filters", "ordering")):
            fresh = {key: wanted[key] for key in ("filters", "ordering")}
            view = studio.update_view(project.id, view["id"], {**view["data"], **fresh})
        addresses[tab.value] = f"{studio.url}/projects/{project.id}/data?tab={view['id']}"
    return addresses

"""How good people's labels are: flags and whether they were right, disagreements, and what each annotator did."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from ...domain.example import Row, label_of, parts_of
from ...domain.field_texts import readable_text
from ...domain.flag import Flag
from ...domain.job import JobState
from ...domain.project import Project
from ...domain.readable import readable, readable_suggestion, shortened
from ...domain.row_json import target_from_json
from ...labelstudio.plans import plan_of
from ...measuring.intervals import exact_interval
from ...snapshots.store import SnapshotFolder
from ..auditing.audit import AuditFiles
from ..auditing.decisions import first_control, flags_of, precision_table
from ..reporting.files import ReportFiles
from ..services import Services
from ..stored_results import stored_result
from .people import newest_work, share_of

__all__ = ["annotator_figures", "disagreements", "flag_precision", "newest_audit", "review_tabs", "suspects"]

TEXT_CHARACTERS = 300
MOST_KEPT = 16
UNKNOWN = "nobody that events tell of"


def flag_precision(services: Services, project: Project) -> dict[str, list[dict[str, Any]]]:
    """Return how often flags were right, as far as people have decided, with exact 95% intervals.

    Returns:
        Lists `kinds`, `labels` (that people had given) and `annotators` (who had given them). Each entry has `name`,
        empty for the decoys, `open`, `decided`, `right`, and `share`, a list of low, middle (None before the first
        decision) and high. Decoys are among the kinds alone. A flag of several labels, or of a task with several
        annotators, counts for each.
    """
    flags = [flag for flag in flags_of(services, project.id, first_control(plan_of(project))) if not flag.is_decoy]
    people = services.database.events.annotators(project.id, {flag.task_id for flag in flags})
    kinds = [
        {
            "name": each.kind.value if each.kind else "",
            "open": each.open,
            "decided": each.decided,
            "right": each.changed_to_suggestion + each.changed,
            "share": [each.low, each.value, each.high],
            "is_silenced": each.is_silenced,
        }
        for each in precision_table(services, project)
    ]
    labels = _by(flags, lambda flag: sorted({label_of(part) for part in parts_of(flag.given)}))
    return {
        "kinds": kinds,
        "labels": labels,
        "annotators": _by(flags, lambda flag: people.get(flag.task_id, (UNKNOWN,))),
    }


def _by(flags: Iterable[Flag], names: Callable[[Flag], Iterable[str]]) -> list[dict[str, Any]]:
    groups: defaultdict[str, list[Flag]] = defaultdict(list)
    for flag in flags:
        for name in names(flag):
            groups[name].append(flag)
    found = []
    for name, own in groups.items():
        decided = [flag for flag in own if flag.outcome.is_decision]
        right = sum(flag.outcome.was_right for flag in decided)
        low, high = exact_interval(right, len(decided))
        found.append(
            {
                "name": name,
                "open": sum(flag.outcome.value == "open" for flag in own),
                "decided": len(decided),
                "right": right,
                "share": [low, right / len(decided) if decided else None, high],
            }
        )
    return sorted(found, key=lambda each: (-each["right"], -each["open"], each["name"]))


def suspects(services: Services, project: Project, start: int, count: int) -> tuple[list[dict[str, Any]], int]:
    """Return some of the tasks in the tab of likely label errors, the most suspicious first, and how many there are.

    Decoys are among them, and nothing tells them apart, as in the tab: whoever knew them would clean the held-out rows
    by a model's opinion.
    """
    plan = plan_of(project)
    control = first_control(plan)
    flags = sorted(services.database.flags.open(project.id), key=lambda flag: (flag.quality, flag.task_id))
    shown = [flag.about(control) for flag in flags[start : start + count]]
    texts = _texts(services, project, [flag.task_id for flag in shown])
    found = []
    for flag in shown:
        about = plan.about(flag.control, texts.get(flag.task_id, ""))
        found.append(
            {
                "flag": flag.id,
                "task_id": flag.task_id,
                "control": flag.control,
                "kind": flag.kind.value,
                "quality": flag.quality,
                "given": readable(flag.given, about),
                "suggested": readable_suggestion(flag.given, flag.suggested, about) if flag.suggested else "",
                "text": shortened(readable_text(texts.get(flag.task_id, "")), TEXT_CHARACTERS),
                "flagged_at": flag.flagged_at,
            }
        )
    return found, len(flags)


def newest_audit(services: Services, project: Project) -> dict[str, Any] | None:
    """Return the newest audit on this machine, as its JSON has it; None where there was none."""
    files = AuditFiles.latest(services, project)
    return stored_result(files.json) if files else None


def disagreements(
    services: Services, project: Project, audit: Mapping[str, Any], start: int, count: int
) -> tuple[list[dict[str, Any]], int]:
    """Return some of the tasks that annotators answered differently and that have no answer for it, and their number.

    Args:
        audit: that found them.
    """
    plan = plan_of(project)
    every = [each for each in audit["disagreements"] if not each["is_settled"]]
    shown = every[start : start + count]
    texts = _texts(services, project, [each["task_id"] for each in shown])
    found = []
    for each in shown:
        about = plan.about(each["control"], texts.get(each["task_id"], ""))
        consensus = each["consensus"]
        found.append(
            {
                "task_id": each["task_id"],
                "control": each["control"],
                "answers": [
                    {"answer": readable(target_from_json(one["answer"]), about), "annotators": one["annotators"]}
                    for one in each["answers"]
                ],
                "consensus": "" if consensus is None else readable(target_from_json(consensus), about),
                "text": shortened(readable_text(texts.get(each["task_id"], "")), TEXT_CHARACTERS),
            }
        )
    return found, len(every)


def annotator_figures(
    services: Services, project: Project, audit: Mapping[str, Any] | None
) -> tuple[list[dict[str, Any]], int]:
    """Return what each annotator did by the newest events, and how many older events are left out.

    Agreement with others comes from the newest report, and the quality of the answers from the audit; both are None
    where these do not tell.
    """
    people = newest_work(services, project)
    report = stored_result(ReportFiles.of(services, project.ref.key).json) or {}
    agreement = {
        each["annotator"]: share_of(round(each["agreement"] * each["shared"]), each["shared"])
        for each in report.get("annotators", ())
        if each.get("shared")
    }
    quality: dict[str, float] = {}
    for each in (audit or {}).get("annotators", ()):
        if each["quality"] is not None:  # of the control with the lowest one, where there are several
            quality[each["annotator"]] = min(each["quality"], quality.get(each["annotator"], 1.0))
    found = [
        {**each, "agreement": agreement.get(each["annotator"]), "quality": quality.get(each["annotator"])}
        for each in people["annotators"]
    ]
    return found, people["left_out_events"]


def review_tabs(services: Services, project: Project) -> Mapping[str, str]:
    """Return the addresses of the tabs that the last push of flags made in Label Studio, by their titles."""
    job = services.database.jobs.last("audit", project.id, JobState.SUCCEEDED)
    pushed = job.result.get("pushed") if job else None
    return dict(pushed["tabs"]) if pushed else {}


def _texts(services: Services, project: Project, task_ids: Sequence[int]) -> Mapping[int, str]:
    """Return the texts of labeled tasks by the newest snapshot; of those that it lacks, none."""
    last = services.database.snapshots.last(project.id)
    if last is None or not task_ids:
        return {}
    return _texts_in(services.options.snapshots_folder / project.ref.key / last.id, frozenset(task_ids))


@lru_cache(maxsize=MOST_KEPT)
def _texts_in(folder: Path, task_ids: Collection[int]) -> Mapping[int, str]:
    """Return texts in a snapshot, which never changes."""
    rows: Iterable[Row] = SnapshotFolder(folder).rows_of(task_ids)
    return {row.task_id: row.text for row in rows}

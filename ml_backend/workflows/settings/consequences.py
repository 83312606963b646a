"""Sentences on what changing a setting of a project will do: one function per setting, or else one per group.

They say what can be counted quickly in the database, and say so where something cannot.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

from ...domain.job import JobState
from ...domain.project import Project
from ...domain.readable import listed
from ...labelstudio.plans import plan_of
from ...options import Options, project_settings
from ...snapshots.review import ReviewRule
from ..jobs.kinds.train import TrainJob
from ..services import Services
from ..training.policy import new_labels

__all__ = ["consequences"]

JOBS_READ = 500
CHEAP_LIST = 1000
"""Tasks on the list of those to label next that Label Studio marks within some minutes."""

_Sentences = Callable[[Services, Project, Options, Options], list[str]]
"""Returns sentences for a project, by the options before and after."""


def consequences(services: Services, project: Project, name: str, after: Options) -> list[str]:
    """Return what changing a setting of a project will do, in sentences.

    Args:
        services: of the project.
        after: the options that the project would have.
    """
    group, _ = project_settings()[name]
    say = _BY_SETTING.get(name) or _BY_GROUP[group]
    return say(services, project, services.options, after)


def _base_model(services: Services, project: Project, before: Options, after: Options) -> list[str]:
    used = _trained_from(services, project, lambda params: str(params.get("base_model", "")))
    return [
        f"The next training starts from {after.models.base_model}; {_so_far(used)}.",
        (
            "Nothing is pre-labelled anew until a version of it has passed the gate. Audits, and lists of tasks to "
            "label next, compare texts by the new model from their next run on; the first computes all vectors anew."
        ),
        (
            f"Before the first version, pre-labels come from {before.models.base_model} until `labelloop serve` is "
            "started again."
        ),
        "It is not loaded now: a name that does not exist, or cannot be read, makes the next training fail.",
    ]


def _text_base_model(services: Services, project: Project, before: Options, after: Options) -> list[str]:
    del before
    if not plan_of(project).has_texts:
        return ["The project has no text area to write into, so this changes nothing in it for now."]
    used = _trained_from(services, project, lambda params: str(params.get("text_base_model", "")))
    chosen = after.models.text_base_model or "no model: nothing writes drafts before a version is trained"
    return [f"The next training of what writes starts from {chosen}; {_so_far(used)}."]


def _review_rule(services: Services, project: Project, before: Options, after: Options) -> list[str]:
    tasks = services.database.events.annotators_by_task(project.id)
    was, will = (_reviewed(tasks, options.labels.review_rule) for options in (before, after))
    fixed = "The next snapshot, and so the next training, goes by it; snapshots and versions that there are stay."
    if will is None:
        return ["How many tasks will count cannot be told before they are read for the next snapshot.", fixed]
    mode = str(ReviewRule.parse(after.labels.review_rule))
    most = "at most " if mode.startswith("agreement") else ""
    instead = "" if was is None else f" instead of {was:,}"
    unseen = "Labels that were imported into Label Studio, or made before it was connected, are not among these."
    return [f"Of {len(tasks):,} labeled tasks, {most}{will:,} will count as reviewed{instead}. {unseen}", fixed]


def _reviewed(tasks: list[tuple[int, bool]], rule: str) -> int | None:
    """Return how many tasks count as reviewed, an agreement's at most; None where events do not say."""
    parsed = ReviewRule.parse(rule)
    if parsed.control:
        return None
    if parsed.annotators:
        return sum(people >= parsed.annotators for people, _ in tasks)
    return sum(star for _, star in tasks) if rule.strip() == "ground_truth" else len(tasks)


def _split(services: Services, project: Project, before: Options, after: Options) -> list[str]:
    del before
    placed = sum(services.database.splits.counts(project.id).values())
    return [
        (
            f"No task is labeled yet, so {placed:,} texts are placed anew: by {after.labels.split} (train, validation, "
            "test), and by the fields that are read then."
        ),
        (
            "All stored pre-labels of this backend are deleted in Label Studio and made again by a job, so that "
            "held-out tasks have none. Once the first label is there, this cannot be changed any more."
        ),
    ]


def _retraining(services: Services, project: Project, before: Options, after: Options) -> list[str]:
    del before
    wanted, new = after.retraining.after, new_labels(services, project)
    if not wanted and not after.retraining.on_drift:
        return [f"No training starts by itself any more; {new:,} labels are new since the last snapshot."]
    if wanted and new >= wanted:
        pause = f"{after.retraining.debounce_s:g} s without a new label"
        return [
            (
                f"{new:,} labels are new, which is enough: a training starts by itself after {pause}, if the last one "
                f"ended at least {after.retraining.interval_s:g} s ago and Label Studio confirms the labels."
            )
        ]
    due = f"{wanted - new:,} more labels start a training by themselves." if wanted else "New labels start none."
    alarm = " The first label after an alarm that something has changed does as well." * after.retraining.on_drift
    return [f"{new:,} labels are new since the last snapshot; {due}{alarm}"]


def _snapshots(services: Services, project: Project, before: Options, after: Options) -> list[str]:
    del before, after
    last = services.database.snapshots.last(project.id)
    so_far = f"the newest snapshot, {last.id}, and what was made of it stay" if last else "there is none yet"
    return [f"It holds from the next snapshot on, and so for the next training; {so_far}."]


def _slices(services: Services, project: Project, before: Options, after: Options) -> list[str]:
    fields = listed(map(repr, after.labels.sliced_fields)) or "no field"
    return [
        (
            f"The next snapshot notes the values of {fields}, and gates compare versions by them from then on: one "
            "that is surely worse for a value is kept out. A misspelt field gives no slice, and nobody says so."
        ),
        *_snapshots(services, project, before, after)[:1],
    ]


def _labels_off(services: Services, project: Project, before: Options, after: Options) -> list[str]:
    del services, before
    known = {name for served in plan_of(project).controls for name in served.control.label_values}
    off = after.feedback.labels_off
    unknown = f" The project has no label {listed(map(repr, sorted(off - known)))}." if off - known else ""
    return [
        f"From now on, {len(off & known)} of {len(known)} labels are not shown as pre-labels.{unknown}",
        "Pre-labels that are stored in Label Studio stay until the next version is pushed.",
    ]


def _feedback(services: Services, project: Project, before: Options, after: Options) -> list[str]:
    del before, after
    flags = len(services.database.flags.open(project.id))
    return [f"It holds from now on, for what is written next; {flags:,} likely label errors are shown now and stay."]


def _selection(services: Services, project: Project, before: Options, after: Options) -> list[str]:
    del before
    now = len(services.database.selections.listed(project.id))
    long = after.selection.count > CHEAP_LIST
    cost = " Marking so many tasks takes Label Studio several minutes each time." if long else ""
    return [
        f"The next list of tasks to label next is chosen by it, with {after.selection.count:,} tasks.{cost}",
        f"{now:,} tasks are on the list now; it is chosen anew once two thirds of them are labeled, after a promotion, "
        "or by `labelloop select --push`."
        if now
        else "There is no list now; `labelloop select --push`, or the first promotion, makes one.",
    ]


def _sources(services: Services, project: Project, before: Options, after: Options) -> list[str]:
    del services, before
    said = "The next training goes by it; versions that there are stay."
    if not (folder := after.sources.folder):
        return [f"{said} No folder of label sources is set, so trainings learn from labels alone."]
    own = Path(folder) / project.ref.key
    place = own if own.is_dir() else Path(folder)
    there = "is there" if place.is_dir() else "is not there on this machine, and a training would fail"
    return [said, f"The folder {place} {there}. Python code in it runs with the rights of the worker."]


def _redaction(services: Services, project: Project, before: Options, after: Options) -> list[str]:
    kinds = after.redaction.redact
    masked = f"mask {kinds}" if kinds else "mask nothing, so that personal data is in them"
    return [f"Snapshots and exports {masked} from now on.", *_snapshots(services, project, before, after)]


def _costs(services: Services, project: Project, before: Options, after: Options) -> list[str]:
    del services, project, before, after
    return ["The next report of the project, and what is priced on its pages, goes by it; nothing else changes."]


def _trained_from(
    services: Services, project: Project, model_of: Callable[[Mapping[str, object]], str]
) -> Counter[str]:
    jobs = services.database.jobs.page(
        project_id=project.id, kind=TrainJob.name, state=JobState.SUCCEEDED, limit=JOBS_READ
    )
    return Counter(model_of(job.params) for job in jobs if "same_as" not in job.result)


def _so_far(used: Counter[str]) -> str:
    each = [f"{count:,} of {name or 'what the settings named'}" for name, count in used.most_common()]
    return f"versions so far: {listed(each)}" if each else "there is no version yet"


_BY_SETTING: Mapping[str, _Sentences] = {
    "base_model": _base_model,
    "text_base_model": _text_base_model,
    "review_rule": _review_rule,
    "split": _split,
    "ignored_fields": _split,
    "slice_fields": _slices,
    "prelabels_off": _labels_off,
}
_BY_GROUP: Mapping[str, _Sentences] = {
    "models": _base_model,
    "labels": _snapshots,
    "retraining": _retraining,
    "feedback": _feedback,
    "selection": _selection,
    "sources": _sources,
    "costs": _costs,
    "redaction": _redaction,
}

"""Checks of a project's loop: what serves, what annotators see of it, whether labels come back, and its tasks."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from ...domain.annotation import Annotation, Task
from ...domain.job import Job, JobState
from ...domain.model import ModelVersion
from ...domain.readable import listed
from ...domain.reasons import Reason
from ...labelstudio.plans import plan_of
from ...models.decoders.base import decoder_of
from ...tasks.objects import data_of
from ..connecting.config_history import changes_between
from ..connecting.reading import Reading
from ..exporting.reading_faults import task_faults
from ..exporting.snapshots import stored_snapshot
from ..jobs.kinds.base import JobKind
from ..labeling.ingest import UNCERTAINTY_SAMPLING
from ..settings.listing import setting_faults
from ..splits import splits_of
from ..watching.live import live_sentence
from .examination import Check, Examination, Finding
from .probe import PREDICT_TIMEOUT_S, BackendAnswer

__all__ = ["CHECKS"]

MOST_TASKS_READ = 5000  # an export of this many takes Label Studio ten seconds
NOT_LOST = frozenset({Reason.UNRESOLVED, Reason.MOVED_POSITIONS, Reason.BLANK_SPAN})
LOST_TASKS = frozenset({Reason.EMPTY_TEXT})
TASKS_PREDICTED = 20
TEXTS_WRITTEN = 1
"""The number of tasks to try where a model writes responses, each of which takes seconds."""
ERROR_STATES = (JobState.FAILED, JobState.ABANDONED)


def _model(exam: Examination) -> Finding:
    from ...models.bundle.bundle import read_bundle

    champion = exam.services.versions.champion(exam.project.ref.key)
    if champion is None:
        return Finding.fine("none yet: the cold start answers until a first model is trained and passes the gate")
    trained_for = read_bundle(exam.services.versions.at_hand(champion).path).manifest.facts.label_config
    if changes := changes_between(trained_for, exam.project.label_config, exam.project.fields):
        return Finding.warning(
            f"{champion.name} serves what is left of what it was trained for. Since then, {' '.join(changes)}",
            f"label what is new, then train again: `labelloop train --project {exam.project_id}`",
        )
    return Finding.fine(f"{champion.name} serves, its files are whole")


def _versions(exam: Examination) -> Finding:
    announced = exam.probe.get("/versions")
    if exam.version not in (announced.get("versions") or ()):
        return Finding.broken(
            f"the database says that {exam.version} serves, and the running backend names "
            f"{', '.join(announced.get('versions') or ()) or 'nothing'}",
            "it runs with another LABELLOOP_HOME or database, or could not load the model: look at its log, "
            "and restart `labelloop serve` with the settings of this command",
        )
    promised, prediction = _setup_and_predict(exam)
    if promised.status != 200 or prediction.status != 200:
        failed = promised if promised.status != 200 else prediction
        return Finding.broken(
            f"the running backend fails with {failed.status} {failed.reason}", "look at the log of `labelloop serve`"
        )
    answered = next((entry.get("model_version") for entry in prediction.get("results") or ()), None)
    if promised.get("model_version") != answered:
        return Finding.broken(
            f"/setup promises {promised.get('model_version')} and /predict answers with {answered}: "
            "Label Studio would predict again and again, and store duplicates",
            "restart `labelloop serve`; if that does not help, look at its log for a model that cannot be loaded",
        )
    return Finding.fine(f"/versions, /setup and /predict all say {exam.version}")


def _setup_and_predict(exam: Examination) -> tuple[BackendAnswer, BackendAnswer]:
    """The two calls that Label Studio makes for one task; neither stores anything."""
    project = str(exam.project_id)
    config = exam.info.label_config
    texts = plan_of(exam.project).texts
    task = Task(0, data_of((shown, "a test by labelloop doctor") for shown in texts))
    setup = {"project": project, "schema": config, "hostname": exam.services.studio.url}
    promised = exam.probe.post("/setup", setup)
    return promised, exam.probe.post("/predict", _request(exam, [task]), timeout_s=PREDICT_TIMEOUT_S)


def _predictions(exam: Examination) -> Finding:
    if exam.unpredicted:
        count = "more than 1000" if exam.unpredicted > 1000 else str(exam.unpredicted)
        return Finding.warning(
            f"{count} unlabeled tasks have no pre-label of {exam.version}; uncertainty sampling passes over them",
            f"run `labelloop prelabel --project {exam.project_id}`",
        )
    return Finding.fine(f"every unlabeled task has one of {exam.version}")


def _selection(exam: Examination) -> Finding:
    selected, version = exam.info.model_version, exam.version
    titles = [row["title"] for row in exam.rows]
    if selected == version:
        return Finding.fine(f"{version} is selected")
    if selected in titles and exam.info.task_count == 0:
        return Finding.fine(f"the live backend {selected!r} is selected until the first pre-labels are stored")
    fix = f"run `labelloop prelabel --project {exam.project_id}`, which pushes {version} and selects it"
    if selected in titles:
        return Finding.warning(
            f"the live backend {selected!r} is selected instead of the stored pre-labels of {version}: Label Studio "
            "then draws the next task at random, whatever the sampling says, and shows no scores",
            fix,
        )
    if not selected:
        return Finding.broken("no version is selected, so annotators see no pre-label", fix)
    return Finding.warning(f"annotators see the pre-labels of {selected}, while {version} serves", fix)


def _sampling(exam: Examination) -> Finding:
    fix = f"run `labelloop connect {exam.project_id}`"
    if not exam.info.show_collab_predictions:
        return Finding.warning("predictions do not prelabel tasks (Settings, Annotation, Prelabeling)", fix)
    if exam.info.sampling != UNCERTAINTY_SAMPLING:
        return Finding.warning(f"{exam.info.sampling!r}, so annotators do not get what the model is least sure of", fix)
    return Finding.fine(UNCERTAINTY_SAMPLING)


def _drift(exam: Examination) -> Finding:
    """Report whether something has changed since the serving version was trained."""
    alarms = exam.services.database.drift_alarms.all(exam.project_id, exam.version)
    if not alarms:
        return Finding.fine(live_sentence(exam.services, exam.project, exam.version) or "nothing has been seen yet")
    return Finding.warning(
        "; ".join(alarm.sentence for alarm in alarms),
        f"label some of the newest tasks, then train: `labelloop train --project {exam.project_id}`; docs/drift.md "
        "says what to look for first",
    )


def _jobs(exam: Examination) -> Finding:
    last = [exam.services.database.jobs.last(kind, exam.project_id) for kind in JobKind.all()]
    jobs = [job for job in last if job is not None]
    failed = [job for job in jobs if job.state in ERROR_STATES]
    if failed:
        job = max(failed, key=lambda each: each.id)
        return Finding.warning(f"job {job.id} ({job.kind}) {job.state}: {job.error}", _retry(job))
    return Finding.fine("; ".join(f"last {job.kind} {job.state}" for job in jobs) or "none so far")


def _retry(job: Job) -> str:
    again = JobKind.of(job).retry_command.format(project_id=job.project_id)
    return f"read `labelloop jobs logs {job.id}`, mend the cause, then `{again}`"


def _events(exam: Examination) -> Finding:
    """Compare Label Studio's annotations with the events that reported them."""
    events = exam.services.database.events
    newest = events.last_received(exam.project_id)
    last = (
        f"the newest came {newest.received_at:%Y-%m-%d %H:%M} UTC" if newest and newest.received_at else "none so far"
    )
    if exam.info.task_count > MOST_TASKS_READ:
        return Finding.fine(f"{last}; not compared with Label Studio's annotations, because there are many tasks")
    history = events.history(exam.project_id)
    unheard = [
        annotation
        for task in exam.services.studio.reviewed_tasks(exam.project_id)
        for annotation in task.annotations
        if annotation.id not in history and _was_made_in_editor_since(annotation, exam.project.connected_at)
    ]
    if unheard:
        return Finding.broken(
            f"Label Studio holds {len(unheard)} annotations made since the project was connected that no event told "
            f"of, such as {unheard[0].id}; {last}",
            "keep `labelloop serve` running while people label, and correct what the checks of the webhook say; a "
            "running worker finds and counts these, but how they were made is lost",
        )
    return Finding.fine(last)


def _answers(exam: Examination) -> Finding:
    """Report the answers of experts that were left out of the newest snapshot."""
    last = exam.services.database.snapshots.last(exam.project_id)
    if last is None:
        return Finding.fine("no snapshot has been made yet")
    if not (exam.services.options.snapshots_folder / exam.project.ref.key / last.id).exists():
        return Finding.fine(f"snapshot {last.id} is on the machine whose worker made it")
    reasons = stored_snapshot(exam.services, exam.project, last.id).manifest.reasons
    lost = [each for each in reasons if (each.control and each.reason not in NOT_LOST) or each.reason in LOST_TASKS]
    if lost:
        return Finding.warning(
            f"snapshot {last.id} was made without {'; '.join(map(str, lost))}",
            "open these tasks in Label Studio and answer them again; docs/label-configs.md says how answers are read",
        )
    return Finding.fine(f"every answer that was given counts in snapshot {last.id}")


def _was_made_in_editor_since(annotation: Annotation, moment: datetime) -> bool:
    """Imported annotations send no event and carry no lead time."""
    if annotation.lead_time_s is None or annotation.created_at is None:
        return False
    try:
        created_at = datetime.fromisoformat(annotation.created_at)
    except ValueError:
        return False
    return (created_at if created_at.tzinfo else created_at.replace(tzinfo=UTC)) > moment


def _text_model(exam: Examination) -> Finding:
    from ...models.base.base_model import weights_sha256

    if not plan_of(exam.project).has_texts:
        return Finding.fine("not needed: no control is answered with a text")
    name = exam.services.options.models.text_base_model
    if not name:
        return Finding.warning(
            "none is set: nothing is drafted before the first version, and none can be trained",
            "set LABELLOOP_TEXT_BASE_MODEL to a decoder, by its Hugging Face name or as a folder",
        )
    return Finding.fine(f"{name}, weights sha256 {weights_sha256(name)[:12]}")


def _texts(exam: Examination) -> Finding:
    faults = task_faults(exam.services, plan_of(exam.project), exam.first_tasks)
    if not faults:
        return Finding.fine("the base model can read the texts of the first tasks, as far as is known")
    return Finding.warning("; ".join(fault.found for fault in faults), "; ".join(fault.fix for fault in faults))


def _task_texts(exam: Examination) -> Finding:
    tasks = exam.first_tasks
    if not tasks:
        return Finding.fine("there is no task yet")
    plan = plan_of(exam.project)
    empty = [task for task in tasks if not plan.text(task.data).strip()]
    places = " or ".join(shown.written for shown in plan.texts)
    some = f"the first {len(tasks)} tasks" if len(tasks) > 1 else "the only task"
    if not empty:
        return Finding.fine(f"{some} {'have' if len(tasks) > 1 else 'has'} a text at {places}")
    keys = ", ".join(map(repr, empty[0].data)) or "nothing"
    problem = (
        f"{'all' if len(empty) == len(tasks) else len(empty)} of {some} have no text at {places}, task "
        f"{empty[0].id} for one, whose data holds {keys}; they get no pre-label, and give no row"
    )
    if len(empty) < len(tasks):
        return Finding.warning(problem, "fill it in, or delete these tasks")
    return Finding.broken(
        problem,
        'let value="$..." under Settings, Labeling Interface name what the tasks hold, or import tasks that hold it'
        + "".join(f", encoded as {shown.encoding}" for shown in plan.texts if shown.encoding != "none"),
    )


def _read_texts(exam: Examination) -> Finding:
    """Report which of several texts are read."""
    reading = Reading.of(exam.services, exam.project, exam.first_tasks)
    if reading.doubts:
        return Finding.warning(" ".join((*reading.facts, *reading.doubts)), f"leave it so. {Reading.ADVICE}")
    return Finding.fine(" ".join(reading.facts) or "the only text that the label config shows")


def _settings(exam: Examination) -> Finding:
    """Report stored settings of the project that do not hold, such as extra params that Label Studio has spoilt."""
    if faults := setting_faults(exam.services, exam.project_id):
        return Finding.warning(
            "; ".join(f"{name} does not hold: {fault}" for name, fault in faults.items()),
            f"mend it under Settings, Model, in Label Studio, or by `labelloop settings unset {exam.project_id} NAME`",
        )
    own = sorted({each.name for each in exam.services.database.settings.all(exam.project_id)})
    return Finding.fine(f"the project's: {listed(own, len(own))}" if own else "all settings are the backend's")


def _labels_off(exam: Examination) -> Finding:
    """Report labels that pre-labels must not show and that no project has: a misspelt one would be shown."""
    off = exam.services.options.feedback.labels_off
    projects = exam.services.database.projects.all()
    known = {name for each in projects for served in plan_of(each).controls for name in served.control.label_values}
    if unknown := sorted(off - known):
        return Finding.warning(
            f"LABELLOOP_PRELABELS_OFF names {', '.join(map(repr, unknown))}, which no connected project has as a label",
            "write the labels as the label config does, and restart `labelloop serve`",
        )
    own = {name for served in plan_of(exam.project).controls for name in served.control.label_values}
    return Finding.fine(f"pre-labels hide {', '.join(sorted(off & own)) or 'no label'}")


def _prelabels(exam: Examination) -> Finding:
    """Ask the running backend for pre-labels of tasks that are not blind. It stores nothing."""
    plan = plan_of(exam.project)
    if ModelVersion.is_cold_start_name(exam.version) and not any(
        decoder_of(each.kind.head).is_named for each in plan.controls if not each.marking
    ):
        return Finding.fine("none before the first training: the cold start answers single choices and trees alone")
    tasks = _open_tasks(exam)[: TEXTS_WRITTEN if plan.has_texts else TASKS_PREDICTED]
    if not tasks:
        return Finding.fine("not asked for: each of the first tasks is blind or has no text")
    answer = exam.probe.post("/predict", _request(exam, tasks), timeout_s=PREDICT_TIMEOUT_S)
    if answer.status != 200:
        return Finding.broken(
            f"the running backend fails with {answer.status} {answer.reason}", "look at the log of `labelloop serve`"
        )
    filled = sum(bool(entry.get("result")) for entry in answer.get("results") or ())
    if filled:
        return Finding.fine(f"{exam.version} has an answer to {filled} of {len(tasks)} tasks that were asked about")
    return Finding.warning(
        f"all pre-labels of {exam.version} are empty, those of {len(tasks)} tasks with texts that were asked about",
        "`labelloop_prelabels_total` in `/metrics` counts the reasons: label more tasks to which labels apply, then "
        f"train again: `labelloop train --project {exam.project_id}`",
    )


def _open_tasks(exam: Examination) -> list[Task]:
    """Return the tasks that have a text and are not held out."""
    plan = plan_of(exam.project)
    texts = [plan.text(task.data) for task in exam.first_tasks]
    splits = splits_of(exam.services, exam.project, texts)
    shown = zip(exam.first_tasks, texts, splits, strict=True)
    return [task for task, text, split in shown if text.strip() and not split.is_held_out]


def _request(exam: Examination, tasks: Sequence[Task]) -> dict[str, Any]:
    sent = [{"id": task.id, "data": dict(task.data)} for task in tasks]
    return {"project": str(exam.project_id), "label_config": exam.info.label_config, "tasks": sent}


CHECKS = (
    Check(
        "text_model",
        _text_model,
        needs=("connected",),
        fix="set LABELLOOP_TEXT_BASE_MODEL to a decoder that is there, as the message says",
    ),
    Check("texts", _texts, needs=("project", "connected", "base_model")),
    Check(
        "model",
        _model,
        needs=("connected",),
        fix="go back with `labelloop models rollback`, or train again: `labelloop train`",
    ),
    Check("versions", _versions, needs=("registration", "connected", "label_config", "credentials")),
    Check("predictions", _predictions, needs=("project", "connected")),
    Check("selection", _selection, needs=("project", "connected")),
    Check("sampling", _sampling, needs=("project",)),
    Check("drift", _drift, needs=("connected",)),
    Check("jobs", _jobs, needs=("database",)),
    Check("events", _events, needs=("project", "connected")),
    Check("answers", _answers, needs=("connected",), fix="train again, which makes a snapshot: `labelloop train`"),
    Check("read_texts", _read_texts, needs=("project", "label_config", "connected")),
    Check("project_settings", _settings, needs=("connected",)),
    Check("labels_off", _labels_off, needs=("label_config", "connected")),
    Check("task_texts", _task_texts, needs=("project", "label_config", "connected")),
    Check("prelabels", _prelabels, needs=("label_config", "connected", "versions")),
)

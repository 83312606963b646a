"""Push pre-labels in bulk: uncertainty sampling serves only tasks that have a stored prediction of the version."""

from collections.abc import Callable, Collection, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from datetime import datetime
from types import TracebackType
from typing import TypeAlias

from ...batches import in_batches
from ...domain.annotation import Prediction
from ...domain.ports import Predictor
from ...domain.progress import Progress, ProgressCallback
from ...domain.project import Project
from ...errors import StudioError
from ...labelstudio.config.validation import StudioRules
from ...labelstudio.plans import plan_of
from ...serving.prelabels import prelabel
from ..connecting.projects import project_as_it_is
from ..services import Services
from ..watching.hidden import BlindWatch
from .blind import are_blind
from .read_ahead import read_ahead

__all__ = ["push_missing", "select_version"]

BATCHES_READ_AHEAD = 4
REPORT_INTERVAL_S = 0.5
"""Time between two reports during a push, which takes Label Studio a while; a cancelled job stops at a report."""

TasksPredictions: TypeAlias = Sequence[tuple[int, Prediction]]
"""Predictions with the ids of their tasks."""


@dataclass(frozen=True, slots=True)
class BatchSizes:
    """How many tasks at a time.

    Attributes:
        predicted: tasks that the model answers together.
        pushed: predictions that Label Studio gets together; an interruption loses those under way and one such number.
    """

    predicted: int
    pushed: int


LABELS = BatchSizes(predicted=1000, pushed=20_000)
"""With every push Label Studio counts the predictions of all tasks in the project again, which takes it longer than to
store them, so few large ones are faster: 20,000 tasks take 20 s in one push, and 100 s and more in four. It stores a
push in one transaction, though, and with SQLite nobody else can save anything during its 3 s."""
SINGLE = BatchSizes(predicted=1000, pushed=200)
"""Label Studio takes about 0.15 s for each prediction that it gets by itself."""
DRAFTS = BatchSizes(predicted=50, pushed=50)
"""Responses take seconds each to write: what is written should not be lost when the push is interrupted."""


def push_missing(
    services: Services,
    project: Project,
    predictor: Predictor,
    report: ProgressCallback = Progress.ignore,
    batch_sizes: BatchSizes | None = None,
) -> int:
    """Push predictions to the unlabeled tasks that lack one of this version; held-out tasks and audits get a blind one.

    How well the texts fit the labels is kept beside that, where the version can tell. What it answers to held-out tasks
    is kept from people, see `BlindWatch`.
    Only controls of the current label config are answered. Tasks are read, predicted and pushed at the same time, in
    constant memory however many there are. The first error ends all three and is raised here. Safe to repeat: existing
    predictions are left alone, so an interrupted push continues where it stopped.

    Args:
        batch_sizes: None: those that suit what the project asks for.

    Returns:
        The number of predictions pushed.

    Raises:
        LabelConfigError: the label config cannot be served any more.
        StudioError: some do not fit the label config, or Label Studio dropped some.
    """
    services, project = services.for_project(project.id), project_as_it_is(services, project)
    plan, version = plan_of(project), predictor.version
    refused = frozenset(each.name for each in plan.controls if each.kind.is_refused_in_bulk(each.control))
    sizes = batch_sizes or (DRAFTS if plan.has_texts else SINGLE if refused else LABELS)
    expected = services.studio.count_without_prediction(project.id, version)
    progress = _PushProgress(report, expected, services.clock)
    names = StudioRules(project.label_config).controls
    watch = BlindWatch(services, project, predictor)

    def push(pairs: TasksPredictions) -> None:
        singly = [pair for pair in pairs if any(region["from_name"] in refused for region in pair[1].result)]
        alone = {task_id for task_id, _ in singly}
        together = [pair for pair in pairs if pair[0] not in alone]
        _check_fit(services, project, version, together)
        if together and services.studio.push_predictions(project.id, together) != len(together):
            _check_dropped(services, project, version, [task_id for task_id, _ in together])
        for task_id, prediction in singly:
            services.studio.push_prediction(task_id, prediction)

    def on_pushed(pairs: TasksPredictions) -> None:
        services.hooks.predictions_made(project.ref.key, version, pairs)
        progress.pushed += len(pairs)

    tasks = services.studio.tasks_without_prediction(project.id, version)
    with (
        read_ahead(in_batches(tasks, sizes.predicted), BATCHES_READ_AHEAD) as batches,
        _BackgroundPush(push, on_pushed, services.options.studio.pushes) as pushing,
    ):
        ready: list[tuple[int, Prediction]] = []
        for batch in batches:
            blind = are_blind(services, project, plan, batch)
            labels_off = services.options.feedback.labels_off
            made = prelabel(batch, predictor, plan, blind, labels_off=labels_off, with_fit=True)
            pairs = zip(batch, made.predictions, strict=True)
            ready += [(task.id, _part(prediction, names | refused)) for task, prediction in pairs]
            # Before they are pushed: tasks that hold a prediction of the version do not come by here again.
            fits = {task.id: fit for task, fit in zip(batch, made.fits, strict=True) if fit is not None}
            services.database.fits.put(project.id, version, fits)
            watch.see(batch)
            progress.predicted += len(batch)
            progress.report()
            if len(ready) >= sizes.pushed:
                pushing.start(ready, progress.report)
                ready = []
        if ready:
            pushing.start(ready, progress.report)
        pushing.finish(progress.report)
        watch.look()
        if progress.pushed:
            progress.report()
    return progress.pushed


def _part(prediction: Prediction, names: Collection[str]) -> Prediction:
    """Keep the regions of controls for which Label Studio takes predictions; connect and doctor name the others."""
    regions = tuple(region for region in prediction.result if region["from_name"] in names)
    return prediction if len(regions) == len(prediction.result) else replace(prediction, result=regions)


def _check_fit(services: Services, project: Project, version: str, pairs: TasksPredictions) -> None:
    """Check predictions before they are sent, since Label Studio silently drops those that do not fit its label config.

    The config is read again: an admin may have removed a control while the predictions were made.
    """
    now = services.studio.project(project.id).label_config
    unfit = StudioRules(now).misfits(pairs)
    if unfit:
        task_id, reason = next(iter(unfit.items()))
        remedy = (
            "Train again on the labels as they are now"
            if now == project.label_config
            else "The config has changed since the predictions were begun: start this again"
        )
        raise StudioError(
            f"{len(unfit)} of {len(pairs)} predictions of {version} do not fit the label config of project "
            f"{project.id}, that of task {task_id} for one: {reason}. {remedy}"
        )


def _check_dropped(services: Services, project: Project, version: str, task_ids: list[int]) -> None:
    """Fewer predictions than sent are in order where their tasks were deleted or labeled meanwhile."""
    missing = {task.id for task in services.studio.tasks_without_prediction(project.id, version)} & set(task_ids)
    if missing:
        raise StudioError(
            f"Label Studio dropped {len(missing)} of {len(task_ids)} predictions of {version} in project {project.id}, "
            f"that of task {min(missing)} for one; it drops those that do not fit the label config. "
            f"Run `labelloop doctor {project.id}`"
        )


def select_version(services: Services, project: Project, version: str) -> bool:
    """Make Label Studio show and sort by this version's stored predictions.

    Returns:
        False where it holds none, as in an empty project: Label Studio refuses an unknown version, and pre-labels
        come from the live backend until the first push.
    """
    if not services.studio.prediction_counts(project.id).get(version):
        return False
    if services.studio.project(project.id).model_version != version:
        services.studio.update_project(project.id, {"model_version": version})
    return True


class _PushProgress:
    """Progress of a bulk push, reported with its rate and the time left.

    Making predictions is half of the work, and pushing them the other half.

    Args:
        expected: number of tasks without a prediction, as far as known beforehand.
        clock: measures the rate.

    Attributes:
        predicted: number of tasks that have a prediction by now; whoever makes predictions adds to it.
        pushed: number of tasks whose prediction is stored; whoever pushes adds to it.
    """

    def __init__(self, report: ProgressCallback, expected: int, clock: Callable[[], datetime]) -> None:
        self._report = report
        self._expected = expected
        self._clock = clock
        self._started = clock()
        self.predicted = 0
        self.pushed = 0

    def report(self) -> None:
        """Report the progress of this moment; an error of the callback is raised here."""
        total = max(self._expected, self.predicted)
        fraction = (self.predicted + self.pushed) / (2 * total) if total else 0.0
        done = self.pushed or self.predicted
        parts = [f"{'pushed' if self.pushed else 'predicted'} {done} of {total} pre-labels"]
        elapsed_s = (self._clock() - self._started).total_seconds()
        if elapsed_s > 0:
            rate = done / elapsed_s
            parts.append(f"{rate:.0f} tasks/s" if rate >= 10 else f"{rate:.1f} tasks/s")
            if 0 < fraction < 1:
                parts.append(f"about {_span(elapsed_s * (1 - fraction) / fraction)} left")
        self._report(Progress(fraction, "pushing", ", ".join(parts)))


class _BackgroundPush:
    """Push batches on other threads. A context manager, whose end waits for those under way.

    Args:
        push: stores a batch, or raises.
        on_pushed: called with each batch that is stored, in the thread that uses this object.
        at_once: batches that are pushed at the same time.
    """

    def __init__(
        self,
        push: Callable[[TasksPredictions], None],
        on_pushed: Callable[[TasksPredictions], None],
        at_once: int,
    ) -> None:
        self._push, self._on_pushed, self._at_once = push, on_pushed, at_once
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="push")
        self._running: dict[Future[None], TasksPredictions] = {}

    def __enter__(self) -> "_BackgroundPush":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # After an error elsewhere, a batch is either stored and counted, or not stored; its error would hide the first.
        self._threads.shutdown(wait=True)
        for push, batch in self._running.items():
            if push.exception() is None:
                self._on_pushed(batch)

    def start(self, batch: TasksPredictions, while_waiting: Callable[[], None]) -> None:
        """Begin to push a batch once few enough others are under way.

        Raises:
            Exception: an error of `while_waiting`, or of a push before.
        """
        self._wait_for_all_but(self._at_once - 1, while_waiting)
        self._running[self._threads.submit(self._push, batch)] = batch

    def finish(self, while_waiting: Callable[[], None]) -> None:
        """Wait until all batches are stored.

        Args:
            while_waiting: called twice a second meanwhile; an error of it ends the waiting.

        Raises:
            Exception: an error of `while_waiting`, or of a push.
        """
        self._wait_for_all_but(0, while_waiting)

    def _wait_for_all_but(self, count: int, while_waiting: Callable[[], None]) -> None:
        while len(self._running) > count:
            done = wait(self._running, REPORT_INTERVAL_S, FIRST_COMPLETED).done
            for push in done:
                batch = self._running.pop(push)
                push.result()
                self._on_pushed(batch)
            if not done:
                while_waiting()


def _span(seconds: float) -> str:
    """Return a length of time in words, such as `3 min`."""
    for unit, length_s in (("h", 3600), ("min", 60)):
        if seconds >= 1.5 * length_s:
            return f"{seconds / length_s:.0f} {unit}"
    return f"{seconds:.0f} s"

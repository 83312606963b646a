"""Find hooks and call them: those that decide within a time limit, and those that get news beside the loop."""

import atexit
import importlib
import inspect
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from importlib.metadata import entry_points
from typing import Any, ClassVar, Generic, TypeVar

import pluggy

from ..batches import in_batches
from ..domain.annotation import Prediction
from ..domain.drift import DriftAlarm
from ..domain.example import Row
from ..domain.snapshot import Snapshot
from ..errors import ConfigurationError, HookError
from . import DROP, HookSpecs, TrainingInfo

__all__ = ["Hooks", "load_hooks"]

log = logging.getLogger(__name__)

DEFAULT_TIMEOUT_S = 30.0
MOST_WAITING = 1000
EXIT_WAIT_S = 10.0
ROWS_AT_ONCE = 256
"""A batch takes little memory, and is long enough that changing threads takes no noticeable time."""

ResultT = TypeVar("ResultT")
_Step = Callable[[str, str], None]
"""Called before each step with the name of the hook and what it is called with; starts the step's time."""


class _Hook:
    """One registered function, which gets those of the arguments that it names."""

    def __init__(self, turning_point: str, implementation: pluggy.HookImpl) -> None:
        self.name = f"{implementation.plugin_name} ({turning_point})"
        self._function: Any = implementation.function
        self._argument_names = implementation.argnames

    def __call__(self, arguments: Mapping[str, object]) -> Any:
        return self._function(*(arguments[name] for name in self._argument_names))


class Hooks:
    """The hooks of a process. Without any, nothing is called and no thread is started."""

    REDACTION: ClassVar = "redaction"
    """Name of the hook that masks personal data."""

    def __init__(self, timeout_s: float = DEFAULT_TIMEOUT_S) -> None:
        self.timeout_s = timeout_s
        self._manager = pluggy.PluginManager(HookSpecs.GROUP)
        self._manager.add_hookspecs(HookSpecs)
        self._relay = _Relay(timeout_s)

    def register(self, plugin: object, name: str) -> None:
        """Add an object with hooks.

        Raises:
            ConfigurationError: it has none, one of them is unknown or asks for arguments that there are not, or the
                name is taken.
        """
        try:
            self._manager.register(plugin, name=name)
            self._manager.check_pending()
        except (pluggy.PluginValidationError, ValueError) as error:
            raise ConfigurationError(f"the hook {name} cannot be used: {error}") from None
        callers = self._manager.get_hookcallers(plugin)
        if not callers:
            raise ConfigurationError(
                f"the hook {name} has no function with the mark labelloop.hookimpl; mark at least one "
                "(from ml_backend.hooks import hookimpl)"
            )
        wrappers = [c.name for c in callers for i in c.get_hookimpls() if i.hookwrapper or i.wrapper]
        if wrappers:
            raise ConfigurationError(f"the hook {name} wraps {wrappers[0]}; labelloop calls plain functions only")

    def with_redaction(self, kinds: str, region: str) -> "Hooks":
        """Return the same hooks with another redaction, which has the last word on a row; without kinds, with none."""
        from .redaction import Redaction

        others = Hooks(self.timeout_s)
        others._relay = self._relay
        if kinds:
            others.register(Redaction(kinds, region), self.REDACTION)
        for name, plugin in self._manager.list_name_plugin():
            if name != self.REDACTION:
                others.register(plugin, name)
        return others

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the registered objects."""
        return tuple(name for name, _ in self._manager.list_name_plugin())

    def change_rows(self, rows: Iterable[Row], labels: Mapping[str, frozenset[str]]) -> Iterator[Row]:
        """Yield the rows as the hooks leave them, in order, without those that they drop.

        Args:
            labels: as `HookSpecs.row_read` has it.

        Raises:
            HookError: one raised, took too long, or returned something else.
        """
        hooks = self._hooks("row_read")
        if not hooks:
            yield from rows
            return
        for batch in in_batches(rows, ROWS_AT_ONCE):
            yield from _run_within(self.timeout_s, partial(_changed, batch, hooks, labels))

    def before_training(self, training: TrainingInfo) -> None:
        """Let hooks stop a training.

        Raises:
            HookError: one did, or took too long.
        """
        self._ask("before_training", f"the training of {training.model_version}", {"training": training})

    def veto(self, project: str, model_version: str, previous: str, reason: str) -> str | None:
        """Return why a version must not serve, with the name of the hook that says so; None where none objects.

        Raises:
            HookError: one raised or took too long.
        """
        arguments = {"project": project, "model_version": model_version, "previous": previous, "reason": reason}
        answers = self._ask("before_promotion", f"the promotion of {model_version}", arguments)
        objections = [f"{name}: {answer}" for name, answer in answers if answer is not None]
        return "; ".join(objections) or None

    def snapshot_written(self, snapshot: Snapshot) -> None:
        """Tell hooks of a snapshot."""
        self._tell("snapshot_written", f"snapshot {snapshot.id}", {"snapshot": snapshot})

    def model_trained(self, training: TrainingInfo) -> None:
        """Tell hooks of a trained version."""
        self._tell("model_trained", training.model_version, {"training": training})

    def model_promoted(self, project: str, model_version: str, previous: str, reason: str) -> None:
        """Tell hooks of a promotion."""
        arguments = {"project": project, "model_version": model_version, "previous": previous, "reason": reason}
        self._tell("model_promoted", f"the promotion of {model_version}", arguments)

    def drift_found(self, project: str, alarm: DriftAlarm) -> None:
        """Tell hooks of an alarm."""
        arguments = {
            "project": project,
            "model_version": alarm.version,
            "kind": alarm.kind.value,
            "sentence": alarm.sentence,
        }
        self._tell("drift_found", f"an alarm about {alarm.version}", arguments)

    def predictions_made(self, project: str, model_version: str, predictions: Sequence[tuple[int, Prediction]]) -> None:
        """Tell hooks of predictions, given as pairs of task id and prediction."""
        arguments = {"project": project, "model_version": model_version, "predictions": predictions}
        self._tell("predictions_made", f"{len(predictions)} predictions of {model_version}", arguments)

    def drain(self, timeout_s: float) -> bool:
        """Wait until no news is left to tell; False where the time did not suffice."""
        return self._relay.drain(timeout_s)

    def _hooks(self, hook: str) -> list[_Hook]:
        """Return the functions in the order in which they are called: the last registered first, as pluggy does it."""
        implementations = getattr(self._manager.hook, hook).get_hookimpls()
        return [_Hook(hook, each) for each in reversed(implementations)]

    def _ask(self, hook: str, subject: str, arguments: Mapping[str, object]) -> list[tuple[str, Any]]:
        hooks = self._hooks(hook)
        return _run_within(self.timeout_s, partial(_asked, hooks, subject, arguments)) if hooks else []

    def _tell(self, hook: str, subject: str, arguments: Mapping[str, object]) -> None:
        for each in self._hooks(hook):
            self._relay.post(partial(_asked, [each], subject, arguments))


def load_hooks(names: str, timeout_s: float, shipped: Mapping[str, object]) -> Hooks:
    """Register all hooks.

    They are called in the reverse of this order: the shipped ones, so that their redaction has the last word on a row,
    entry points by name, and the hooks that the setting names.

    Args:
        names: `module:object`, several separated by commas; a class is called without arguments.
        shipped: hooks that are part of labelloop, by name.

    Raises:
        ConfigurationError: one cannot be imported or used.
    """
    hooks = Hooks(timeout_s)
    for name, plugin in shipped.items():
        hooks.register(plugin, name)
    for point in sorted(entry_points(group=HookSpecs.GROUP), key=lambda point: point.name):
        hooks.register(_imported(point.value, f"the entry point {point.name}"), point.name)
    for name in filter(None, (part.strip() for part in names.split(","))):
        hooks.register(_imported(name, "LABELLOOP_HOOKS"), name)
    return hooks


def _imported(name: str, source: str) -> object:
    module, _, path = name.partition(":")
    try:
        hook: object = importlib.import_module(module)
        for part in filter(None, path.split(".")):
            hook = getattr(hook, part)
        return hook() if inspect.isclass(hook) else hook
    except Exception as error:  # foreign code may raise anything while it is imported
        raise ConfigurationError(
            f"the hook {name!r} of {source} cannot be loaded ({type(error).__name__}: {error}); wanted "
            "module:object of an installed package"
        ) from error


def _changed(
    batch: Sequence[Row], hooks: Sequence[_Hook], labels: Mapping[str, frozenset[str]], step: _Step
) -> list[Row]:
    changed = []
    for original in batch:
        row: Any = original
        for hook in hooks:
            step(hook.name, original.id)
            row = hook({"row": row, "labels": labels})
            if row is DROP:
                break
            if not isinstance(row, Row):
                raise TypeError(f"it returned {type(row).__name__}; wanted a Row, or DROP to leave it out")
        else:
            changed.append(row)
    return changed


def _asked(hooks: Sequence[_Hook], subject: str, arguments: Mapping[str, object], step: _Step) -> list[tuple[str, Any]]:
    answers = []
    for hook in hooks:
        step(hook.name, subject)
        answers.append((hook.name, hook(arguments)))
    return answers


def _run_within(limit_s: float, work: Callable[[_Step], ResultT]) -> ResultT:
    """Do the work in a new thread, with no step longer than the limit, and return its result.

    Python cannot end a thread. One that is over its time is left behind, as a daemon that dies with the process; it
    begins no further step, and its result is thrown away. Code that lets no other thread run, such as
    a runaway regular expression, holds up the limit as well; in a job, missing heartbeats then end the process.

    Raises:
        HookError: a step raised or took too long.
    """
    worker = _Worker(work)
    threading.Thread(target=worker.run, name="labelloop-hook", daemon=True).start()
    while not worker.is_done.wait(max(worker.step_ends_s(limit_s) - time.monotonic(), 0)):
        if time.monotonic() >= worker.step_ends_s(limit_s):
            worker.is_abandoned = True
            raise HookError(
                f"the hook {worker.hook} did not finish with {worker.subject} within {limit_s:g} s; repair it, or "
                "raise LABELLOOP_HOOK_TIMEOUT_S",
                hook=worker.hook,
            )
    return worker.outcome()


class _Worker(Generic[ResultT]):
    """Does the work and remembers how far it is."""

    def __init__(self, work: Callable[[_Step], ResultT]) -> None:
        self.is_done = threading.Event()
        self.is_abandoned = False
        self.hook = self.subject = ""
        self._work = work
        self._step_began_s = time.monotonic()
        self._results: list[ResultT] = []
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            self._results.append(self._work(self._step))
        except BaseException as error:
            self._error = error
        self.is_done.set()

    def _step(self, hook: str, subject: str) -> None:
        if self.is_abandoned:
            raise SystemExit
        self.hook, self.subject, self._step_began_s = hook, subject, time.monotonic()

    def step_ends_s(self, limit_s: float) -> float:
        return self._step_began_s + limit_s

    def outcome(self) -> ResultT:
        if self._error is not None:
            raise HookError(
                f"the hook {self.hook} failed with {self.subject}: {type(self._error).__name__}: {self._error}",
                hook=self.hook,
            ) from self._error
        return self._results[0]


class _Relay:
    """A queue and a thread that works it off, one call after the other, each within the time limit.

    Failures are logged. Where more than `MOST_WAITING` calls wait, new ones are dropped, and the log says so. At the
    end of the process, the calls that wait get `EXIT_WAIT_S`.
    """

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._waiting: deque[Callable[[_Step], Any]] = deque()
        self._change = threading.Condition()
        self._is_busy = False
        self._thread: threading.Thread | None = None

    def post(self, work: Callable[[_Step], Any]) -> None:
        """Queue a call."""
        with self._change:
            if len(self._waiting) >= MOST_WAITING:
                log.error("%s calls of hooks wait already; one more is dropped", MOST_WAITING)
                return
            self._waiting.append(work)
            self._change.notify_all()
            # Started late, since a process that forks, as a server does, takes no thread along.
            if self._thread is None or not self._thread.is_alive():
                if self._thread is None:
                    atexit.register(self._leave)
                self._thread = threading.Thread(target=self._work_off, name="labelloop-relay", daemon=True)
                self._thread.start()

    def drain(self, timeout_s: float) -> bool:
        """Wait until no call is left; False where the time did not suffice."""
        with self._change:
            return self._change.wait_for(lambda: not self._waiting and not self._is_busy, timeout_s)

    def _work_off(self) -> None:
        while True:
            with self._change:
                self._is_busy = False
                self._change.notify_all()
                self._change.wait_for(lambda: bool(self._waiting))
                work, self._is_busy = self._waiting.popleft(), True
            try:
                _run_within(self._limit_s, work)
            except HookError as error:
                log.error("%s; the loop goes on", error, exc_info=error.__cause__)

    def _leave(self) -> None:
        if not self.drain(EXIT_WAIT_S):
            log.error("the process ends while %s calls of hooks wait", len(self._waiting) + self._is_busy)

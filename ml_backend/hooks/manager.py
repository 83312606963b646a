"""Calls hooks: those that decide within a time limit, those that are told beside the loop."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

import pluggy

from ..domain.annotation import Prediction
from ..domain.example import Row
from ..domain.snapshot import Snapshot
from ..errors import ConfigurationError
from .deadline import Step, run_within
from .relay import Relay
from .specs import DROP, GROUP, HookSpecs, Training

__all__ = ["DEFAULT_TIMEOUT_S", "Hooks"]

DEFAULT_TIMEOUT_S = 30.0
ROWS_AT_ONCE = 256
"""Few enough for a batch to be nothing in memory, enough to make the change of threads nothing in time."""


@dataclass(frozen=True, slots=True)
class _Hook:
    """One registered function."""

    name: str
    function: Any
    argument_names: tuple[str, ...]

    def __call__(self, arguments: Mapping[str, object]) -> Any:
        return self.function(*(arguments[name] for name in self.argument_names))


class Hooks:
    """The hooks of a process. Without any, nothing is called and no thread is started."""

    def __init__(self, timeout_s: float = DEFAULT_TIMEOUT_S) -> None:
        self.timeout_s = timeout_s
        self._manager = pluggy.PluginManager(GROUP)
        self._manager.add_hookspecs(HookSpecs)
        self._relay = Relay(timeout_s)

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

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the registered objects."""
        return tuple(name for name, _ in self._manager.list_name_plugin())

    def change_rows(self, rows: Iterable[Row], labels: Mapping[str, frozenset[str]]) -> Iterator[Row]:
        """The rows as the hooks leave them, in order, without those that they drop.

        Args:
            labels: as `HookSpecs.row_read` has it.

        Raises:
            HookError: one raised, took too long, or returned something else.
        """
        hooks = self._hooks("row_read")
        if not hooks:
            yield from rows
            return
        source = iter(rows)
        while batch := list(islice(source, ROWS_AT_ONCE)):
            yield from run_within(self.timeout_s, partial(_changed, batch, hooks, labels))

    def before_training(self, training: Training) -> None:
        """Let hooks stop a training.

        Raises:
            HookError: one did, or took too long.
        """
        self._ask("before_training", f"the training of {training.model_version}", {"training": training})

    def veto(self, project: str, model_version: str, previous: str, reason: str) -> str | None:
        """Why a version must not serve, with the name of the hook that says so; None where none objects.

        Raises:
            HookError: one raised or took too long.
        """
        arguments = {"project": project, "model_version": model_version, "previous": previous, "reason": reason}
        answers = self._ask("before_promotion", f"the promotion of {model_version}", arguments)
        objections = [f"{name}: {answer}" for name, answer in answers if answer is not None]
        return "; ".join(objections) or None

    def snapshot_written(self, snapshot: Snapshot) -> None:
        """Tell of a snapshot."""
        self._tell("snapshot_written", f"snapshot {snapshot.id}", {"snapshot": snapshot})

    def model_trained(self, training: Training) -> None:
        """Tell of a trained version."""
        self._tell("model_trained", training.model_version, {"training": training})

    def model_promoted(self, project: str, model_version: str, previous: str, reason: str) -> None:
        """Tell of a promotion."""
        arguments = {"project": project, "model_version": model_version, "previous": previous, "reason": reason}
        self._tell("model_promoted", f"the promotion of {model_version}", arguments)

    def predictions_made(self, project: str, model_version: str, predictions: Sequence[tuple[int, Prediction]]) -> None:
        """Tell of predictions, as pairs of task id and prediction."""
        arguments = {"project": project, "model_version": model_version, "predictions": predictions}
        self._tell("predictions_made", f"{len(predictions)} predictions of {model_version}", arguments)

    def drain(self, timeout_s: float) -> bool:
        """Wait until everything was told; False where the time did not suffice."""
        return self._relay.drain(timeout_s)

    def _hooks(self, hook: str) -> list[_Hook]:
        """In the order in which they are called: the last one registered first, as pluggy has it."""
        found = getattr(self._manager.hook, hook).get_hookimpls()
        return [_Hook(f"{each.plugin_name} ({hook})", each.function, tuple(each.argnames)) for each in reversed(found)]

    def _ask(self, hook: str, subject: str, arguments: Mapping[str, object]) -> list[tuple[str, Any]]:
        hooks = self._hooks(hook)
        return run_within(self.timeout_s, partial(_asked, hooks, subject, arguments)) if hooks else []

    def _tell(self, hook: str, subject: str, arguments: Mapping[str, object]) -> None:
        for each in self._hooks(hook):
            self._relay.post(partial(_asked, [each], subject, arguments))


def _changed(
    batch: Sequence[Row], hooks: Sequence[_Hook], labels: Mapping[str, frozenset[str]], step: Step
) -> list[Row]:
    changed = []
    for given in batch:
        row: Any = given
        for hook in hooks:
            step(hook.name, given.id)
            row = hook({"row": row, "labels": labels})
            if row is DROP:
                break
            if not isinstance(row, Row):
                raise TypeError(f"it returned {type(row).__name__}; wanted a Row, or DROP to leave it out")
        else:
            changed.append(row)
    return changed


def _asked(hooks: Sequence[_Hook], subject: str, arguments: Mapping[str, object], step: Step) -> list[tuple[str, Any]]:
    answers = []
    for hook in hooks:
        step(hook.name, subject)
        answers.append((hook.name, hook(arguments)))
    return answers

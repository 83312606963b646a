"""Hooks that decide, within their time; and hooks that are told, beside the loop."""

import logging
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ml_backend.domain.example import Row
from ml_backend.domain.snapshot import Snapshot
from ml_backend.errors import ConfigurationError, HookError
from ml_backend.hooks import TrainingInfo, hookimpl
from ml_backend.hooks.manager import Hooks
from tests.unit.hooks.builders import ALARM, Listener, Marking, changed, empty_snapshot, hooks_of, row


@pytest.fixture
def snapshot(tmp_path: Path) -> Snapshot:
    return empty_snapshot(tmp_path)


@pytest.fixture
def training(snapshot: Snapshot) -> TrainingInfo:
    return TrainingInfo("tickets-1", snapshot, "tickets-1-v1", {})


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What a hanging hook waits for; opened at the end, so that no thread outlives its test."""
    event = threading.Event()
    yield event
    event.set()


class Hanging:
    def __init__(self, gate: threading.Event) -> None:
        self.gate = gate
        self.calls: list[str] = []

    @hookimpl
    def row_read(self, row: Row) -> Row:
        self.calls.append(row.id)
        if row.input["text"] == "hang":
            self.gate.wait()
        return row

    @hookimpl
    def before_training(self) -> None:
        self.gate.wait()

    @hookimpl
    def model_trained(self) -> None:
        self.gate.wait()


class Raising:
    @hookimpl
    def row_read(self, row: Row) -> Row:
        if row.input["text"] == "bad":
            raise ValueError("cannot read it")
        return row

    @hookimpl
    def before_training(self, training: TrainingInfo) -> None:
        raise RuntimeError(f"no {training.model_version} today")

    @hookimpl
    def before_promotion(self) -> str | None:
        raise KeyError("policy")

    @hookimpl
    def model_trained(self) -> None:
        raise OSError("disk is full")


class Refusing:
    def __init__(self, answer: str | None) -> None:
        self.answer = answer

    @hookimpl
    def before_promotion(self, model_version: str) -> str | None:
        return self.answer and f"{model_version}: {self.answer}"


def test_rows_are_changed_and_dropped_in_order() -> None:
    seen: dict[str, Any] = {}

    class Asking:
        @hookimpl
        def row_read(self, labels: Any, row: Row) -> Row:
            seen[row.id] = labels
            return row

    rows = changed(hooks_of(Asking(), Marking()), row("a", 1), row("drop me", 2), row("b", 3))
    assert [(each.id, each.input["text"]) for each in rows] == [("task-1", "a!"), ("task-3", "b!")]
    # A dropped row is shown to no further hook, and hooks get the labels of each control.
    assert seen == {key: {"topic": frozenset({"billing"})} for key in ("task-1", "task-3")}


def test_without_hooks_rows_pass_as_they_come_and_no_thread_is_started() -> None:
    before = threading.active_count()
    source = iter([row("a", 1), row("b", 2)])
    passing = Hooks().change_rows(source, {})
    assert next(passing).id == "task-1"
    assert next(source).id == "task-2"
    assert threading.active_count() == before


def test_rows_are_read_no_further_ahead_than_a_batch() -> None:
    taken = []

    def source() -> Iterator[Row]:
        for number in range(10 * 256):
            taken.append(number)
            yield row("a", number)

    next(hooks_of(Marking()).change_rows(source(), {}))
    assert len(taken) == 256


def test_a_hook_that_raises_is_named_with_the_row_and_the_rows_before_are_kept() -> None:
    batch = [row("a", number) for number in range(256)]
    passing = hooks_of(Raising()).change_rows([*batch, row("bad", 999)], {})
    assert [next(passing) for _ in batch] == batch
    with pytest.raises(
        HookError, match=re.escape("the hook Raising (row_read) failed with task-999: ValueError: cannot")
    ):
        next(passing)


def test_a_hook_that_gives_no_row_back_is_refused() -> None:
    forgetful = type("Forgetful", (), {"row_read": hookimpl(lambda self, row: None)})()

    with pytest.raises(
        HookError, match=r"Forgetful \(row_read\) failed with task-1: .*returned NoneType; wanted a Row"
    ):
        changed(hooks_of(forgetful), row("a"))


def test_a_hook_that_hangs_is_cut_off_and_named_with_the_row(gate: threading.Event) -> None:
    hanging = Hanging(gate)
    began_s = time.monotonic()
    with pytest.raises(
        HookError, match=re.escape("the hook Hanging (row_read) did not finish with task-2 within 0.2 s")
    ):
        changed(hooks_of(hanging, timeout_s=0.2), row("a", 1), row("hang", 2), row("c", 3))
    assert time.monotonic() - began_s < 3
    gate.set()
    time.sleep(0.1)
    assert hanging.calls == ["task-1", "task-2"]  # what was given up begins nothing more


def test_the_limit_is_for_each_row_not_for_all() -> None:
    class Slow:
        @hookimpl
        def row_read(self, row: Row) -> Row:
            time.sleep(0.1)
            return row

    assert len(changed(hooks_of(Slow(), timeout_s=0.4), *(row("a", number) for number in range(6)))) == 6


def test_a_training_is_stopped_by_a_hook_that_raises_or_hangs(training: TrainingInfo, gate: threading.Event) -> None:
    message = r"Raising \(before_training\) failed with the training of .*no tickets-1-v1 today"
    with pytest.raises(HookError, match=message):
        hooks_of(Raising()).before_training(training)
    with pytest.raises(HookError, match="did not finish with the training"):
        hooks_of(Hanging(gate), timeout_s=0.1).before_training(training)
    hooks_of(Listener()).before_training(training)


@pytest.mark.parametrize(
    ("plugins", "answer"),
    [
        ([], None),
        ([Refusing(None)], None),
        ([Refusing("it is Friday")], "Refusing (before_promotion): v2: it is Friday"),
    ],
)
def test_a_promotion_is_vetoed_with_a_reason_and_a_veto_that_fails_is_no_consent(
    plugins: list[object], answer: str | None
) -> None:
    assert hooks_of(*plugins).veto("tickets-1", "v2", "v1", "better") == answer
    with pytest.raises(HookError, match=r"Raising \(before_promotion\) failed with the promotion of v2: KeyError"):
        hooks_of(*plugins, Raising()).veto("tickets-1", "v2", "v1", "better")


def test_what_happened_is_told_in_order(snapshot: Snapshot, training: TrainingInfo) -> None:
    listener = Listener()
    hooks = hooks_of(listener)
    hooks.snapshot_written(snapshot)
    hooks.model_trained(training)
    hooks.model_promoted("tickets-1", "v2", "v1", "better")
    hooks.drift_found("tickets-1", ALARM)
    hooks.predictions_made("tickets-1", "v2", [(7, None)])  # type: ignore[list-item]
    assert hooks.drain(5)
    assert list(listener) == [
        ("snapshot_written", snapshot.id),
        ("model_trained", "tickets-1-v1"),
        ("model_promoted", "tickets-1", "v2", "v1"),
        ("drift_found", "tickets-1", "v2", "errors", "worse"),
        ("predictions_made", "v2", [7]),
    ]


def test_a_failing_listener_is_logged_and_the_others_hear(
    training: TrainingInfo, caplog: pytest.LogCaptureFixture
) -> None:
    listener = Listener()
    hooks = hooks_of(listener, Raising())
    with caplog.at_level(logging.ERROR):
        hooks.model_trained(training)
        assert hooks.drain(5)
    assert list(listener) == [("model_trained", "tickets-1-v1")]
    assert "the hook Raising (model_trained) failed with tickets-1-v1: OSError: disk is full" in caplog.text


def test_nobody_waits_for_a_listener_that_hangs(
    training: TrainingInfo, gate: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    listener = Listener()
    hooks = hooks_of(listener, Hanging(gate), timeout_s=0.2)
    began_s = time.monotonic()
    hooks.model_trained(training)
    assert time.monotonic() - began_s < 0.15
    assert hooks.drain(5)
    assert list(listener) == [("model_trained", "tickets-1-v1")]
    assert "the hook Hanging (model_trained) did not finish" in caplog.text


def test_a_listener_that_cannot_keep_up_misses_calls_and_the_log_says_so(
    training: TrainingInfo, gate: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    hooks = hooks_of(Hanging(gate), timeout_s=30)
    for _ in range(1002):
        hooks.model_trained(training)
    assert "calls of hooks wait already" in caplog.text
    assert not hooks.drain(0.05)
    gate.set()
    assert hooks.drain(10)


@pytest.mark.parametrize(
    ("plugin", "message"),
    [
        (object(), "has no function with the mark"),
        (type("Unknown", (), {"row_lost": hookimpl(lambda self: None)})(), "unknown hook"),
        (type("Wrong", (), {"row_read": hookimpl(lambda self, rows: rows)})(), "cannot be used.*\n.*\n.*'rows'"),
        (type("Wrap", (), {"row_read": hookimpl(wrapper=True)(lambda self: (yield))})(), "wraps row_read"),
    ],
)
def test_what_is_no_hook_is_refused(plugin: object, message: str) -> None:
    with pytest.raises(ConfigurationError, match=f"the hook x .*{message}"):
        Hooks().register(plugin, "x")

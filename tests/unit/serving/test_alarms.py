"""The current alarms: problems that need an operator."""

import logging

import pytest

from ml_backend.serving.alarms import AlarmKind, Alarms


def test_an_alarm_is_logged_when_it_begins_and_when_it_is_over(caplog: pytest.LogCaptureFixture) -> None:
    alarms = Alarms()
    caplog.set_level(logging.WARNING)

    for _ in range(3):
        alarms.begin(AlarmKind.MODEL, "tickets-1", "the champion is gone")
    alarms.end(AlarmKind.MODEL, "tickets-1")
    alarms.end(AlarmKind.MODEL, "tickets-1")

    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("ERROR", "the champion is gone"),
        ("WARNING", "this is over: the champion is gone"),
    ]


def test_alarms_are_told_apart_by_kind_and_by_what_they_are_about() -> None:
    alarms = Alarms()
    alarms.begin(AlarmKind.MODEL, "a", "one")
    alarms.begin(AlarmKind.MODEL, "b", "two")
    alarms.begin(AlarmKind.STATE, "a", "three")
    alarms.begin(AlarmKind.MODEL, "a", "one, in other words")

    assert alarms.sentences() == ["one, in other words", "two", "three"]
    assert alarms.counts() == {AlarmKind.STATE: 1, AlarmKind.MODEL: 2}
    assert (alarms.about(AlarmKind.MODEL, "b"), alarms.about(AlarmKind.STATE, "b")) == ("two", None)

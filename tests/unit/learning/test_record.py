"""Under which names a control's figures are recorded."""

from pathlib import Path

import pytest

from ml_backend.learning.record import ControlRun
from tests.fakes import FakeRun


def names_of(*controls: str) -> list[str]:
    run = FakeRun("run-1", "experiment", "name", Path())
    for control in controls:
        ControlRun(run, control).log_metrics({"loss": 0.5})
    return list(run.metrics)


@pytest.mark.parametrize("control", ["topic", "topic-2_b", "выбор", "catégorie", "種類"])
def test_a_control_of_letters_keeps_its_name(control: str) -> None:
    assert names_of(control) == [f"{control}.loss"]


@pytest.mark.parametrize(
    ("one", "other"), [("बाल", "बेल"), ("a b", "a.b"), ("?", "!"), ("Zu\u0308rich", "Zu\u0301rich")]
)
def test_controls_that_differ_in_signs_are_recorded_apart(one: str, other: str) -> None:
    found = names_of(one, other)

    assert len(set(found)) == 2
    assert all(set(name) <= set(one + other + "-.loss0123456789abcdef") for name in found)

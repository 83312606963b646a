"""How signals end the demo."""

import os
import signal

import pytest

from ml_backend.errors import Interrupted
from ml_backend.jobs.signals import one_interrupt


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_interrupts_and_a_second_one_does_not_cut_the_ending_short(number: signal.Signals) -> None:
    ending = []
    with one_interrupt(), pytest.raises(Interrupted):  # noqa: PT012 (what happens in between is the point)
        try:
            signal.raise_signal(number)
        finally:
            signal.raise_signal(number)
            ending.append("finished")

    assert ending == ["finished"]


def test_no_signal_interrupts_an_ending_that_has_begun_by_itself() -> None:
    with one_interrupt() as end_in_peace:
        end_in_peace()
        os.kill(os.getpid(), signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)


def test_a_hang_up_that_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with one_interrupt():
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_ctrl_c_interrupts_also_where_a_script_started_us_in_the_background() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with one_interrupt(), pytest.raises(Interrupted):
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)

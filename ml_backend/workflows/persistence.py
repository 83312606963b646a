"""Trying again, inside a job's process, what was away or busy."""

import logging
from collections.abc import Callable
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_exponential

from ..errors import LabelloopError

__all__ = ["TRIES_AGAIN", "persistently"]

log = logging.getLogger(__name__)

TRIES_AGAIN = 6
LONGEST_ASKED_WAIT_S = 600.0

_Result = TypeVar("_Result")


def persistently(work: Callable[[], _Result], patience_s: float, wait: Callable[[float, str], None]) -> _Result:
    """What the work gives. Where it meets a passing failure it is done again, up to six times.

    Each wait is twice as long as the one before, or as long as the other side asks, unless that is too long for a job.

    Args:
        patience_s: how long all waits together are, unless longer ones are asked for; 0: nothing is tried again.
        wait: lets so many seconds pass; told why, in a sentence. What it raises ends the trying.

    Raises:
        Exception: what the work raised: at once where that is a lasting failure, else the last time.
    """
    growing = wait_exponential(multiplier=patience_s / (2**TRIES_AGAIN - 1))

    def pause(state: RetryCallState) -> float:
        return max(growing(state), _error(state).retry_after_s or 0.0)

    def tell(state: RetryCallState) -> None:
        seconds = state.next_action.sleep if state.next_action else 0.0
        count = f"{state.attempt_number} of {TRIES_AGAIN}"
        message = f"trying again in {seconds:.0f} s ({count}): {_error(state)}"
        log.warning("%s", message)
        wait(seconds, message)

    retrying = Retrying(
        retry=retry_if_exception(_is_worth_a_wait),
        wait=pause,
        stop=stop_after_attempt(1 + TRIES_AGAIN if patience_s else 1),
        before_sleep=tell,
        sleep=lambda _seconds: None,  # `tell` has waited, since it knows what for
        reraise=True,
    )
    return retrying(work)


def _is_worth_a_wait(error: BaseException) -> bool:
    return (
        isinstance(error, LabelloopError) and error.is_passing and (error.retry_after_s or 0.0) <= LONGEST_ASKED_WAIT_S
    )


def _error(state: RetryCallState) -> LabelloopError:
    """What the work raised, which is asked for after a passing failure alone."""
    error = state.outcome.exception() if state.outcome else None
    return error if isinstance(error, LabelloopError) else LabelloopError()

"""Retry work within a job's process when something was away or busy."""

import logging
from collections.abc import Callable
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_exponential

from ...errors import LabelloopError

__all__ = ["with_retries"]

log = logging.getLogger(__name__)

MOST_RETRIES = 6
LONGEST_ASKED_WAIT_S = 600.0

_Result = TypeVar("_Result")


def with_retries(work: Callable[[], _Result], patience_s: float, wait: Callable[[float, str], None]) -> _Result:
    """Do the work and return its result; repeat it after a passing failure, up to six times.

    Each wait is twice the one before, or as long as the other side asks. If that is too long, the work fails.

    Args:
        patience_s: the total of all waits, unless the other side asks for longer ones; 0: no retry.
        wait: called with a number of seconds to wait, and a sentence on the reason. An error that it raises ends the
            retries.

    Raises:
        Exception: a lasting failure of the work at once, a passing one after the last retry.
    """
    growing = wait_exponential(multiplier=patience_s / (2**MOST_RETRIES - 1))

    def pause(state: RetryCallState) -> float:
        return max(growing(state), _error(state).retry_after_s or 0.0)

    def wait_and_say_why(state: RetryCallState) -> None:
        seconds = state.next_action.sleep if state.next_action else 0.0
        count = f"{state.attempt_number} of {MOST_RETRIES}"
        message = f"trying again in {seconds:.0f} s ({count}): {_error(state)}"
        log.warning("%s", message)
        wait(seconds, message)

    retrying = Retrying(
        retry=retry_if_exception(_is_worth_a_wait),
        wait=pause,
        stop=stop_after_attempt(1 + MOST_RETRIES if patience_s else 1),
        before_sleep=wait_and_say_why,
        sleep=_do_not_sleep,
        reraise=True,
    )
    return retrying(work)


def _do_not_sleep(_seconds: float) -> None:
    # The call before the sleep has waited already: it alone knows the reason, which the job's row shows meanwhile.
    pass


def _is_worth_a_wait(error: BaseException) -> bool:
    return (
        isinstance(error, LabelloopError) and error.is_passing and (error.retry_after_s or 0.0) <= LONGEST_ASKED_WAIT_S
    )


def _error(state: RetryCallState) -> LabelloopError:
    """Return the error of the work; after a passing failure, there is always one."""
    error = state.outcome.exception() if state.outcome else None
    return error if isinstance(error, LabelloopError) else LabelloopError()

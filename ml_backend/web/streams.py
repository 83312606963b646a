"""Server-sent events. The number of open streams is bounded: each holds a thread, which is added for it."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import ClassVar

from flask import Flask, Response, current_app, request

from ..errors import LabelloopError

__all__ = ["Streams"]

KEY = "labelloop_streams"


class Streams:
    """The open streams of an application.

    Attributes:
        MOST: streams at the same time; whoever asks for more is told to do without.
    """

    MOST: ClassVar = 4
    LONGEST_S: ClassVar = 60.0
    """After this, a stream ends and the browser asks again, so that others get their turn."""

    def __init__(self, *, tick_s: float = 1.0) -> None:
        self._places = threading.BoundedSemaphore(self.MOST)
        self._tick_s = tick_s

    def register(self, app: Flask) -> None:
        """Make these the streams of the application."""
        app.extensions[KEY] = self

    @staticmethod
    def of_app() -> "Streams":
        """Return the streams of the current application."""
        found: Streams = current_app.extensions[KEY]
        return found

    def follow(self, look: Callable[[], tuple[str, bool]]) -> Response:
        """Return a stream with an event for each change, until the last one.

        Args:
            look: returns what is to be said now, in one line, and whether nothing else will follow.
        """
        text, is_over = look()
        if is_over or not self._places.acquire(blocking=False):
            return Response(status=204)  # browsers do not ask again
        # PatientWorker's socket; a server of tests has none, and takes whatever it gets.
        deliver: Callable[[], bool] = getattr(request.environ.get("gunicorn.socket"), "deliver", lambda: True)
        response = Response(self._events(text, look, deliver), mimetype="text/event-stream")
        response.headers["X-Accel-Buffering"] = "no"  # nginx passes events on at once
        response.call_on_close(_once(self._places.release))
        return response

    def _events(self, text: str, look: Callable[[], tuple[str, bool]], deliver: Callable[[], bool]) -> Iterator[str]:
        yield f"retry: 2000\n{_event(text)}"
        ends_at, is_over = time.monotonic() + self.LONGEST_S, False
        # What is away now may be back when the browser asks again.
        with suppress(LabelloopError):
            while deliver() and not is_over and time.monotonic() < ends_at:
                time.sleep(self._tick_s)
                now, is_over = look()
                yield ": heartbeat\n\n" if now == text else _event(now)
                text = now


def _event(text: str) -> str:
    return f"data: {text}\n\n"


def _once(release: Callable[[], None]) -> Callable[[], None]:
    """Return a function that releases at its first call alone."""
    is_open = [release]

    def close() -> None:
        if is_open:
            is_open.pop()()

    return close

"""The largest body of a request, by its path."""

from typing import TYPE_CHECKING

from flask import Request

if TYPE_CHECKING:
    from wsgiref.types import WSGIEnvironment

__all__ = ["BODY_LIMIT", "MAX_BODY_BYTES", "BoundedRequest", "body_limit"]

BODY_LIMIT = "labelloop_body_limit"
"""The key in a Flask application's `extensions` for the function that gives `PatientWorker` the limit of a body."""

MB = 1024 * 1024

MAX_BODY_BYTES = 128 * MB
"""The largest body of any request."""

_LIMITS = {
    # 2,500 tasks of 340 characters are 1.2 MB, and Label Studio sends all tasks without a prediction at once.
    "/predict": MAX_BODY_BYTES,
    # 5,000 tasks of 13 KB: Label Studio sends 5,000 at a time, and waits one second for the answer.
    "/webhook": 64 * MB,
    # A label config with 100,000 labels, and the extra parameters that somebody typed in.
    "/setup": 16 * MB,
}
_OTHERS = 64 * 1024
"""The limit for all other paths, such as those of the page's buttons, which send `{}`."""


def body_limit(path: str) -> int:
    """Return the largest body in bytes that a path accepts."""
    return _LIMITS.get(path, _OTHERS)


class BoundedRequest(Request):
    """A request of which no more is read than its path accepts, whichever part of the application reads first."""

    def __init__(self, environ: "WSGIEnvironment", populate_request: bool = True, shallow: bool = False) -> None:
        super().__init__(environ, populate_request, shallow)
        self.max_content_length = body_limit(self.path)

"""How large a request may be, how many events it may hold, and how deeply its JSON may be nested."""

from typing import TYPE_CHECKING, Any

from flask import Flask, Request, abort, request
from flask.json.provider import DefaultJSONProvider

from ..errors import PayloadError
from ..labelstudio.json_text import read_json
from ..labelstudio.payloads import check_event

if TYPE_CHECKING:
    from wsgiref.types import WSGIEnvironment

__all__ = ["BODY_LIMIT", "body_limit", "limit_requests"]

BODY_LIMIT = "labelloop_body_limit"
"""Key in an application's `extensions` of the function that tells `PatientWorker` how much of a body to wait for."""

MB = 1024 * 1024

_LIMITS = {
    # 2,500 tasks of 340 characters are 1.2 MB, and Label Studio sends all tasks without a prediction at once.
    "/predict": 128 * MB,
    # 5,000 tasks of 13 KB: Label Studio sends 5,000 at a time, and waits one second for the answer.
    "/webhook": 64 * MB,
    # A label config with 100,000 labels, and the extra parameters that somebody typed in.
    "/setup": 16 * MB,
}
_OTHERS = 64 * 1024
"""Limit of all other paths, such as the page's buttons, which send `{}`."""


def body_limit(path: str) -> int:
    """Return the largest body in bytes that a path accepts."""
    return _LIMITS.get(path, _OTHERS)


def limit_requests(app: Flask) -> None:
    """Let the application read no more than its limits allow, whichever part of it reads first.

    Call this after the checks of credentials are registered, so that no body of a stranger is read.
    """
    app.request_class = _LimitedRequest
    app.json = _LimitedJson(app)

    @app.before_request
    def check() -> None:
        # Every member of a project can read the webhook's credentials and send an event.
        if request.method == "POST" and request.path == "/webhook":
            try:
                check_event(request.get_data())
            except PayloadError as error:
                abort(413, str(error))


class _LimitedRequest(Request):
    """A request of which no more is read than its path accepts."""

    def __init__(self, environ: "WSGIEnvironment", populate_request: bool = True, shallow: bool = False) -> None:
        super().__init__(environ, populate_request, shallow)
        self.max_content_length = body_limit(self.path)


class _LimitedJson(DefaultJSONProvider):
    """Reads JSON of limited nesting. Flask answers 400 where that fails."""

    def loads(self, s: str | bytes, **_options: Any) -> Any:
        """Parse a JSON text.

        Raises:
            ValueError: it is not JSON, or nested too deeply.
        """
        try:
            return read_json(s.encode() if isinstance(s, str) else s)
        except PayloadError as error:
            raise ValueError(str(error)) from None

"""How large a request's body may be, by what is asked."""

__all__ = ["BODY_LIMIT", "MAX_BODY_BYTES", "body_limit"]

BODY_LIMIT = "labelloop_body_limit"
"""Under which an application keeps, among its extensions, what `PatientWorker` asks before it waits for a body."""

MB = 1024 * 1024

MAX_BODY_BYTES = 128 * MB
"""Of any request."""

_LIMITS = {
    # 2,500 tasks of 340 characters are 1.2 MB, and Label Studio sends all that lack a prediction at once.
    "/predict": MAX_BODY_BYTES,
    # 5,000 tasks of 13 KB: Label Studio tells of 5,000 at a time, and waits one second for the answer.
    "/webhook": 64 * MB,
    # A label config with 100,000 labels, and what somebody typed into the extra parameters.
    "/setup": 16 * MB,
}
_OTHERS = 64 * 1024
"""Buttons of the page, which send `{}`."""


def body_limit(path: str) -> int:
    """The longest body in bytes that a path takes."""
    return _LIMITS.get(path, _OTHERS)

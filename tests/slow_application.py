"""A WSGI application that takes as long as a request asks for, for tests of the server in front of it."""

import time
from collections.abc import Callable, Iterable
from typing import Any

__all__ = ["application"]


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer `/<seconds>/<bytes>` after that time with so many bytes; what was sent is read first."""
    seconds, size = (float(part) for part in environ["PATH_INFO"].strip("/").split("/"))
    received = len(environ["wsgi.input"].read())
    time.sleep(seconds)
    body = f"{received} ".encode() + b"x" * int(size)
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]

"""A Label Studio that answers by a script, below the client of its API."""

from collections.abc import Callable
from typing import Any

import httpx

from ml_backend.labelstudio.http import StudioHttp

__all__ = ["LEGACY", "Answer", "Make", "Scripted", "ok", "refused"]

LEGACY = "0123456789abcdef0123456789abcdef01234567"

Answer = httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]


class Scripted(httpx.BaseTransport):
    """Answers calls one after another from a script, and keeps what it was sent."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []
        self.sent: list[tuple[str, str | None, bytes]] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.requests.append(request)
        # Kept apart, because a request that is made again is the same object with another header.
        self.sent.append((request.url.path, request.headers.get("Authorization"), request.content))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer(request) if callable(answer) else answer


def ok(body: Any = None) -> httpx.Response:
    return httpx.Response(200, json={"ok": True} if body is None else body)


def refused(status: int, body: Any = None) -> httpx.Response:
    return httpx.Response(status, json=body) if body is not None else httpx.Response(status)


Make = Callable[..., StudioHttp]

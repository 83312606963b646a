"""Call the backend as Label Studio does, and find out why nobody answers at an address."""

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ...options import BackendOptions
from ..connecting.webhook import basic_auth

if TYPE_CHECKING:
    import httpx

__all__ = ["BackendAnswer", "BackendProbe"]

TIMEOUT_S = 5.0
PREDICT_TIMEOUT_S = 100.0  # as long as Label Studio waits; the first answer may load a model
CONNECT_TIMEOUT_S = 3.0


@dataclass(frozen=True, slots=True)
class BackendAnswer:
    """The answer of the backend to a call.

    Attributes:
        status: HTTP status, 0 where nobody answered.
        body: the JSON, None where it is none.
        reason: the status line's words, or why there is no answer.
    """

    status: int
    body: Any
    reason: str

    def get(self, key: str) -> Any:
        """Return a value of the body's object, None where there is no such thing."""
        return self.body.get(key) if isinstance(self.body, Mapping) else None


class BackendProbe:
    """Calls the backend as Label Studio does.

    Args:
        transport: what carries the calls; the network unless a test says otherwise.
    """

    def __init__(self, access: BackendOptions, transport: "httpx.BaseTransport | None" = None) -> None:
        self._access = access
        self._transport = transport

    def get(self, path: str, *, with_credentials: bool = True) -> BackendAnswer:
        """Send a GET, with the backend's credentials where it has some."""
        return self._call("GET", path, headers=self._headers() if with_credentials else {})

    def post(
        self,
        path: str,
        body: Mapping[str, Any],
        *,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> BackendAnswer:
        """Send a POST of JSON; `headers` stand in for the backend's credentials."""
        sent = self._headers() if headers is None else headers
        return self._call("POST", path, headers=sent, body=body, timeout_s=timeout_s)

    def _headers(self) -> dict[str, str]:
        if not self._access.password:
            return {}
        return {"Authorization": basic_auth(self._access.user, self._access.password.get_secret_value())}

    def _call(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str],
        body: Mapping[str, Any] | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> BackendAnswer:
        import httpx

        url = f"{self._access.url.rstrip('/')}{path}"
        try:
            with httpx.Client(transport=self._transport, timeout=timeout_s) as client:
                response = client.request(method, url, headers=dict(headers), json=body)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return BackendAnswer(0, None, str(error) or type(error).__name__)
        try:
            return BackendAnswer(response.status_code, response.json(), response.reason_phrase)
        except ValueError:
            return BackendAnswer(response.status_code, None, response.reason_phrase)

    @staticmethod
    def why_unreachable(url: str) -> str:
        """Return `unknown_host`, `refused`, `silent` or, where a connection can be made after all, `reachable`."""
        parts = urlsplit(url)
        try:
            port = parts.port or (443 if parts.scheme == "https" else 80)
            socket.create_connection((parts.hostname or "", port), timeout=CONNECT_TIMEOUT_S).close()
        except (socket.gaierror, ValueError, UnicodeError):
            return "unknown_host"
        except ConnectionRefusedError:
            return "refused"
        except OSError:
            return "silent"
        return "reachable"

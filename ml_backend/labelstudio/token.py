"""Sign calls to Label Studio with a token of either kind."""

import threading
from collections.abc import Callable, Generator

import httpx

__all__ = ["TokenAuth"]


class TokenAuth(httpx.Auth):
    """Sends a legacy token as it is, and exchanges a personal access token for access tokens that last five minutes.

    An access token is kept until Label Studio refuses it, which also covers a server that was restarted with another
    key and clocks that disagree. A refused call was not carried out, so it can be made again.

    Args:
        renewal_url: the address that gives access tokens.
        read_renewal: returns the access token in an answer from there, or raises.
    """

    def __init__(self, token: str, renewal_url: str, read_renewal: Callable[[httpx.Response], str]) -> None:
        self._token = token
        # A personal access token is a JWT.
        self._is_personal = token.startswith("eyJ") and token.count(".") == 2
        self._renewal_url = renewal_url
        self._read_renewal = read_renewal
        self._access: str | None = None
        self._lock = threading.Lock()

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Yield the requests that one call takes: itself, and renewals before and after it where they are needed."""
        if not self._is_personal:
            request.headers["Authorization"] = f"Token {self._token}"
            yield request
            return
        former = self._access
        access = former or (yield from self._renewed(None))
        request.headers["Authorization"] = f"Bearer {access}"
        response = yield request
        if former is not None and response.status_code == httpx.codes.UNAUTHORIZED:
            request.headers["Authorization"] = f"Bearer {(yield from self._renewed(former))}"
            yield request

    def _renewed(self, refused: str | None) -> Generator[httpx.Request, httpx.Response, str]:
        """Return a new access token, renewed here or by another thread meanwhile."""
        with self._lock:
            if self._access is None or self._access == refused:
                answer = yield httpx.Request("POST", self._renewal_url, json={"refresh": self._token})
                answer.read()
                self._access = self._read_renewal(answer)
            return self._access

"""Signs calls to Label Studio with a token of either kind."""

import threading
from collections.abc import Callable, Generator

import httpx

__all__ = ["TokenAuth", "is_personal_token"]


def is_personal_token(token: str) -> bool:
    """True for a personal access token, which is a JWT; False for a legacy token."""
    return token.startswith("eyJ") and token.count(".") == 2


class TokenAuth(httpx.Auth):
    """A legacy token is sent as it is; a personal access token buys access tokens that last five minutes.

    An access token is kept until Label Studio refuses it, which also covers a server that was restarted with another
    key and clocks that disagree. A refused call was not carried out, so it can be made again.

    Args:
        renewal_url: where access tokens are had.
        read_renewal: takes the answer from there, returns the access token or raises.
    """

    def __init__(self, token: str, renewal_url: str, read_renewal: Callable[[httpx.Response], str]) -> None:
        self._token = token
        self._renewal_url = renewal_url
        self._read_renewal = read_renewal
        self._access: str | None = None
        self._lock = threading.Lock()

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """The requests that one call takes: itself, and renewals before and after it where they are needed."""
        if not is_personal_token(self._token):
            request.headers["Authorization"] = f"Token {self._token}"
            yield request
            return
        had = self._access
        access = had or (yield from self._renewed(None))
        request.headers["Authorization"] = f"Bearer {access}"
        response = yield request
        if had is not None and response.status_code == httpx.codes.UNAUTHORIZED:
            request.headers["Authorization"] = f"Bearer {(yield from self._renewed(had))}"
            yield request

    def _renewed(self, refused: str | None) -> Generator[httpx.Request, httpx.Response, str]:
        """A new access token: asked for here, or by another thread meanwhile."""
        with self._lock:
            if self._access is None or self._access == refused:
                answer = yield httpx.Request("POST", self._renewal_url, json={"refresh": self._token})
                answer.read()
                self._access = self._read_renewal(answer)
            return self._access

"""HTTP calls to Label Studio: authentication, retries, and refusals as labelloop's errors."""

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import IO, TYPE_CHECKING, Any

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_exponential

from ..domain.addresses import LOOPBACK_HOSTS
from ..errors import PayloadError, StudioError, StudioRejected, StudioUnauthorized, StudioUnreachable
from .json_stream import json_decoder

if TYPE_CHECKING:
    import httpx

__all__ = ["StudioHttp"]

logger = logging.getLogger(__name__)

ATTEMPTS = 3
RETRIED_STATUSES = (429, 502, 503, 504)
LONGEST_PAUSE_S = 5.0
"""The longest wait of a call before its next attempt; a caller with more time must call again later."""
LONGEST_DETAIL = 300
DECODE = json_decoder()
RENEWAL = "api/token/refresh/"
HOW_TO_GET_ACCESS = (
    "Set LABELLOOP_STUDIO_TOKEN to a token from Label Studio's Account & Settings: a personal access token works on "
    "every instance until it expires; a legacy token only where an administrator has enabled legacy tokens "
    "(Organization > API Tokens Settings)"
)


class _ConnectionFailed(StudioUnreachable):
    """The connection failed before an answer came, so that asking again can help."""


class StudioHttp:
    """Calls to one Label Studio with one token of either kind.

    Label Studio's SDK is not used: it takes seconds to import, refuses answers that differ from the version it was
    made for, and repeats calls that must not be made twice.

    Args:
        timeout_s: longest wait for one answer, where a call does not say otherwise.
        transport: what carries the calls; the network unless a test says otherwise.
        retry_wait_s: pause before the second attempt; it doubles before the third.
    """

    def __init__(
        self,
        url: str,
        token: str,
        timeout_s: float,
        *,
        transport: "httpx.BaseTransport | None" = None,
        retry_wait_s: float = 0.5,
    ) -> None:
        self.url = url.rstrip("/")
        self._token = token.strip()
        self._timeout_s = timeout_s
        self._transport = transport
        self._retry_wait_s = retry_wait_s

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"

    def get(self, path: str, params: Mapping[str, Any] | None = None) -> Any:
        """Return the JSON of a GET, tried up to three times where the connection fails or Label Studio is too busy."""
        retrying = Retrying(
            retry=retry_if_exception(_may_be_repeated),
            stop=stop_after_attempt(ATTEMPTS),
            wait=self._pause,
            before_sleep=_warn,
            reraise=True,
        )
        return retrying(self._call, "GET", path, params=params)

    def _pause(self, state: RetryCallState) -> float:
        """Return the pause before the next attempt: doubled each time, and at least what Label Studio asks for."""
        return max(wait_exponential(multiplier=self._retry_wait_s)(state), _asked_pause_s(_error(state)))

    def send(self, method: str, path: str, body: object = None, *, timeout_s: float | None = None) -> Any:
        """Make a call that changes something, never twice, and return its JSON; None where the answer has no body."""
        return self._call(method, path, body=body, timeout_s=timeout_s)

    def download(self, path: str, params: Mapping[str, Any], target: IO[bytes]) -> None:
        """Write the body of a GET to a file, piece by piece."""
        with self._translated("GET", path), self._client.stream("GET", path, params=dict(params)) as response:
            if response.status_code >= 300:
                response.read()
                self._refuse("GET", path, response)
            for piece in response.iter_bytes():
                target.write(piece)

    def close(self) -> None:
        """Close idle connections."""
        if "_client" in self.__dict__:
            self._client.close()

    @cached_property
    def _client(self) -> "httpx.Client":
        import httpx

        from .token import TokenAuth

        return httpx.Client(
            base_url=f"{self.url}/",
            auth=TokenAuth(self._token, f"{self.url}/{RENEWAL}", self._access_token),
            transport=self._transport,
            timeout=self._timeout_s,
            headers={"User-Agent": "labelloop"},
            # A proxy named in the environment cannot reach this machine's loopback.
            trust_env=httpx.URL(self.url).host not in LOOPBACK_HOSTS,
        )

    def _call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: object = None,
        timeout_s: float | None = None,
    ) -> Any:
        import httpx

        waits = httpx.USE_CLIENT_DEFAULT if timeout_s is None else httpx.Timeout(timeout_s, connect=self._timeout_s)
        content = None if body is None else _json_bytes(method, path, body)
        headers = None if body is None else {"Content-Type": "application/json"}
        with self._translated(method, path, timeout_s):
            response = self._client.request(
                method, path, params=dict(params) if params else None, content=content, headers=headers, timeout=waits
            )
            if response.status_code >= 300:
                self._refuse(method, path, response)
            return self._json(method, path, response)

    def _access_token(self, response: "httpx.Response") -> str:
        if response.status_code >= 300:
            self._refuse("POST", RENEWAL, response)
        answer = self._json("POST", RENEWAL, response)
        access = answer.get("access") if isinstance(answer, dict) else None
        if not isinstance(access, str):
            raise StudioRejected(
                f"{self.url} answered POST {RENEWAL} without an access token; "
                "check that LABELLOOP_STUDIO_URL is the address of Label Studio itself",
                status=response.status_code,
            )
        return access

    def _json(self, method: str, path: str, response: "httpx.Response") -> Any:
        if not response.content:
            return None
        try:
            return DECODE(response.content.decode())
        except (PayloadError, UnicodeDecodeError):
            raise StudioRejected(
                f"{self.url} answered {method} {path} with something that is not JSON; "
                "check that LABELLOOP_STUDIO_URL is the address of Label Studio itself",
                status=response.status_code,
            ) from None

    def _refuse(self, method: str, path: str, response: "httpx.Response") -> None:
        status = response.status_code
        if status < 400:
            raise StudioRejected(
                f"{self.url} redirects {method} {path} to {response.headers.get('location', 'nowhere')}; "
                "set LABELLOOP_STUDIO_URL to the final address",
                status=status,
            )
        detail = self._clean(_detail(response))
        if status == 401:
            raise StudioUnauthorized(f"Label Studio at {self.url} refused the token ({detail}). {HOW_TO_GET_ACCESS}.")
        raise StudioRejected(
            f"Label Studio refused {method} {path} with {status}: {detail}",
            status=status,
            retry_after_s=_retry_after_s(response),
        )

    @contextmanager
    def _translated(self, method: str, path: str, timeout_s: float | None = None) -> Iterator[None]:
        """Turn what httpx raises into labelloop's errors."""
        if not self._token:
            raise StudioUnauthorized(f"no token for Label Studio at {self.url}. {HOW_TO_GET_ACCESS}.")
        if not (self._token.isascii() and self._token.isprintable()) or " " in self._token:
            raise StudioUnauthorized(
                f"the token holds characters that no token has; copy it again. {HOW_TO_GET_ACCESS}."
            )
        import httpx

        try:
            yield
        except httpx.TimeoutException as error:
            raise StudioUnreachable(
                f"Label Studio at {self.url} did not answer {method} {path} within {timeout_s or self._timeout_s:g} s "
                f"({type(error).__name__}); look at its load, or raise LABELLOOP_STUDIO_TIMEOUT_S"
            ) from None
        except httpx.HTTPError as error:
            raise _ConnectionFailed(
                f"Label Studio at {self.url} cannot be reached for {method} {path} "
                f"({self._clean(str(error)) or type(error).__name__}); "
                "check that it runs and that LABELLOOP_STUDIO_URL is right"
            ) from None
        except httpx.InvalidURL as error:
            raise StudioUnreachable(
                f"{self.url} is no URL ({error}); correct LABELLOOP_STUDIO_URL", is_passing=False
            ) from None

    def _clean(self, text: str) -> str:
        return text.replace(self._token, "[token]") if self._token else text


def _json_bytes(method: str, path: str, body: object) -> bytes:
    try:
        return json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError as error:
        # Label Studio would store it, and then fail to show the whole project.
        raise StudioRejected(
            f"{method} {path} was not sent: it holds half of a surrogate pair ({error.object[error.start]!a}), "
            "which is no text; correct the file that it comes from",
            status=400,
        ) from None
    except ValueError as error:
        raise StudioRejected(f"{method} {path} was not sent: {error}", status=400) from None


def _may_be_repeated(error: BaseException) -> bool:
    """True for a failure that may be over at the next attempt; False after a timeout, which took long enough."""
    is_passing = isinstance(error, _ConnectionFailed) or getattr(error, "status", None) in RETRIED_STATUSES
    return is_passing and _asked_pause_s(error) <= LONGEST_PAUSE_S


def _asked_pause_s(error: BaseException | None) -> float:
    return (error.retry_after_s if isinstance(error, StudioError) else None) or 0.0


def _error(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None


def _warn(state: RetryCallState) -> None:
    logger.warning("%s; trying again", _error(state))


def _retry_after_s(response: "httpx.Response") -> float | None:
    """Return the seconds in Retry-After; None for dates, which depend on two clocks; Label Studio never sends them."""
    value = response.headers.get("Retry-After", "")
    return float(value) if value.isascii() and value.isdigit() else None


def _detail(response: "httpx.Response") -> str:
    """Return what Label Studio says about a refusal, in a line."""
    try:
        body = response.json()
    except ValueError:
        return str(response.reason_phrase) or "no reason given"
    if not isinstance(body, dict):
        return str(body)[:LONGEST_DETAIL]
    detail = str(body.get("detail") or "no reason given")
    if body.get("validation_errors"):
        detail = f"{detail}: {json.dumps(body['validation_errors'], ensure_ascii=False)}"
    return detail if len(detail) <= LONGEST_DETAIL else f"{detail[:LONGEST_DETAIL]}..."

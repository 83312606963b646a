"""Drafts from any server that speaks OpenAI's chat completions: vLLM, llama.cpp, Ollama and others."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, NoReturn

from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential

from ..errors import TextServerRejected, TextServerUnreachable
from ..models.generation.generator import DEFAULT_MAX_NEW_TOKENS, Draft

if TYPE_CHECKING:
    import httpx

__all__ = ["OpenAiServer"]

ATTEMPTS = 3
RETRIED_STATUSES = (429, 500, 502, 503, 504)
CONNECT_TIMEOUT_S = 5.0
LONGEST_DETAIL = 300
LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


class _NoAnswer(TextServerUnreachable):
    """The connection failed before an answer came, so that asking again can help."""


class OpenAiServer:
    """Responses of a model behind an HTTP server. Safe to use from several threads.

    Args:
        url: of its API, with the version, such as `http://localhost:8000/v1`.
        model: as the server names it; None: the only one that it has.
        api_key: sent as a bearer token.
        max_new_tokens: most tokens of a response.
        budget_s: seconds per prompt; responses are streamed, and what is there by then is the draft. Also the longest
            wait for the next piece of a response.
        concurrency: prompts that are with the server at a time.
        retry_wait_s: pause before the second attempt; it doubles before the third.
    """

    def __init__(
        self,
        url: str,
        model: str | None = None,
        api_key: str | None = None,
        *,
        max_new_tokens: int = DEFAULT_MAX_NEW_TOKENS,
        budget_s: float = 60.0,
        concurrency: int = 4,
        retry_wait_s: float = 0.5,
    ) -> None:
        self.url = url.rstrip("/")
        self._model = model
        self._api_key = api_key
        self._max_new_tokens = max_new_tokens
        self._budget_s = budget_s
        self._concurrency = concurrency
        self._retry_wait_s = retry_wait_s

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r}, {self._model!r})"

    @cached_property
    def model(self) -> str:
        """Name of the model that answers.

        Raises:
            TextServerError: none was named and the server has none or several; or see `models`.
        """
        if self._model is not None:
            return self._model
        names = self.models()
        if len(names) != 1:
            shown = ", ".join(names) or "none"
            raise TextServerRejected(f"{self.url} has several models or none: {shown}; name the one to ask", status=200)
        return names[0]

    def models(self) -> list[str]:
        """Names of the models that the server has.

        Raises:
            TextServerUnreachable: it does not answer.
            TextServerRejected: it refuses, or answers with something else.
        """
        names: list[str] = self._retrying(self._models)
        return names

    def generate(self, prompts: Sequence[str], *, on_rows: Callable[[int], None] | None = None) -> list[Draft]:
        """One draft per prompt, in the order given; the first that fails ends all.

        Args:
            on_rows: told how many rows are done after every row; what it raises passes through.

        Raises:
            TextServerUnreachable: the server does not answer, three times over.
            TextServerRejected: it refuses.
        """
        if not prompts:
            return []
        name = self.model  # asked for once, before the threads start
        with ThreadPoolExecutor(min(self._concurrency, len(prompts)), thread_name_prefix="drafts") as pool:
            futures = [pool.submit(self._retrying, partial(self._draft, prompt, name)) for prompt in prompts]
            try:
                for done, future in enumerate(as_completed(futures), start=1):
                    future.result()
                    if on_rows is not None:
                        on_rows(done)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
            return [future.result() for future in futures]

    def close(self) -> None:
        """Close idle connections."""
        if "_client" in self.__dict__:
            self._client.close()

    @cached_property
    def _client(self) -> "httpx.Client":
        import httpx

        headers = {"User-Agent": "labelloop"}
        if self._api_key:
            headers["Authorization"] = f"Bearer {self._api_key}"
        return httpx.Client(
            headers=headers,
            timeout=httpx.Timeout(self._budget_s, connect=CONNECT_TIMEOUT_S),
            # A proxy named in the environment cannot reach this machine's loopback.
            trust_env=httpx.URL(self.url).host not in LOOPBACK_HOSTS,
        )

    def _retrying(self, call: Callable[[], Any]) -> Any:
        return Retrying(
            retry=retry_if_exception(_is_passing),
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_exponential(multiplier=self._retry_wait_s),
            reraise=True,
        )(call)

    def _models(self) -> list[str]:
        url = f"{self.url}/models"
        with self._translated(url):
            response = self._client.get(url)
        if response.status_code >= 300:
            self._refuse(url, response)
        try:
            return [str(entry["id"]) for entry in response.json()["data"]]
        except (ValueError, KeyError, TypeError) as error:
            raise TextServerRejected(
                f"{url} answered {response.status_code} with no list of models; give the URL of an OpenAI-compatible "
                "API, which ends in /v1 as a rule",
                status=response.status_code,
            ) from error

    def _draft(self, prompt: str, model: str) -> Draft:
        body = {
            "model": model,
            "messages": [{"role": "user", "content": prompt}],
            "max_tokens": self._max_new_tokens,
            "temperature": 0,
            "stream": True,
        }
        url = f"{self.url}/chat/completions"
        end_s = time.monotonic() + self._budget_s
        received = _Received()
        try:
            with self._translated(url), self._client.stream("POST", url, json=body) as response:
                if response.status_code >= 300:
                    response.read()
                    self._refuse(url, response)
                for choice in _choices(response, url):
                    received.take(choice)
                    if time.monotonic() >= end_s:
                        break
        except TextServerUnreachable:
            # The beginning of a response is a draft; to ask again would take the time a second time.
            if not received.pieces:
                raise
        return Draft("".join(received.pieces).strip(), len(received.pieces), received.is_complete)

    @contextmanager
    def _translated(self, url: str) -> Iterator[None]:
        """Errors of the connection as errors of our own."""
        import httpx

        try:
            yield
        except httpx.InvalidURL as error:
            raise TextServerUnreachable(
                f"{url} is no URL: {error}; wanted one like http://localhost:8000/v1"
            ) from error
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.RemoteProtocolError) as error:
            raise _NoAnswer(f"{url} did not answer: {error}; start the server, or mend its URL") from error
        except httpx.TimeoutException as error:
            raise TextServerUnreachable(
                f"{url} wrote nothing within {self._budget_s:g} s; give it more time, or serve a smaller model"
            ) from error
        except httpx.HTTPError as error:
            raise TextServerUnreachable(f"{url} broke off: {error}; see the server's log") from error

    def _refuse(self, url: str, response: "httpx.Response") -> NoReturn:
        detail = " ".join(response.text.split())[:LONGEST_DETAIL]
        cure = {
            401: "give its API key",
            403: "give an API key that may do this",
            404: "mend the URL, which ends in /v1 as a rule, or the name of the model",
        }.get(response.status_code, "see the server's log")
        raise TextServerRejected(
            f"{url} answered {response.status_code}: {detail or 'nothing'}; {cure}", status=response.status_code
        )


class _Received:
    """What has arrived of a response."""

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.is_complete = False

    def take(self, choice: dict[str, Any]) -> None:
        """Add a piece; a whole message is one piece."""
        content = (choice.get("delta") or choice.get("message") or {}).get("content")
        if content:
            self.pieces.append(str(content))
        if choice.get("finish_reason"):
            self.is_complete = choice["finish_reason"] == "stop"


def _choices(response: "httpx.Response", url: str) -> Iterator[dict[str, Any]]:
    """The first choice of every event of a stream; of the whole answer, where the server does not stream."""
    if not response.headers.get("Content-Type", "").startswith("text/event-stream"):
        response.read()
        yield _first_choice(response.text, url, response.status_code)
        return
    for line in response.iter_lines():
        event = line.removeprefix("data:").strip() if line.startswith("data:") else ""
        if event == "[DONE]":
            return
        if event:
            yield _first_choice(event, url, response.status_code)


def _first_choice(text: str, url: str, status: int) -> dict[str, Any]:
    try:
        answer = json.loads(text)
        if answer.get("error"):
            raise TextServerRejected(f"{url} broke off: {str(answer['error'])[:LONGEST_DETAIL]}", status=status)
        choices: list[dict[str, Any]] = answer["choices"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise TextServerRejected(
            f"{url} answered {status} with something else than chat completions: {text[:LONGEST_DETAIL]!r}; "
            "give the URL of an OpenAI-compatible API",
            status=status,
        ) from error
    # The last event of some servers tells of costs alone.
    return choices[0] if choices else {}


def _is_passing(error: BaseException) -> bool:
    return isinstance(error, _NoAnswer) or (isinstance(error, TextServerRejected) and error.status in RETRIED_STATUSES)

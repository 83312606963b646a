"""Answers of any server that speaks OpenAI's chat completions: vLLM, llama.cpp, Ollama and others."""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property, partial
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential

from ..domain.addresses import LOOPBACK_HOSTS
from ..domain.conversation import turns_of
from ..errors import TextServerRejected, TextServerUnreachable
from ..models.generation.generator import Draft, TextGenerator
from .chat import ChatRequest, Completion

if TYPE_CHECKING:
    from openai import APIResponse, OpenAI

__all__ = ["OpenAiServer"]

CONNECT_TIMEOUT_S = 5.0
LONGEST_DETAIL = 300
T = TypeVar("T")
CURES = {
    401: "give its API key",
    403: "give an API key that may do this",
    404: "mend the URL, which ends in /v1 as a rule, or the name of the model",
}


class _NothingReceived(TextServerUnreachable):
    """No answer began to come, so that asking again can help."""


class OpenAiServer:
    """Responses of a model behind an HTTP server. Safe to use from several threads.

    Args:
        url: URL of its API, with the version, such as `http://localhost:8000/v1`.
        model: as the server names it; None: the only one that it has.
        api_key: sent as a bearer token; None: none is sent.
        max_new_tokens: most tokens of a response.
        budget_s: seconds per prompt; responses are streamed, and what is there by then is the draft. Also the longest
            wait for the next piece of a response.
        concurrency: prompts that are with the server at a time.
        attempts: calls in a row that may fail for a passing reason.
        retry_wait_s: pause before the second attempt; it doubles before each further one.
    """

    def __init__(
        self,
        url: str,
        model: str | None = None,
        api_key: str | None = None,
        *,
        max_new_tokens: int = TextGenerator.DEFAULT_MAX_NEW_TOKENS,
        budget_s: float = 60.0,
        concurrency: int = 4,
        attempts: int = 3,
        retry_wait_s: float = 0.5,
    ) -> None:
        self.url = url.rstrip("/")
        self._model = model
        self._api_key = api_key
        self._max_new_tokens = max_new_tokens
        self._budget_s = budget_s
        self.concurrency = concurrency
        self._attempts = attempts
        self._retry_wait_s = retry_wait_s
        self._refused: frozenset[str] = frozenset()

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
        """Return the names of the models that the server has.

        Raises:
            TextServerUnreachable: it does not answer.
            TextServerRejected: it refuses, or answers with something else.
        """
        return self._retrying(self._models)

    def generate(self, prompts: Sequence[str], *, on_rows: Callable[[int], None] | None = None) -> list[Draft]:
        """Return one draft per prompt, in the order given; the first that fails ends all.

        Args:
            on_rows: called after every row with the number of rows done; what it raises passes through.

        Raises:
            TextServerUnreachable: the server does not answer, three times over.
            TextServerRejected: it refuses.
        """
        if not prompts:
            return []
        name = self.model  # asked for once, before the threads start
        drafts: dict[int, Draft] = {}
        for number, future in self._side_by_side([partial(self._draft, prompt, name) for prompt in prompts]):
            drafts[number] = future.result()
            if on_rows is not None:
                on_rows(len(drafts))
        return [drafts[number] for number in range(len(prompts))]

    def complete(self, requests: Sequence[ChatRequest]) -> Iterator[tuple[int, Completion | TextServerRejected]]:
        """Yield number and answer of each request, in the order in which the answers come.

        A parameter that the server refuses is left out from then on. A request that it refuses all the same, such as a
        text that is too long, yields the refusal.

        Raises:
            TextServerUnreachable: the server does not answer, so many times over as there are attempts.
            TextServerRejected: it is busy all that time, or refuses whatever is asked.
        """
        if not requests:
            return
        name = self.model
        for number, future in self._side_by_side([partial(self._completed, each, name) for each in requests]):
            error = future.exception()
            if isinstance(error, TextServerRejected) and not error.is_passing and error.status not in CURES:
                yield number, error
            else:
                yield number, future.result()

    def close(self) -> None:
        """Close the connections to the server; the next call makes new ones."""
        client: OpenAI | None = self.__dict__.pop("_client", None)
        if client is not None:
            client.close()

    @property
    def refused(self) -> frozenset[str]:
        """The parameters that the server has refused so far."""
        return self._refused

    def _side_by_side(self, calls: Sequence[Callable[[], T]]) -> "Iterator[tuple[int, Future[T]]]":
        """Yield number and outcome of each call, as they come.

        The next call waits until an outcome was taken, so that no more are lost than are with the server at a time.
        """
        waiting = enumerate(calls)
        running: dict[Future[T], int] = {}
        with ThreadPoolExecutor(min(self.concurrency, len(calls)), thread_name_prefix="texts") as pool:
            while True:
                for number, call in islice(waiting, self.concurrency - len(running)):
                    running[pool.submit(self._retrying, call)] = number
                if not running:
                    return
                first = next(iter(wait(running, return_when=FIRST_COMPLETED).done))
                yield running.pop(first), first

    @cached_property
    def _client(self) -> "OpenAI":
        # Imported late: it takes a second, and most backends have no such server.
        import httpx
        from openai import OpenAI

        timeout = httpx.Timeout(self._budget_s, connect=CONNECT_TIMEOUT_S)
        client = OpenAI(
            base_url=self.url,
            # Never None: the package would send the key in an environment variable that it knows to this server.
            api_key=self._api_key or "",
            default_headers={"User-Agent": "labelloop"},
            timeout=timeout,
            # The package would also ask again after a time-out, which takes the whole budget a second time.
            max_retries=0,
            # Not the package's client, which follows redirects. A proxy cannot reach this machine's loopback.
            http_client=httpx.Client(timeout=timeout, trust_env=httpx.URL(self.url).host not in LOOPBACK_HOSTS),
        )
        client.organization = client.project = None  # these come from the environment, too
        return client

    def _retrying(self, call: Callable[[], T]) -> T:
        return Retrying(
            retry=retry_if_exception(_is_passing),
            stop=stop_after_attempt(self._attempts),
            wait=wait_exponential(multiplier=self._retry_wait_s),
            reraise=True,
        )(call)

    def _models(self) -> list[str]:
        url = f"{self.url}/models"
        with self._translated(url, "no list of models"):
            return [str(entry.id) for entry in self._client.models.list().data]

    def _draft(self, prompt: str, model: str) -> Draft:
        url = f"{self.url}/chat/completions"
        end_s = time.monotonic() + self._budget_s
        pieces: list[str] = []
        is_complete = False
        try:
            with self._translated(url, "something else than chat completions"), self._asked(prompt, model) as response:
                for choice in _choices(response):
                    if content := (choice.get("delta") or choice.get("message") or {}).get("content"):
                        pieces.append(str(content))
                    if choice.get("finish_reason"):
                        is_complete = choice["finish_reason"] == "stop"
                    if time.monotonic() >= end_s:
                        break
        except TextServerUnreachable:
            # The beginning of a response is a draft; to ask again would take the time a second time.
            if not pieces:
                raise
        return Draft("".join(pieces).strip(), len(pieces), is_complete)

    def _completed(self, request: ChatRequest, model: str) -> Completion:
        """Return the answer to a request, without the parameters that the server refuses."""
        left_out = self._refused
        while True:
            try:
                answer = self._completion(request, model, left_out)
            except TextServerRejected as error:
                given_up = request.given_up(error.status, str(error), left_out)
                if not given_up:
                    raise
                left_out |= given_up
            else:
                self._refused |= (
                    left_out  # of parameters that were refused in vain, for another reason, nothing is kept
                )
                return answer

    def _completion(self, request: ChatRequest, model: str, left_out: frozenset[str]) -> Completion:
        from openai import APIError

        url = f"{self.url}/chat/completions"
        start_s = time.monotonic()
        with (
            self._translated(url, "something else than chat completions"),
            self._client.chat.completions.with_streaming_response.create(
                **request.parameters(model, left_out)
            ) as response,
        ):
            answer = json.loads(response.read())
            if error := answer.get("error"):
                raise APIError("the answer is an error", response.http_request, body=error)
            return Completion.of(answer, time.monotonic() - start_s)

    def _asked(self, prompt: str, model: str) -> "AbstractContextManager[APIResponse[Any]]":
        messages: Any = [{"role": role, "content": words} for role, words in turns_of(prompt)]
        return self._client.chat.completions.with_streaming_response.create(
            model=model,
            messages=messages,
            max_tokens=self._max_new_tokens,
            temperature=0,
            stream=True,
        )

    @contextmanager
    def _translated(self, url: str, instead: str) -> Iterator[None]:
        """Raise the package's errors as labelloop's.

        Args:
            instead: what an answer is called that is not what was asked for.
        """
        import httpx
        import openai

        try:
            yield
        except openai.APIStatusError as error:
            status, detail = error.status_code, " ".join(error.response.text.split())[:LONGEST_DETAIL]
            cure = CURES.get(status, "see the server's log")
            message = f"{url} answered {status}: {detail or 'nothing'}; {cure}"
            raise TextServerRejected(message, status=status) from error
        except openai.APIConnectionError as error:
            raise self._unreachable(url, error.__cause__ or error) from error
        except openai.APIError as error:
            message = f"{url} broke off: {str(error.body or error)[:LONGEST_DETAIL]}"
            raise TextServerRejected(message, status=httpx.codes.OK) from error
        except httpx.HTTPError as error:  # the package does not translate what happens while an answer comes in
            raise self._unreachable(url, error) from error
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            shown = f": {error.doc[:LONGEST_DETAIL]!r}" if isinstance(error, json.JSONDecodeError) else ""
            cure = "give the URL of an OpenAI-compatible API, which ends in /v1 as a rule"
            raise TextServerRejected(f"{url} answered with {instead}{shown}; {cure}", status=httpx.codes.OK) from error

    def _unreachable(self, url: str, error: BaseException) -> TextServerUnreachable:
        import httpx

        if isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout, httpx.RemoteProtocolError)):
            return _NothingReceived(f"{url} did not answer: {error}; start the server, or mend its URL")
        if isinstance(error, httpx.TimeoutException):
            return TextServerUnreachable(
                f"{url} wrote nothing within {self._budget_s:g} s; give it more time, or serve a smaller model"
            )
        return TextServerUnreachable(f"{url} broke off: {error}; see the server's log")


def _choices(response: "APIResponse[Any]") -> Iterator[dict[str, Any]]:
    """Yield the first choice of every event of a stream, or of the whole answer where the server does not stream."""
    from openai import APIError, Stream

    is_stream = response.headers.get("Content-Type", "").startswith("text/event-stream")
    answers: Iterable[Any] = response.parse(to=Stream[object]) if is_stream else [json.loads(response.read())]
    for answer in answers:
        if error := answer.get("error"):
            raise APIError("the answer is an error", response.http_request, body=error)
        # The last event of some servers has the costs and no choice.
        yield (answer["choices"] or [{}])[0]


def _is_passing(error: BaseException) -> bool:
    return isinstance(error, _NothingReceived) or (isinstance(error, TextServerRejected) and error.is_passing)

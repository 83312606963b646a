"""A small HTTP server that speaks OpenAI's chat completions, with and without streaming."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Script:
    """What the server does.

    Attributes:
        answer: the response to a prompt, word by word.
        refusals: (status, body) of the first answers, whose content type is `refusal_kind`.
        requests, headers: what was sent.
        pauses_s: before every word; the last one goes for the words that follow.
        streams: False where it gives whole answers, asked for a stream or not.
        unknown: parameters that it refuses by name.
        gives_logprobs: it gives the log-probability of each word, where it is asked to.
    """

    answer: Callable[[str], str] = lambda prompt: f"You said {prompt}"
    models: tuple[str, ...] = ("tuned",)
    api_key: str | None = None
    refusals: list[tuple[int, str]] = field(default_factory=list)
    pauses_s: tuple[float, ...] = (0.0,)
    streams: bool = True
    most_tokens: int = 1000
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    refusal_kind: str = "text/plain"
    most_at_a_time: int = 0
    unknown: tuple[str, ...] = ()
    gives_logprobs: bool = False
    log_probability: Callable[[str], float] = lambda word: -0.1


@contextmanager
def openai_server(script: Script) -> Iterator[str]:
    """Its URL, with the version; stopped at the end."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(script))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _pause_s(script: Script, word: int) -> float:
    return script.pauses_s[min(word, len(script.pauses_s) - 1)]


def _handler(script: Script) -> type[BaseHTTPRequestHandler]:
    lock = threading.Lock()
    under_way = 0

    @contextmanager
    def at_work() -> Iterator[None]:
        """Over before the client can know that the answer is whole, and ask for the next one."""
        nonlocal under_way
        with lock:
            under_way += 1
            script.most_at_a_time = max(script.most_at_a_time, under_way)
        try:
            yield
        finally:
            with lock:
                under_way -= 1

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path != "/v1/models":
                self._send(404, {"error": {"message": "no such page"}})
            elif self._is_welcome():
                self._send(200, {"object": "list", "data": [{"id": name, "object": "model"} for name in script.models]})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.path != "/v1/chat/completions":
                self._send(404, {"error": {"message": "no such page"}})
                return
            if not self._is_welcome():
                return
            with lock:
                script.requests.append(body)
                script.headers.append(dict(self.headers))
                refusal = script.refusals.pop(0) if script.refusals else None
            refused = next((name for name in script.unknown if name in body), None)
            if refused is not None:
                self._send(400, {"error": {"message": f"unknown parameter: {refused}"}})
            elif refusal is not None:
                self._write(refusal[0], script.refusal_kind, refusal[1].encode())
            else:
                self._answer(body)

        def _answer(self, body: dict[str, Any]) -> None:
            words = script.answer(body["messages"][-1]["content"]).split(" ")
            kept = words[: min(body.get("max_tokens", 1000), script.most_tokens)]
            reason = "stop" if len(kept) == len(words) else "length"
            if not (body.get("stream") and script.streams):
                with at_work():
                    time.sleep(sum(_pause_s(script, number) for number in range(len(kept))))
                message = {"role": "assistant", "content": " ".join(kept)}
                choice: dict[str, Any] = {"index": 0, "message": message, "finish_reason": reason}
                if body.get("logprobs") and script.gives_logprobs:
                    tokens = [word if number == 0 else f" {word}" for number, word in enumerate(kept)]
                    choice["logprobs"] = {
                        "content": [{"token": each, "logprob": script.log_probability(each)} for each in tokens]
                    }
                read = sum(len(each["content"].split()) for each in body["messages"])
                usage = {"prompt_tokens": read, "completion_tokens": len(kept)}
                self._send(200, {"choices": [choice], "usage": usage})
                return
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream; charset=utf-8")
            self.end_headers()
            try:
                self._event({"role": "assistant", "content": ""})
                with at_work():
                    for number, word in enumerate(kept):
                        time.sleep(_pause_s(script, number))
                        self._event({"content": word if number == 0 else f" {word}"})
                self._event({}, reason)
                self.wfile.write(b'data: {"choices": [], "usage": {"total_tokens": 7}}\n\ndata: [DONE]\n\n')
            except (BrokenPipeError, ConnectionResetError):
                pass  # the client has had enough

        def _event(self, delta: dict[str, Any], reason: str | None = None) -> None:
            event = {"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}
            self.wfile.write(f"data: {json.dumps(event)}\n\n".encode())

        def _is_welcome(self) -> bool:
            if script.api_key is None or self.headers.get("Authorization") == f"Bearer {script.api_key}":
                return True
            self._send(401, {"error": {"message": "wrong API key"}})
            return False

        def _send(self, status: int, answer: dict[str, Any]) -> None:
            self._write(status, "application/json", json.dumps(answer).encode())

        def _write(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing: tests read what they ask for."""

    return Handler

"""Annotators at once: threads that post one `/predict` after the other, each on a connection that stays open.

Run as a process of its own, so that the work of asking is not done by the process that is asked: reads a JSON object
from standard input, see `ask`, and writes one to standard output.
"""

import http.client
import json
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks.support.machine import REPOSITORY
from benchmarks.support.texts import FreshTexts

__all__ = ["Load", "asking", "body_of"]

TIMEOUT_S = 100.0  # as long as Label Studio waits for predictions
QUOTED = 3


@dataclass(frozen=True, slots=True)
class Load:
    """What is asked of a server.

    Attributes:
        clients: that ask at the same time, each as soon as it has its answer.
        batch: tasks per request.
        kind: of the texts, a key of the pool.
        seed: another one for every round, since texts must not repeat.
    """

    url: str
    pool: str
    label_config: str
    clients: int
    batch: int
    kind: str
    seconds: float
    seed: int
    project_id: int = 1


@dataclass(slots=True)
class _Answers:
    milliseconds: list[float] = field(default_factory=list)
    versions: set[str] = field(default_factory=set)
    failures: list[str] = field(default_factory=list)


class asking:  # noqa: N801 (reads as a verb where it is used)
    """The clients' process, started; `result()` waits for what they measured.

    The result holds `milliseconds` of every answered request, `wall_s`, `texts`, `versions` that answered, and
    `failed` with the first few `failures` in words.
    """

    def __init__(self, load: Load) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.support.clients"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=REPOSITORY,
        )
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asdict(load)))
        self._process.stdin.close()

    def result(self) -> dict[str, Any]:
        """What they measured."""
        assert self._process.stdout is not None
        with self._process.stdout as answer:
            text = answer.read()
        if self._process.wait() != 0:
            raise SystemExit("the clients ended with an error; it is shown above")
        found: dict[str, Any] = json.loads(text)
        return found


def body_of(texts: list[str], label_config: str, project_id: int, first_id: int) -> bytes:
    """A request as Label Studio sends it."""
    tasks = [{"id": first_id + n, "data": {"text": text}} for n, text in enumerate(texts)]
    request = {"tasks": tasks, "project": f"{project_id}.1700000000", "label_config": label_config, "params": {}}
    return json.dumps(request).encode()


def _ask(load: Load) -> dict[str, Any]:
    """Let the clients work; all begin at the same moment, connected already."""
    pool = json.loads(Path(load.pool).read_text(encoding="utf-8"))[load.kind]
    answers = [_Answers() for _ in range(load.clients)]
    start = threading.Barrier(load.clients + 1)
    threads = [
        threading.Thread(target=_client, args=(load, FreshTexts(pool, load.seed * 1000 + n), answers[n], start, n))
        for n in range(load.clients)
    ]
    for thread in threads:
        thread.start()
    start.wait()
    began = time.perf_counter()
    for thread in threads:
        thread.join()
    wall_s = time.perf_counter() - began
    failures = [failure for each in answers for failure in each.failures]
    times = [time_ms for each in answers for time_ms in each.milliseconds]
    return {
        "milliseconds": times,
        "wall_s": wall_s,
        "texts": len(times) * load.batch,
        "versions": sorted(set().union(*(each.versions for each in answers))),
        "failed": len(failures),
        "failures": failures[:QUOTED],
    }


def _client(load: Load, texts: FreshTexts, answers: _Answers, start: threading.Barrier, number: int) -> None:
    address = urlsplit(load.url)
    connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=TIMEOUT_S)
    with suppress(OSError):  # the first request says so
        connection.connect()
    first_id = 1 + 10_000_000 * (number + 1)
    body = body_of(texts.take(load.batch), load.label_config, load.project_id, first_id)
    start.wait()
    end = time.perf_counter() + load.seconds
    while not answers.milliseconds or time.perf_counter() < end:
        began = time.perf_counter()
        try:
            connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            answer = response.read()
        except (OSError, http.client.HTTPException) as error:
            answers.failures.append(f"{type(error).__name__}: {error}")
            connection.close()
            if time.perf_counter() >= end:
                return
            continue
        answers.milliseconds.append(1000 * (time.perf_counter() - began))
        _check(load, response.status, answer, answers)
        first_id += load.batch
        body = body_of(texts.take(load.batch), load.label_config, load.project_id, first_id)


def _check(load: Load, status: int, answer: bytes, answers: _Answers) -> None:
    if status != http.HTTPStatus.OK:
        answers.failures.append(f"status {status}: {answer[:200]!r}")
        return
    results: list[Mapping[str, Any]] = json.loads(answer)["results"]
    full = [each for each in results if each["result"]]
    if len(full) != load.batch:
        answers.failures.append(f"{len(full)} of {load.batch} tasks have a pre-label")
    answers.versions.update(str(each["model_version"]) for each in results)


def main() -> None:
    """See the module."""
    sys.stdout.write(json.dumps(_ask(Load(**json.load(sys.stdin)))))


if __name__ == "__main__":
    main()

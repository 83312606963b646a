"""Many threads, one runtime."""

import gc
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import pytest

from ml_backend.arrays import Floats2d
from ml_backend.errors import EncoderError
from ml_backend.serving.engine import Engine

POISON = 13


class Vectors:
    """A runtime whose vectors tell the token and where it stands; it refuses the token `POISON`.

    Attributes:
        batches: the lengths of the sequences of every batch.
        gate: while it is cleared, the batch under way does not end.
    """

    name = "vectors"
    tokens_per_batch = 64
    memory_bytes = 5

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.has_begun = threading.Event()
        self.is_closed = threading.Event()
        self.threads: set[int] = set()
        self._is_busy = False

    def hidden(self, sequences: Sequence[Sequence[int]]) -> list[Floats2d]:
        assert not self._is_busy
        self._is_busy = True
        self.threads.add(threading.get_ident())
        self.batches.append([len(sequence) for sequence in sequences])
        self.has_begun.set()
        self.gate.wait()
        self._is_busy = False
        if any(POISON in sequence for sequence in sequences):
            raise RuntimeError("the device says no")
        return [np.array([[token, at] for at, token in enumerate(each)], dtype=np.float32) for each in sequences]

    def close(self) -> None:
        self.is_closed.set()


@pytest.fixture
def runtime() -> Vectors:
    return Vectors()


@pytest.fixture
def pool(runtime: Vectors) -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(64) as threads:
        yield threads
        runtime.gate.set()


@pytest.fixture
def engine(runtime: Vectors) -> Engine:
    return Engine(runtime)


class Line:
    """Requests to an engine whose first batch does not end before the others wait behind it."""

    def __init__(self, engine: Engine, runtime: Vectors, pool: ThreadPoolExecutor) -> None:
        self._engine, self._runtime, self._pool = engine, runtime, pool

    def ask(self, first: Sequence[Sequence[int]], *others: Sequence[Sequence[int]]) -> list["Future[list[Floats2d]]"]:
        self._runtime.gate.clear()
        asked = [self._pool.submit(self._engine.hidden, first)]
        self._runtime.has_begun.wait()
        asked += [self._pool.submit(self._engine.hidden, each) for each in others]
        deadline = time.monotonic() + 10
        # What is left of a first request that is larger than a batch waits as well.
        while len(self._engine._queue._waiting) < len(others) + (len(first) > 8):
            assert time.monotonic() < deadline
            time.sleep(0.001)
        return asked


@pytest.fixture
def line(engine: Engine, runtime: Vectors, pool: ThreadPoolExecutor) -> Line:
    return Line(engine, runtime, pool)


def test_many_threads_get_what_the_runtime_alone_gives(
    engine: Engine, runtime: Vectors, pool: ThreadPoolExecutor
) -> None:
    draw = np.random.default_rng(1)
    requests = [
        [draw.integers(100, 999, size=draw.integers(1, 40)).tolist() for _ in range(draw.integers(0, 30))]
        for _ in range(200)
    ]

    answers = list(pool.map(engine.hidden, requests))

    alone = Vectors()
    for request, found in zip(requests, answers, strict=True):
        assert len(found) == len(request)
        for vectors, expected in zip(found, alone.hidden(request), strict=True):
            np.testing.assert_array_equal(vectors, expected)
    assert len(runtime.threads) == 1
    assert len(runtime.batches) < sum(map(len, requests)) / 2
    assert all(sum(lengths) <= 64 and lengths == sorted(lengths, reverse=True) for lengths in runtime.batches)


def test_requests_that_come_meanwhile_are_computed_together(runtime: Vectors, line: Line) -> None:
    asked = line.ask(*([[n] * n] for n in range(1, 9)))
    runtime.gate.set()

    assert [len(each.result()[0]) for each in asked] == list(range(1, 9))
    assert runtime.batches == [[1], [8, 7, 6, 5, 4, 3, 2]]


def test_one_text_waits_for_no_more_than_the_batch_under_way(runtime: Vectors, line: Line) -> None:
    large, small = line.ask([[7] * 8] * 5000, [[1, 2, 3]])
    runtime.gate.set()

    assert len(small.result()[0]) == 3
    assert len(large.result()) == 5000
    assert runtime.batches[:3] == [[8] * 8, [8, 8, 8, 8, 3], [8] * 8]


def test_two_large_requests_share_the_batches(runtime: Vectors, line: Line) -> None:
    requests = line.ask([[1]], [[7] * 8] * 100, [[7] * 4] * 100)
    runtime.gate.set()

    assert [len(each.result()) for each in requests] == [1, 100, 100]
    assert runtime.batches[1] == [8] * 4 + [4] * 8
    assert sum(map(sum, runtime.batches)) == 1 + 100 * 8 + 100 * 4


def test_a_sequence_above_the_budget_has_a_batch_for_itself(engine: Engine, runtime: Vectors) -> None:
    found = engine.hidden([[5] * 3, [6] * 100, [7] * 2])

    assert [vectors[0, 0] for vectors in found] == [5, 6, 7]
    assert runtime.batches == [[100], [3, 2]]


def test_a_request_that_cannot_be_computed_fails_and_its_neighbours_do_not(
    engine: Engine, runtime: Vectors, line: Line
) -> None:
    blocker, *good, bad = line.ask([[1]], *([[n], [n, n]] for n in range(20, 24)), [[POISON], *[[1] * 10] * 50])
    runtime.gate.set()

    with pytest.raises(RuntimeError, match="the device says no"):
        bad.result()
    assert [[vectors.shape for vectors in each.result()] for each in [*good]] == [[(1, 2), (2, 2)]] * 4
    assert len(blocker.result()) == 1
    assert engine.hidden([[3]])[0].tolist() == [[3, 0]]


def test_a_runtime_that_answers_too_little_is_an_error(runtime: Vectors) -> None:
    class Forgetful(Vectors):
        def hidden(self, sequences: Sequence[Sequence[int]]) -> list[Floats2d]:
            return super().hidden(sequences)[1:]

    with pytest.raises(ValueError, match="shorter"):
        Engine(Forgetful()).hidden([[1], [2]])


def test_nothing_is_asked_for_nothing(runtime: Vectors) -> None:
    assert Engine(runtime).hidden([]) == []
    assert runtime.batches == []


def test_a_closed_engine_answers_those_who_wait_and_refuses_others(
    engine: Engine, runtime: Vectors, line: Line
) -> None:
    waiting = line.ask([[1]], [[2]], [[3]])

    engine.close()

    with pytest.raises(EncoderError, match="put away while it was asked; ask again"):
        engine.hidden([[4]])
    assert not runtime.is_closed.is_set()
    runtime.gate.set()
    assert [int(each.result()[0][0, 0]) for each in waiting] == [1, 2, 3]
    assert runtime.is_closed.wait(10)


def test_an_engine_that_nobody_holds_closes_its_runtime_and_ends_its_thread(runtime: Vectors) -> None:
    engine = Engine(runtime)
    engine.hidden([[1]])
    (thread,) = [each for each in threading.enumerate() if each.ident in runtime.threads]

    del engine
    gc.collect()

    assert runtime.is_closed.wait(10)
    thread.join(10)
    assert not thread.is_alive()


def test_an_engine_that_was_never_asked_closes_its_runtime_too(runtime: Vectors) -> None:
    Engine(runtime).close()

    assert runtime.is_closed.is_set()

"""One runtime for many threads: what they ask for at the same time is computed together, in turns that are fair."""

import threading
import weakref
from collections import deque
from collections.abc import Sequence

from ..arrays import Floats2d
from ..errors import EncoderError
from ..models.base.native_threads import NativeThread
from ..models.graphs.runtimes.base import Runtime

__all__ = ["Engine"]


class Engine:
    """Computes the layers of a model for any number of threads, on one thread.

    Nobody waits for a batch to fill: a batch is what waits when the one before is done. Each request that waits has
    the same share of it, so one text never waits for more than the batch under way, however many texts another
    request holds.

    Where a batch fails, its requests are computed one by one; one that fails alone raises what the runtime raised.

    An engine that nothing refers to any more closes by itself.

    Args:
        runtime: used by one thread at a time, and closed in the end.
    """

    def __init__(self, runtime: Runtime) -> None:
        self.name = runtime.name
        self.memory_bytes = runtime.memory_bytes
        self._queue = _Queue(runtime)
        # The thread knows the queue alone, or the engine would live as long as it.
        weakref.finalize(self, self._queue.close).atexit = False

    def hidden(self, sequences: Sequence[Sequence[int]]) -> list[Floats2d]:
        """The last layer's vectors of each token sequence, shape (T, D), in the order given.

        Raises:
            EncoderError: the engine was closed.
        """
        return self._queue.ask(_Request(sequences)) if sequences else []

    def close(self) -> None:
        """Take no more requests, and return at once; the ones that wait are answered before the runtime is closed."""
        self._queue.close()


class _Request:
    """Sequences that a thread waits for.

    Attributes:
        is_done: set once all of them are answered, or one has failed.
    """

    def __init__(self, sequences: Sequence[Sequence[int]]) -> None:
        self.sequences = sequences
        self.is_done = threading.Event()
        self._left = sorted(range(len(sequences)), key=lambda i: len(sequences[i]))
        self._answers: dict[int, Floats2d] = {}
        self._error: BaseException | None = None

    @property
    def has_more(self) -> bool:
        """True while some sequences are in no batch yet."""
        return bool(self._left)

    @property
    def longest(self) -> int:
        """Tokens of the longest sequence that is in no batch yet."""
        return len(self.sequences[self._left[-1]])

    def take(self, most_tokens: int) -> tuple[list[int], int]:
        """Positions of the longest sequences that are in no batch yet, at least one, and how many tokens they have."""
        tokens = self.longest
        chunk = [self._left.pop()]
        while self._left and tokens + self.longest <= most_tokens:
            tokens += self.longest
            chunk.append(self._left.pop())
        return chunk, tokens

    def answer(self, position: int, vectors: Floats2d) -> None:
        """Keep the answer to a sequence."""
        self._answers[position] = vectors
        if len(self._answers) == len(self.sequences):
            self.is_done.set()

    def fail(self, error: BaseException) -> None:
        """Give up what is left."""
        self._error = error
        self._left.clear()
        self.is_done.set()

    def result(self) -> list[Floats2d]:
        """The answers in order; waits for them."""
        self.is_done.wait()
        if self._error is not None:
            raise self._error
        return [self._answers[position] for position in range(len(self.sequences))]


_Batch = list[tuple[_Request, list[int]]]
"""Requests, and the positions of some sequences of each."""


class _Queue:
    """Requests that wait, and the thread that works them off; the thread starts with the first one."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._waiting: deque[_Request] = deque()
        self._change = threading.Condition()
        self._thread: NativeThread | None = None
        self._is_closed = False

    def ask(self, request: _Request) -> list[Floats2d]:
        with self._change:
            if self._is_closed:
                raise EncoderError("this model was put away while it was asked; ask again, and its successor answers")
            self._waiting.append(request)
            if self._thread is None:
                self._thread = NativeThread(self._work_off, name="engine", stop=self.close)
                self._thread.start()
            self._change.notify()
        return request.result()

    def close(self) -> None:
        with self._change:
            if self._is_closed:
                return
            self._is_closed = True
            self._change.notify()
            if self._thread is None:
                self._runtime.close()

    def _work_off(self) -> None:
        while batch := self._next_batch():
            self._compute(batch)
        self._runtime.close()

    def _next_batch(self) -> _Batch:
        """A chunk of each request that waits, as long as they fit; empty once the queue is closed."""
        batch: _Batch = []
        room = self._runtime.tokens_per_batch
        with self._change:
            self._change.wait_for(lambda: self._waiting or self._is_closed)
            share = room // max(len(self._waiting), 1)
            for _ in range(len(self._waiting)):
                request = self._waiting[0]
                if batch and request.longest > room:
                    break
                chunk, tokens = request.take(min(share, room))
                batch.append((request, chunk))
                room -= tokens
                self._waiting.popleft()
                if request.has_more:
                    self._waiting.append(request)
        return batch

    def _compute(self, batch: _Batch) -> None:
        items = [(request, position) for request, chunk in batch for position in chunk]
        items.sort(key=lambda each: -len(each[0].sequences[each[1]]))
        try:
            outputs = self._runtime.hidden([request.sequences[position] for request, position in items])
            answers = list(zip(items, outputs, strict=True))
        except BaseException as error:
            # What the libraries raise has no common base, and a thread that waits would wait for ever.
            self._recover(batch, error)
            return
        for (request, position), vectors in answers:
            request.answer(position, vectors)

    def _recover(self, batch: _Batch, error: BaseException) -> None:
        if len(batch) > 1:
            for part in batch:
                self._compute([part])
            return
        ((request, _),) = batch
        with self._change:
            request.fail(error)
            if request in self._waiting:
                self._waiting.remove(request)

"""Greedy decoding by OpenVINO on the CPU, in one batch that shrinks as responses end and grows as others begin."""

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...arrays import Ints
from ...errors import GraphError
from ..base.device import cores
from .generator import TokenWriter, Written
from .writer_graph import WriterGraph

__all__ = ["GraphWriter"]

TOKENS_AT_ONCE = 4096
"""Tokens of prompts and responses that the batch holds; a bound on its memory."""
ALIGNED = 32
"""Prompts end at multiples of this place, with padding before them.

So a prompt lies in the same way in the blocks that attention is computed in, whatever it is computed together with.
"""
CACHE_BYTES = 4
"""A number in the cache takes so many at most."""


class GraphWriter(TokenWriter):
    """A graph that writes. What several threads ask for is computed together.

    Every thread that waits makes the next step for all, one at a time, until its own responses are there.

    Args:
        clock: seconds from any origin.

    Raises:
        GraphError: OpenVINO cannot compute it on this machine.
    """

    def __init__(self, graph: WriterGraph, clock: Callable[[], float] = time.monotonic) -> None:
        try:
            import openvino

            core = openvino.Core()
            # In 8 bits the cache would be scaled by groups of tokens, and depend on where in them a prompt begins.
            has_bf16 = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
            properties = {
                "PERFORMANCE_HINT": "LATENCY",
                "INFERENCE_NUM_THREADS": cores(),
                "KV_CACHE_PRECISION": "bf16" if has_bf16 else "f32",
            }
            compiled = core.compile_model(str(graph.xml), "CPU", properties)
            self._main, self._joining = compiled.create_infer_request(), compiled.create_infer_request()
        except (ImportError, RuntimeError) as error:
            raise GraphError(f"OpenVINO cannot compute {graph.xml} on this machine: {error}") from error
        self.max_length_tokens = graph.facts.max_length_tokens
        per_token = sum(math.prod((state.state.shape[1], state.state.shape[3])) for state in self._main.query_state())
        self.memory_bytes = graph.weights.stat().st_size + TOKENS_AT_ONCE * per_token * CACHE_BYTES
        self._clock = clock
        self._lock = threading.Lock()
        self._waiting: deque[_Response] = deque()
        self._rows: list[_Response] = []
        self._mask: Ints = np.zeros((0, 0), dtype=np.int64)

    def write(
        self,
        prompts: Sequence[Sequence[int]],
        *,
        most_tokens: int,
        longest: int | None,
        stop_ids: Sequence[int],
        budget_s: float | None = None,
        on_rows: Callable[[int], None] | None = None,
    ) -> list[Written]:
        """As `TokenWriter.write`.

        Raises:
            GraphError: OpenVINO failed.
        """
        end_s = math.inf if budget_s is None else self._clock() + budget_s
        responses = [
            _Response(
                ids,
                most_tokens if longest is None else max(1, min(most_tokens, longest - len(ids))),
                frozenset(stop_ids),
                end_s,
            )
            for ids in prompts
        ]
        with self._lock:
            # Prompts of like length begin together, and need little padding.
            self._waiting.extend(sorted(responses, key=lambda each: -len(each.prompt)))
        done = 0
        try:
            while done < len(responses):
                with self._lock:
                    if not all(each.is_done for each in responses):
                        self._step()
                now_done = sum(each.is_done for each in responses)
                if on_rows is not None and now_done > done:
                    on_rows(now_done)
                done = now_done
        finally:
            for each in responses:
                each.is_done = True
        return [each.written() for each in responses]

    def _step(self) -> None:
        """Write one more token to every response that is begun; begin others where there is room."""
        try:
            self._begin()
            kept = [row for row, response in enumerate(self._rows) if not response.is_done]
            self._rows = [self._rows[row] for row in kept]
            if kept:
                last = np.array([[response.new[-1]] for response in self._rows], dtype=np.int64)
                self._mask = np.pad(self._mask[kept], ((0, 0), (0, 1)), constant_values=1)
                self._take(self._rows, self._infer(self._main, last, self._mask, kept))
        except Exception as error:
            # OpenVINO's errors have no common base class; threads that wait would wait for ever.
            for response in (*self._rows, *self._waiting):
                response.error, response.is_done = error, True
            self._rows.clear()
            self._waiting.clear()

    def _begin(self) -> None:
        """Read the prompts that wait, as far as there is room."""
        running = [response for response in self._rows if not response.is_done]
        used = sum(response.most for response in running)
        # Joining a batch costs as much as some steps: it waits until half of it is free.
        if running and (used > TOKENS_AT_ONCE // 2 or self._mask.shape[1] % ALIGNED):
            return
        begun: list[_Response] = []
        while self._waiting and (used + self._waiting[0].most <= TOKENS_AT_ONCE or not (running or begun)):
            response = self._waiting.popleft()
            if not response.is_done:
                used += response.most
                begun.append(response)
        if not begun:
            return
        tokens = -(-max(len(response.prompt) for response in begun) // ALIGNED) * ALIGNED
        ids, mask = (np.zeros((len(begun), tokens), dtype=np.int64) for _ in range(2))
        for row, response in enumerate(begun):
            ids[row, tokens - len(response.prompt) :] = response.prompt
            mask[row, tokens - len(response.prompt) :] = 1
        request = self._joining if running else self._main
        request.reset_state()
        found = self._infer(request, ids, mask, range(len(begun)))
        if running:
            self._join(mask)
            self._rows += begun
        else:
            self._rows, self._mask = begun, mask
        self._take(begun, found)

    def _infer(self, request: Any, ids: Ints, mask: Ints, rows: Sequence[int]) -> list[tuple[int, float]]:
        """The likeliest next token of each row and the logarithm of its probability."""
        positions = np.maximum(mask.cumsum(axis=1) - 1, 0)[:, -ids.shape[1] :]
        inputs = {
            "input_ids": ids,
            "attention_mask": mask,
            "position_ids": positions,
            "beam_idx": np.array(rows, dtype=np.int32),
        }
        outputs = request.infer(inputs)
        return list(zip(outputs["token"].tolist(), outputs["log_probability"].tolist(), strict=True))

    def _join(self, mask: Ints) -> None:
        """Put the rows of the other request's cache below those of the main one, all of them ending together."""
        import openvino

        tokens = max(mask.shape[1], self._mask.shape[1])
        for state, joined in zip(self._main.query_state(), self._joining.query_state(), strict=True):
            halves = [
                np.pad(each.state.data, ((0, 0), (0, 0), (tokens - each.state.shape[2], 0), (0, 0)))
                for each in (state, joined)
            ]
            state.state = openvino.Tensor(np.concatenate(halves))
        self._mask = np.concatenate(
            [np.pad(each, ((0, 0), (tokens - each.shape[1], 0))) for each in (self._mask, mask)]
        )
        self._joining.reset_state()

    def _take(self, responses: Sequence["_Response"], found: Sequence[tuple[int, float]]) -> None:
        now_s = self._clock()
        for response, (token, log) in zip(responses, found, strict=True):
            response.take(token, log, now_s)


class _Response:
    """A response that is being written.

    Attributes:
        most: tokens of prompt and response together, at most.
        is_done: nothing more is to be written.
    """

    def __init__(self, prompt: Sequence[int], most_tokens: int, stop_ids: frozenset[int], end_s: float) -> None:
        self.prompt, self.most = prompt, len(prompt) + most_tokens
        self.new: list[int] = []
        self.is_done = False
        self.error: Exception | None = None
        self._logs: list[float] = []
        self._most_tokens, self._stop_ids, self._end_s = most_tokens, stop_ids, end_s

    def take(self, token: int, log_probability: float, now_s: float) -> None:
        """Add a token."""
        self.new.append(token)
        self._logs.append(log_probability)
        if token in self._stop_ids or len(self.new) >= self._most_tokens or now_s >= self._end_s:
            self.is_done = True

    def written(self) -> Written:
        """The tokens, and how sure the model was of them.

        Raises:
            GraphError: they could not be computed.
        """
        if self.error is not None:
            raise GraphError(f"OpenVINO cannot go on with a response: {self.error}") from self.error
        return self.new, math.exp(float(np.mean(self._logs)))

"""Graphs computed by OpenVINO, in bf16 where the CPU has it, or in 8 bits."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy.typing as npt

from ....arrays import Floats2d
from ....batches import in_batches
from ....errors import GraphError
from ...base.device import cores
from ...base.native_threads import NativeThread
from ..graph import INPUTS, Graph
from ..packing import PackedRow, feed
from .base import GraphRuntime, Shape

__all__: list[str] = []

ROW_TOKENS = GraphRuntime.row_tokens
BATCH_ROWS = GraphRuntime.tokens_per_batch // ROW_TOKENS
EAGER = 3
"""Shapes that are compiled before anything is computed: any length that may come, and `ROW_TOKENS` and 32 tokens."""
USEFUL = ((1, ROW_TOKENS), (1, 32), (BATCH_ROWS, ROW_TOKENS), (1, 64), (1, 16), (1, 208), (1, 96), (1, 160))
COPIES_BYTES = 400 * 2**20
"""What all copies of a model's weights may take together: every shape that is compiled holds one."""


class OpenVinoRuntime(GraphRuntime):
    """A graph compiled for some shapes of its input; what is asked for goes into the next larger one.

    A graph of a fixed shape takes a third of the time of one of any shape when short texts of many lengths follow each
    other. Where no number of shapes is given, as many are compiled as fit into a reasonable share of memory: first the
    ones that any text fits into, the others on a thread.
    """

    name = package = "openvino"
    order = 2
    # A few shapes, all of them ready: one that still compiled others would lose to one that was done with it.
    trial_shapes = EAGER

    def _prepare(self, graph: Graph, max_length_tokens: int, shapes: int | None, /) -> None:
        file = self.file_of(graph)
        if file is None:
            raise GraphError(f"{graph.folder} holds no graph in 8 bits")
        try:
            import openvino

            self._core = openvino.Core()
            self._model = self._core.read_model(file)
        except (ImportError, RuntimeError) as error:
            raise GraphError(f"OpenVINO cannot read {file}: {error}") from error
        self._properties = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": cores()}
        copy_bytes = self._copy_bytes(file)
        eager = shapes or EAGER
        wanted = _shapes(max_length_tokens, shapes or max(EAGER, COPIES_BYTES // copy_bytes))
        self._ready: dict[Shape, openvino.InferRequest] = {}
        self.memory_bytes = len(wanted) * copy_bytes
        self._is_closed = threading.Event()
        try:
            with ThreadPoolExecutor(1, thread_name_prefix="compile-graphs") as thread:
                thread.submit(self._compile_all, wanted[:eager]).result()
        except RuntimeError as error:
            raise GraphError(f"OpenVINO cannot compute {file} on this machine: {error}") from error
        self._compiling = NativeThread(
            lambda: self._compile_all(wanted[eager:]), name="compile-graphs", stop=self._is_closed.set
        )
        self._compiling.start()

    def close(self) -> None:
        self._compiling.end()
        self._ready.clear()

    def _copy_bytes(self, file: Path) -> int:
        """Memory of one shape: weights in the form that they are computed in, and what is passed between layers."""
        return file.stat().st_size + 8 * 2**20

    def _batches(self, rows: Sequence[PackedRow], /) -> Iterator[tuple[Sequence[PackedRow], Shape]]:
        short = [row for row in rows if row.tokens <= ROW_TOKENS]
        several = (BATCH_ROWS, ROW_TOKENS)
        together = len(short) // BATCH_ROWS * BATCH_ROWS if several in self._ready else 0
        for batch in in_batches(short[:together], BATCH_ROWS):
            yield batch, several
        for row in [*(row for row in rows if row.tokens > ROW_TOKENS), *short[together:]]:
            yield [row], self._shape_for(row.tokens)

    def _shape_for(self, tokens: int) -> Shape:
        fitting = [shape for shape in list(self._ready) if shape[0] == 1 and shape[1] >= tokens]
        if not fitting:
            raise GraphError(f"a sequence of {tokens} tokens is longer than this runtime was made for")
        return min(fitting)

    def _compute(self, inputs: Mapping[str, npt.NDArray[Any]], shape: Shape, /) -> Floats2d:
        hidden: Floats2d = self._ready[shape].infer(inputs, share_inputs=True, share_outputs=True)[0]
        # A copy: the next request writes its answers into the same memory.
        return hidden.copy()

    def _compile(self, shape: Shape) -> None:
        model = self._model.clone()
        width = (self._facts.hidden_size,)
        names = [port.any_name for port in model.inputs]
        model.reshape({name: [*shape, *(width if name == INPUTS[0] else ())] for name in names})
        request = self._core.compile_model(model, "CPU", self._properties).create_infer_request()
        # The first computation of a graph is slow, and no request should wait for it.
        arrays = feed([], [], shape=shape, pad_id=self._facts.pad_id)
        request.infer(self._facts.inputs(self._words, arrays))
        self._ready[shape] = request

    def _compile_all(self, shapes: Sequence[Shape]) -> None:
        # Another version may be serving meanwhile.
        NativeThread.give_way()
        for shape in shapes:
            if self._is_closed.is_set():
                return
            self._compile(shape)


class OpenVinoInt8Runtime(OpenVinoRuntime):
    """The graph in 8 bits."""

    name = "openvino-int8"
    order = 1
    is_int8 = True

    def _copy_bytes(self, file: Path) -> int:
        # The file beside it holds the weights, which are unpacked.
        return 3 * file.with_suffix(".bin").stat().st_size + 8 * 2**20


def _shapes(max_length_tokens: int, count: int) -> list[Shape]:
    """The shapes worth having, the most useful first; the first holds any sequence."""
    longest = max(max_length_tokens, ROW_TOKENS)  # sequences share rows, however short each of them is
    longer = ((1, tokens) for tokens in range(256, longest, 64))
    useful = [shape for shape in (*USEFUL, *longer) if shape[1] <= longest]
    return list(dict.fromkeys([(1, longest), *useful]))[:count]

"""Graphs computed by OpenVINO, in bf16 where the CPU has it, or in 8 bits."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from ....arrays import Floats2d, WordVectors
from ....errors import GraphError
from ...base.native_threads import NativeThread
from ..graph import INPUTS, Graph
from ..packing import Row, feed, rows_of, unpacked
from .base import cores, give_way

__all__ = ["EAGER", "OpenVinoRuntime"]

ROW_TOKENS = 128
BATCH_ROWS = 4
EAGER = 3
"""Shapes that are compiled before anything is computed: any length that may come, and `ROW_TOKENS` and 32 tokens."""
USEFUL = ((1, ROW_TOKENS), (1, 32), (BATCH_ROWS, ROW_TOKENS), (1, 64), (1, 16), (1, 208), (1, 96), (1, 160))
COPIES_BYTES = 400 * 2**20
"""What all copies of a model's weights may take together: every shape that is compiled holds one."""

Shape = tuple[int, int]


class OpenVinoRuntime:
    """A graph compiled for some shapes of its input, (rows, tokens); what is asked for goes into the next larger one.

    A graph of a fixed shape takes a third of the time of one of any shape when short texts of many lengths follow each
    other.

    Args:
        in_int8: the graph in 8 bits.
        max_length_tokens: longest sequence that will be asked for.
        threads: that compute; None: as many as there are cores.
        shapes: most shapes to compile, all of them before anything is computed; None: as many as fit into memory that
            is reasonable, of which those that any text fits into are compiled first and the others on a thread.

    Raises:
        GraphError: the graph is not there, or OpenVINO cannot compute it here.
    """

    tokens_per_batch = ROW_TOKENS * BATCH_ROWS

    def __init__(
        self,
        graph: Graph,
        words: WordVectors,
        *,
        in_int8: bool,
        max_length_tokens: int,
        threads: int | None = None,
        shapes: int | None = None,
    ) -> None:
        self.name = "openvino-int8" if in_int8 else "openvino"
        file = graph.int8 if in_int8 else graph.onnx
        if file is None:
            raise GraphError(f"{graph.folder} holds no graph in 8 bits")
        try:
            import openvino

            self._core = openvino.Core()
            self._model = self._core.read_model(file)
        except (ImportError, RuntimeError) as error:
            raise GraphError(f"OpenVINO cannot read {file}: {error}") from error
        self._facts, self._words = graph.facts, words
        self._properties = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads or cores(),
        }
        weights = (file.with_suffix(".bin") if in_int8 else file).stat().st_size
        # Unpacked weights in bf16 or 8 bits, the form they are computed in, and what is passed between layers.
        self._copy_bytes = weights * (3 if in_int8 else 1) + 8 * 2**20
        self._row_tokens = ROW_TOKENS if graph.facts.is_packed else 0
        eager = shapes or EAGER
        wanted = _shapes(max_length_tokens, shapes or max(EAGER, COPIES_BYTES // self._copy_bytes))
        self._ready: dict[Shape, openvino.InferRequest] = {}
        self.memory_bytes = len(wanted) * self._copy_bytes
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

    def hidden(self, sequences: Sequence[Sequence[int]]) -> list[Floats2d]:
        found: list[Floats2d] = [None] * len(sequences)  # type: ignore[list-item]  # every one is filled in below
        rows = rows_of([len(sequence) for sequence in sequences], self._row_tokens)
        short = [row for row in rows if row.tokens <= ROW_TOKENS]
        batched = len(short) // BATCH_ROWS * BATCH_ROWS if (BATCH_ROWS, ROW_TOKENS) in self._ready else 0
        for start in range(0, batched, BATCH_ROWS):
            self._compute(short[start : start + BATCH_ROWS], (BATCH_ROWS, ROW_TOKENS), sequences, found)
        for row in [*(row for row in rows if row.tokens > ROW_TOKENS), *short[batched:]]:
            self._compute([row], self._shape_for(row.tokens), sequences, found)
        return found

    def close(self) -> None:
        self._compiling.end()
        self._ready.clear()

    def _shape_for(self, tokens: int) -> Shape:
        fitting = [shape for shape in list(self._ready) if shape[0] == 1 and shape[1] >= tokens]
        if not fitting:
            raise GraphError(f"a sequence of {tokens} tokens is longer than this runtime was made for")
        return min(fitting)

    def _compute(
        self, rows: Sequence[Row], shape: Shape, sequences: Sequence[Sequence[int]], found: list[Floats2d]
    ) -> None:
        arrays = feed(sequences, rows, shape=shape, pad_id=self._facts.pad_id)
        given = self._facts.inputs(self._words, arrays)
        hidden = self._ready[shape].infer(given, share_inputs=True, share_outputs=True)[0]
        for member, vectors in unpacked(hidden, rows, sequences):
            # A copy: the next request writes its answers into the same memory.
            found[member] = vectors.copy()

    def _compile(self, shape: Shape) -> None:
        model = self._model.clone()
        width = (self._facts.hidden_size,)
        names = [port.any_name for port in model.inputs]
        model.reshape({name: [*shape, *(width if name == INPUTS[0] else ())] for name in names})
        request = self._core.compile_model(model, "CPU", self._properties).create_infer_request()
        # The first computation of a graph is slow, and nobody should wait for it.
        arrays = feed([], [], shape=shape, pad_id=self._facts.pad_id)
        request.infer(self._facts.inputs(self._words, arrays))
        self._ready[shape] = request

    def _compile_all(self, shapes: Sequence[Shape]) -> None:
        # Another version may be serving meanwhile.
        give_way()
        for shape in shapes:
            if self._is_closed.is_set():
                return
            self._compile(shape)


def _shapes(max_length_tokens: int, count: int) -> list[Shape]:
    """The shapes worth having, the most useful first; the first holds any sequence."""
    longest = max(max_length_tokens, ROW_TOKENS)  # sequences share rows, however short each of them is
    longer = ((1, tokens) for tokens in range(256, longest, 64))
    useful = [shape for shape in (*USEFUL, *longer) if shape[1] <= longest]
    return list(dict.fromkeys([(1, longest), *useful]))[:count]

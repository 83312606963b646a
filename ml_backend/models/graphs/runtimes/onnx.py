"""Graphs computed by onnxruntime, in fp32."""

from collections.abc import Sequence

from ....arrays import Floats2d, WordVectors
from ....errors import GraphError
from ..graph import Graph
from ..packing import feed, rows_of, unpacked
from .base import cores

__all__ = ["OnnxRuntime"]

ROW_TOKENS = 128


class OnnxRuntime:
    """A graph for rows of any number and length.

    Raises:
        GraphError: onnxruntime cannot compute it here.
    """

    name = "onnxruntime"
    tokens_per_batch = 4 * ROW_TOKENS

    def __init__(self, graph: Graph, words: WordVectors, *, threads: int | None = None) -> None:
        try:
            import onnxruntime

            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = threads or cores()
            self._session = onnxruntime.InferenceSession(graph.onnx, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            # onnxruntime's own exceptions have no common base but this.
            raise GraphError(f"onnxruntime cannot compute {graph.onnx}: {error}") from error
        self._facts, self._words = graph.facts, words
        self._row_tokens = ROW_TOKENS if graph.facts.is_packed else 0
        self.memory_bytes = 2 * graph.onnx.stat().st_size

    def hidden(self, sequences: Sequence[Sequence[int]]) -> list[Floats2d]:
        found: list[Floats2d] = [None] * len(sequences)  # type: ignore[list-item]  # every one is filled in below
        rows = rows_of([len(sequence) for sequence in sequences], self._row_tokens)
        while rows:
            count = max(1, self.tokens_per_batch // rows[0].tokens)
            batch, rows = rows[:count], rows[count:]
            shape = (len(batch), batch[0].tokens)
            arrays = feed(sequences, batch, shape=shape, pad_id=self._facts.pad_id)
            hidden = self._session.run(None, self._facts.inputs(self._words, arrays))[0]
            for member, vectors in unpacked(hidden, batch, sequences):
                found[member] = vectors
        return found

    def close(self) -> None:
        self._session = None

"""Graphs computed by onnxruntime, in fp32."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy.typing as npt

from ....arrays import Floats2d
from ....errors import GraphError
from ...base.device import cores
from ..graph import Graph
from ..packing import PackedRow
from .base import GraphRuntime, Shape

__all__: list[str] = []


class OnnxRuntime(GraphRuntime):
    """A graph for rows of any number and length."""

    name = package = "onnxruntime"
    order = 3
    is_exact = True

    def _prepare(self, graph: Graph, _max_length_tokens: int, _shapes: int | None, /) -> None:
        try:
            import onnxruntime

            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = cores()
            self._session = onnxruntime.InferenceSession(graph.onnx, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            # onnxruntime's own exceptions have no common base but this.
            raise GraphError(f"onnxruntime cannot compute {graph.onnx}: {error}") from error
        self.memory_bytes = 2 * graph.onnx.stat().st_size

    def close(self) -> None:
        self._session = None

    def _batches(self, rows: Sequence[PackedRow], /) -> Iterator[tuple[Sequence[PackedRow], Shape]]:
        while rows:
            count = max(1, self.tokens_per_batch // rows[0].tokens)
            batch, rows = rows[:count], rows[count:]
            yield batch, (len(batch), batch[0].tokens)

    def _compute(self, inputs: Mapping[str, npt.NDArray[Any]], _shape: Shape, /) -> Floats2d:
        hidden: Floats2d = self._session.run(None, inputs)[0]
        return hidden

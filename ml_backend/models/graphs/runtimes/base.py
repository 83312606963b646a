"""The base classes of runtimes, and how the runtimes of this folder are found."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import numpy.typing as npt

from ....arrays import Floats2d
from ....plugins import classes_in
from ..graph import Graph
from ..packing import PackedRow, feed, rows_of, unpacked

__all__ = ["GraphRuntime", "Runtime", "Shape"]

Shape = tuple[int, int]
"""Rows and tokens."""


class Runtime(ABC):
    """The layers of one model, ready to be computed. Not safe to use from several threads at the same time.

    Attributes:
        name: as in the setting that chooses one.
        tokens_per_batch: as many as are computed at once in the best of times; more than that only takes longer.
        memory_bytes: about what it holds in memory.
    """

    name: ClassVar[str]
    tokens_per_batch: int
    memory_bytes: int

    @abstractmethod
    def hidden(self, sequences: Sequence[Sequence[int]]) -> list[Floats2d]:
        """The last layer's vectors of each token sequence, shape (T, D), in the order given."""

    @abstractmethod
    def close(self) -> None:
        """Give back what it holds; nothing is computed afterwards."""


class GraphRuntime(Runtime):
    """A library that computes graphs on the CPU.

    Args:
        max_length_tokens: longest sequence that will be asked for.
        shapes: most shapes of the input to prepare, all of them before anything is computed, where shapes are
            prepared; None: as many as are worth it.

    Attributes:
        row_tokens: tokens of the rows that short sequences share: longer rows make attention dearer, shorter ones are
            filled less.
        order: of trial, from 1: the ones that usually win come first.
        package: the installed package that its speed depends on.
        is_int8: it computes the graph in 8 bits, instead of the plain one.
        is_exact: it computes in fp32 on every machine, so that its numbers can be compared with those of torch.
        trial_shapes: most shapes to prepare for a trial.

    Raises:
        GraphError: the graph cannot be computed here.
    """

    row_tokens: ClassVar[int] = 128
    order: ClassVar[int]
    package: ClassVar[str]
    is_int8: ClassVar[bool] = False
    is_exact: ClassVar[bool] = False
    trial_shapes: ClassVar[int | None] = None
    tokens_per_batch = 4 * row_tokens

    def __init__(self, graph: Graph, words: Floats2d, *, max_length_tokens: int, shapes: int | None = None) -> None:
        self._facts, self._words = graph.facts, words
        # Sequences of a graph that is not packed have a row each.
        self._row_tokens = self.row_tokens if graph.facts.is_packed else 0
        self._prepare(graph, max_length_tokens, shapes)

    @abstractmethod
    def _prepare(self, graph: Graph, max_length_tokens: int, shapes: int | None, /) -> None:
        """Load the graph, and settle `memory_bytes`."""

    @classmethod
    def file_of(cls, graph: Graph) -> Path | None:
        """The form of the graph that this runtime computes; None where the graph lacks it."""
        return graph.int8 if cls.is_int8 else graph.onnx

    def hidden(self, sequences: Sequence[Sequence[int]]) -> list[Floats2d]:
        outputs: list[Floats2d] = [None] * len(sequences)  # type: ignore[list-item]  # every one is filled in below
        rows = rows_of([len(sequence) for sequence in sequences], self._row_tokens)
        for batch, shape in self._batches(rows):
            arrays = feed(sequences, batch, shape=shape, pad_id=self._facts.pad_id)
            computed = self._compute(self._facts.inputs(self._words, arrays), shape)
            for member, vectors in unpacked(computed, batch, sequences):
                outputs[member] = vectors
        return outputs

    @abstractmethod
    def _batches(self, rows: Sequence[PackedRow], /) -> Iterator[tuple[Sequence[PackedRow], Shape]]:
        """Yield rows, fullest first, that are computed together, and the shape of the input that holds them."""

    @abstractmethod
    def _compute(self, inputs: Mapping[str, npt.NDArray[Any]], shape: Shape, /) -> Floats2d:
        """The vectors for an input of a shape, shape (rows, tokens, D)."""

    @staticmethod
    @cache
    def found() -> "Sequence[type[GraphRuntime]]":
        """Return the runtimes of this folder that compute graphs, in the order of trial."""
        return sorted(classes_in(__package__, GraphRuntime, "name").values(), key=lambda kind: kind.order)

    @staticmethod
    def usual(*, is_int8: bool = False) -> "type[GraphRuntime]":
        """Return the runtime that is usually the fastest for plain graphs, or for those in 8 bits."""
        return next(kind for kind in GraphRuntime.found() if kind.is_int8 == is_int8)

    @staticmethod
    def exact() -> "type[GraphRuntime]":
        """Return the runtime that computes in fp32 everywhere."""
        return next(kind for kind in GraphRuntime.found() if kind.is_exact)

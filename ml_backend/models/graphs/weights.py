"""The graph of a tuned model, made from that of its base model: the layers are the same, only weights are others."""

import hashlib
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ...arrays import Floats2d
from ...errors import GraphError
from .graph import Graph

if TYPE_CHECKING:
    import onnx
    from torch import nn

__all__ = ["reweighted_graph"]

Weights: TypeAlias = Mapping[str, Floats2d]
"""Parameters of any shape, by name."""


def reweighted_graph(graph: Graph, folder: Path, *, before: "nn.Module", after: "nn.Module") -> Graph:
    """Write a graph with the weights of another model of the same architecture: in tenths of the time of an export.

    Exporters keep the names of some parameters and transpose others under new names, so a parameter is
    found by its values, as they are or transposed; where several have the same, by its name.

    Args:
        graph: of the model `before`, whose weights it holds.
        folder: of the new graph; made where missing.
        before: the model, as the graph has it; `after` is what became of it.

    Raises:
        GraphError: the architectures differ, or a parameter that changed cannot be told from others in the graph.
    """
    import onnx

    old, new = _weights(before), _weights(after)
    if {name: value.shape for name, value in old.items()} != {name: value.shape for name, value in new.items()}:
        raise GraphError("the models differ in more than the values of their parameters")
    model = onnx.load(graph.onnx)
    places = _Places(model, old)
    for name in old:
        if not np.array_equal(old[name], new[name]):
            tensor, is_transposed = places.of(name)
            value = np.ascontiguousarray(new[name].T if is_transposed else new[name])
            tensor.CopyFrom(onnx.numpy_helper.from_array(value, tensor.name))
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(model, folder / Graph.ONNX_NAME)
    return Graph.seal(folder, graph.facts)


class _Places:
    """Find the places of a model's parameters in its graph."""

    def __init__(self, model: "onnx.ModelProto", weights: Weights) -> None:
        import onnx

        self._digests = {name: _digest(value) for name, value in weights.items()}
        self._tensors: dict[str, list[tuple[onnx.TensorProto, bool]]] = defaultdict(list)
        for tensor in model.graph.initializer:
            value = onnx.numpy_helper.to_array(tensor)
            self._tensors[_digest(value)].append((tensor, False))
            if value.ndim > 1:
                self._tensors[_digest(value.T)].append((tensor, True))

    def of(self, name: str) -> "tuple[onnx.TensorProto, bool]":
        """The tensor of a parameter, and whether it is transposed there.

        Raises:
            GraphError: see `reweighted_graph`.
        """
        digest = self._digests[name]
        places, alike = self._tensors[digest], list(self._digests.values()).count(digest)
        if len(places) == alike > 1:
            places, alike = [place for place in places if place[0].name.endswith(f".{name}")], 1
        if len(places) != 1 or alike != 1:
            # Exporters join tensors of like values; one of them cannot be changed alone then.
            raise GraphError(f"{alike} parameters have the values of {name}, and {len(places)} tensors of the graph")
        return places[0]


def _weights(module: "nn.Module") -> Weights:
    return {name: tensor.detach().float().cpu().numpy() for name, tensor in module.named_parameters()}


def _digest(value: Floats2d) -> str:
    """The same for arrays of the same type, shape and values."""
    digest = hashlib.sha256(f"{value.dtype} {value.shape} ".encode())
    digest.update(np.ascontiguousarray(value).data)
    return digest.hexdigest()

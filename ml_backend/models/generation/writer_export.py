"""From a decoder in torch to a graph that writes: traced, its cache made a state, its weights brought to 8 bits."""

import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...atomic_files import take_place, unfinished_folder
from ...errors import GraphError, LabelloopError
from ..base.digests import file_sha256
from .language_model import LanguageModel
from .writer_graph import REFUSAL_NAME, WriterFacts, WriterGraph

if TYPE_CHECKING:
    import torch
    from torch import nn

__all__ = ["export_writer"]

TOKENS, MASK, POSITIONS, ROWS = "input_ids", "attention_mask", "position_ids", "beam_idx"
TRACED_ROWS, TRACED_TOKENS, TRACED_PAST = 2, 4, 3


def export_writer(model: LanguageModel, folder: Path) -> WriterGraph:
    """Write a decoder, adapters merged, as a graph.

    Args:
        model: on the CPU, its weights in fp32.

    Raises:
        GraphError: this model cannot be exported.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            graph, states = _traced(model.module)
            _make_stateful(graph, states)
            _compress(graph, folder / WriterGraph.XML_NAME)
    except Exception as error:
        # What a model's own code and the converters raise when they meet each other may be anything.
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise GraphError(f"{model.name} cannot be exported as a graph: {lines[0][:200]}") from error
    facts = WriterFacts(
        base_model=model.name,
        base_model_sha256=model.weights_sha256,
        max_length_tokens=model.max_length_tokens,
        stop_ids=model.chat_format().stop_ids,
        digest=file_sha256((folder / WriterGraph.XML_NAME).with_suffix(".bin")),
    )
    return WriterGraph.seal(folder, facts)


def _traced(module: Any) -> tuple[Any, list[str]]:
    """The decoder as an OpenVINO model with its cache as inputs and outputs, and the names of the cache's inputs."""
    import torch
    from openvino import PartialShape, Type
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    with torch.no_grad():
        past = _cache_of(module)
        example = {
            TOKENS: torch.ones(TRACED_ROWS, TRACED_TOKENS, dtype=torch.long),
            MASK: torch.ones(TRACED_ROWS, TRACED_PAST + TRACED_TOKENS, dtype=torch.long),
            POSITIONS: torch.arange(TRACED_PAST, TRACED_PAST + TRACED_TOKENS).repeat(TRACED_ROWS, 1),
            "past": past,
        }
        # Not by `openvino.convert_model`, which reports to its makers.
        decoder = TorchScriptPythonDecoder(_decoding(module), example_input=example)
        front = FrontEndManager().load_by_framework("pytorch")
        graph = front.convert(front.load(decoder))
    states = [f"past.{layer}.{part}" for layer in range(len(past)) for part in ("key", "value")]
    shapes = [[-1, tensor.shape[1], -1, tensor.shape[3]] for pair in past for tensor in pair]
    for port, name, shape in zip(
        graph.inputs, [TOKENS, MASK, POSITIONS, *states], [[-1, -1]] * 3 + shapes, strict=True
    ):
        port.get_tensor().set_names({name})
        port.get_node().set_partial_shape(PartialShape(shape))
        port.get_node().set_element_type(Type.f32 if name in states else Type.i64)
    for port, name in zip(graph.outputs, ["token", "log_probability", *map(_after, states)], strict=True):
        port.get_tensor().set_names({name})
    graph.validate_nodes_and_infer_types()
    return graph, states


def _after(state: str) -> str:
    return f"{state}.after"


def _cache_of(module: Any) -> "list[tuple[torch.Tensor, torch.Tensor]]":
    """Keys and values of every layer after some tokens, each of shape (N, heads, T, width)."""
    import torch
    from transformers.cache_utils import DynamicLayer

    cache = module(torch.ones(TRACED_ROWS, TRACED_PAST, dtype=torch.long), use_cache=True).past_key_values
    other = {type(layer).__name__ for layer in cache.layers if type(layer) is not DynamicLayer}
    if other:
        raise GraphError(f"its cache has layers of other kinds ({', '.join(sorted(other))})")
    return [(layer.keys, layer.values) for layer in cache.layers]


def _decoding(module: Any) -> "nn.Module":
    """The decoder as a function of all that it depends on: tokens, mask, positions and cache."""
    import torch
    from transformers.cache_utils import DynamicCache, DynamicLayer

    class Decoding(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.module = module

        def forward(
            self,
            input_ids: torch.Tensor,
            attention_mask: torch.Tensor,
            position_ids: torch.Tensor,
            past: Sequence[tuple[torch.Tensor, torch.Tensor]],
        ) -> tuple[torch.Tensor, ...]:
            cache = DynamicCache()
            for keys, values in past:
                layer = DynamicLayer()  # type: ignore[no-untyped-call]  # it has no types
                layer.lazy_initialization(keys, values)
                layer.keys, layer.values = keys, values
                cache.layers.append(layer)
            count, all_tokens = input_ids.shape[1], attention_mask.shape[1]
            key = torch.arange(all_tokens)
            query = torch.arange(count) + (all_tokens - count)
            is_seen = (key[None, :] <= query[:, None])[None, None] & (attention_mask[:, None, None, :] > 0)
            output = self.module(
                input_ids=input_ids,
                attention_mask=torch.where(is_seen, 0.0, torch.finfo(torch.float32).min),
                position_ids=position_ids,
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            )
            best = output.logits[:, -1].log_softmax(dim=-1).max(dim=-1)
            states = [tensor for layer in output.past_key_values.layers for tensor in (layer.keys, layer.values)]
            return (best.indices, best.values, *states)

    return Decoding().eval()


def _make_stateful(graph: Any, states: Sequence[str]) -> None:
    """Keep the cache inside the graph; the input `beam_idx` says which rows of it the next step goes on with."""
    from openvino import opset13 as ops
    from openvino._offline_transformations import apply_make_stateful_transformation

    rows = ops.parameter([-1], dtype=np.int32, name=ROWS)
    rows.output(0).get_tensor().add_names({ROWS})
    graph.add_parameters([rows])
    zero = ops.constant(0, dtype=np.int64)
    for name in states:
        port = graph.input(name)
        users = port.get_target_inputs()
        chosen = ops.gather(port, rows, zero)
        for user in users:
            user.replace_source_output(chosen.output(0))
    graph.validate_nodes_and_infer_types()
    apply_make_stateful_transformation(graph, {name: _after(name) for name in states})
    batch = ops.gather(ops.shape_of(graph.input(TOKENS), output_type="i64"), ops.constant([0], dtype=np.int64), zero)
    for node in graph.get_ops():
        if node.get_type_name() == "ReadValue":
            _, heads, _, width = node.get_output_partial_shape(0)
            rest = ops.constant([heads.get_length(), 0, width.get_length()], dtype=np.int64)
            empty = ops.broadcast(ops.constant(0.0, dtype=np.float32), ops.concat([batch, rest], axis=0))
            node.set_arguments([empty])
    graph.validate_nodes_and_infer_types()


def _compress(graph: Any, file: Path) -> None:
    """Write the graph with all weights in 8 bits, each row of a matrix with its own scale and offset."""
    # Otherwise it tells its makers over the network that it was used.
    os.environ["NNCF_CI"] = "1"
    import logging

    import nncf
    import openvino

    # It sets its level when it is imported.
    logging.getLogger("nncf").setLevel(logging.ERROR)
    openvino.save_model(nncf.compress_weights(graph, mode=nncf.CompressWeightsMode.INT8_ASYM), file)


def _main(base_model: str, folder: str) -> None:
    place = Path(folder)
    try:
        model = LanguageModel.load(base_model, device="cpu", in_fp32=True)
    except LabelloopError as error:
        sys.exit(str(error))
    with unfinished_folder(place.parent) as draft:
        try:
            export_writer(model, draft)
        except GraphError as error:
            (draft / REFUSAL_NAME).write_text(str(error), encoding="utf-8")
        take_place(draft, place)  # or not: whoever else made it meanwhile made the same


if __name__ == "__main__":
    _main(*sys.argv[1:])

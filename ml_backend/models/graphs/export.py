"""From a model in torch to a graph that is computed without it, checked against the model."""

import contextlib
import io
import logging
import os
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ...arrays import Floats2d
from ...errors import GraphError
from ..base.base_model import Backbone, first_position
from ..base.device import on_cpu
from .graph import INPUTS, Graph, GraphFacts
from .packing import feed, rows_of, unpacked

if TYPE_CHECKING:
    import torch
    from torch import nn

__all__ = ["add_int8", "export_graph", "word_vectors_of"]

TOLERANCE = 1e-3
"""Largest difference between what two ways compute of the same, as a share of the largest number."""
CHECKED_SAMPLES = 8
SAMPLE_ROW_TOKENS, SAMPLE_ROWS = 128, 64


def word_vectors_of(backbone: Backbone) -> Floats2d:
    """A copy of the model's word vectors.

    Raises:
        GraphError: it has no table of them.
    """
    table = getattr(backbone.module.get_input_embeddings(), "weight", None)  # type: ignore[operator]
    if table is None or table.shape[1] != backbone.hidden_size:
        raise GraphError(f"{backbone.name} has no table of word vectors as wide as its layers")
    return np.array(table.detach().float().cpu().numpy())


def export_graph(
    backbone: Backbone,
    folder: Path,
    *,
    words: Floats2d,
    pad_id: int,
    samples: Sequence[Sequence[int]],
    max_length_tokens: int,
) -> Graph:
    """Write the layers of a model as ONNX.

    Args:
        words: word vectors that the graph will be run with; the model must have the same.
        samples: token ids of some texts, which the layers are checked with, and with a text of the maximum length.

    Raises:
        GraphError: this model cannot be exported.
    """
    import torch

    if not np.array_equal(words, word_vectors_of(backbone)):
        raise GraphError(f"the word vectors of {backbone.name} were changed, and a graph begins after them")
    folder.mkdir(parents=True, exist_ok=True)
    # Some models see only so far; that shows in long texts alone.
    joined = [token for sequence in samples for token in sequence]
    checked = [*samples[:CHECKED_SAMPLES], (joined * -(-max_length_tokens // len(joined)))[:max_length_tokens]]
    # Packed first: it computes hardly any padding. Some models take neither a mask of pairs nor positions.
    first = first_position(backbone.module)
    reasons = []
    with _quiet(), torch.no_grad(), on_cpu(backbone.module), _plain_attention(backbone.module):
        wanted = [_alone(backbone.module, sequence) for sequence in checked]
        for is_packed in (True, False):
            facts = GraphFacts(
                base_model_sha256=backbone.weights_sha256,
                hidden_size=backbone.hidden_size,
                is_packed=is_packed,
                first_position=first,
                pad_id=pad_id,
                files={},
            )
            layers = (_packed if is_packed else _padded)(backbone.module)
            try:
                arguments = _arguments(facts, words, checked)
                _check(wanted, layers(*arguments.values()).numpy(), facts, checked)
                _write(layers, arguments, folder / Graph.ONNX_NAME)
            except Exception as error:
                # What a model's own code raises when it is called in a way that it does not know may be anything.
                reasons.append(f"{'packed' if is_packed else 'padded'}: {_first_line(error)}")
            else:
                return Graph.seal(folder, facts)
    raise GraphError(f"{backbone.name} cannot be exported as a graph ({'; '.join(reasons)})")


def add_int8(graph: Graph, *, words: Floats2d, samples: Sequence[Sequence[int]]) -> Graph:
    """Write the graph in 8 bits beside it: weights and activations, whose ranges are measured on the samples.

    Source: post-training quantisation of NNCF, with SmoothQuant (Xiao et al. 2022).

    Args:
        samples: token ids of texts such as it will be asked about; some hundred do.

    Raises:
        GraphError: it cannot be quantised.
    """
    # Otherwise it tells its makers over the network that it was used.
    os.environ["NNCF_CI"] = "1"
    try:
        with _quiet():
            import nncf
            import openvino

            # It sets its level when it is imported. `nncf.set_log_level` would set that of others' handlers as well.
            logging.getLogger("nncf").setLevel(logging.ERROR)
            data = list(_sample_rows(graph.facts, words, samples))
            model = nncf.quantize(
                openvino.Core().read_model(graph.onnx),
                nncf.Dataset(data),
                model_type=nncf.ModelType.TRANSFORMER,
                subset_size=len(data),
            )
            openvino.save_model(model, graph.folder / Graph.INT8_NAMES[0], compress_to_fp16=False)
    except Exception as error:
        # A quantiser meets graphs that nobody tried before; without 8 bits a model serves all the same.
        raise GraphError(f"{graph.folder} cannot be quantised: {_first_line(error)}") from error
    return Graph.seal(graph.folder, graph.facts)


def _packed(module: "nn.Module") -> "nn.Module":
    """The layers over rows that several sequences share, which a mask keeps apart."""
    import torch

    class Packed(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.module = module

        def forward(
            self, inputs_embeds: torch.Tensor, position_ids: torch.Tensor, sequence_numbers: torch.Tensor
        ) -> torch.Tensor:
            is_same = sequence_numbers[:, None, :, None] == sequence_numbers[:, None, None, :]
            hidden: torch.Tensor = self.module(
                inputs_embeds=inputs_embeds,
                position_ids=position_ids,
                attention_mask=torch.where(is_same, 0.0, torch.finfo(torch.float32).min),
            ).last_hidden_state
            return hidden

    return Packed().eval()


def _padded(module: "nn.Module") -> "nn.Module":
    """The layers over rows of one sequence each, for models that count positions in another way."""
    import torch

    class Padded(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.module = module

        def forward(self, inputs_embeds: torch.Tensor, sequence_numbers: torch.Tensor) -> torch.Tensor:
            mask = (sequence_numbers > 0).long()
            hidden: torch.Tensor = self.module(inputs_embeds=inputs_embeds, attention_mask=mask).last_hidden_state
            return hidden

    return Padded().eval()


def _alone(module: "nn.Module", sequence: Sequence[int]) -> Floats2d:
    """The last layer's vectors of one sequence, shape (T, D), as the model itself computes them."""
    import torch

    ids = torch.tensor([list(sequence)])
    hidden: Floats2d = module(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state[0].float().numpy()
    return hidden


def _arguments(facts: GraphFacts, words: Floats2d, sequences: Sequence[Sequence[int]]) -> "dict[str, torch.Tensor]":
    """All sequences as one input: two rows at least, of the length that the longest needs."""
    import torch

    lengths = [len(sequence) for sequence in sequences]
    rows = rows_of(lengths, max(lengths) if facts.is_packed else 0)
    shape = (max(len(rows), 2), max(row.tokens for row in rows) + 1)
    inputs = facts.inputs(words, feed(sequences, rows, shape=shape, pad_id=facts.pad_id))
    return {name: torch.from_numpy(inputs[name]) for name in INPUTS if name in inputs}


def _check(wanted: Sequence[Floats2d], output: Floats2d, facts: GraphFacts, sequences: Sequence[Sequence[int]]) -> None:
    lengths = [len(sequence) for sequence in sequences]
    rows = rows_of(lengths, max(lengths) if facts.is_packed else 0)
    for member, vectors in unpacked(output, rows, sequences):
        difference = float(np.abs(vectors - wanted[member]).max())
        allowed = TOLERANCE * max(1.0, float(np.abs(wanted[member]).max()))
        if not difference <= allowed:
            raise GraphError(f"it gives vectors that differ by {difference:.3g}; wanted at most {allowed:.3g}")


def _write(layers: "nn.Module", arguments: "dict[str, torch.Tensor]", file: Path) -> None:
    import torch

    any_size = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    torch.onnx.export(
        layers,
        tuple(arguments.values()),
        str(file),
        input_names=list(arguments),
        output_names=["hidden"],
        dynamic_shapes=dict.fromkeys(arguments, any_size),
        dynamo=True,
        external_data=False,
        verbose=False,
    )


def _sample_rows(
    facts: GraphFacts, words: Floats2d, samples: Sequence[Sequence[int]]
) -> Iterator[dict[str, npt.NDArray[Any]]]:
    rows = rows_of([len(sequence) for sequence in samples], SAMPLE_ROW_TOKENS if facts.is_packed else 0)
    # Spread over all lengths, because rows come longest first.
    for row in rows[:: -(-len(rows) // SAMPLE_ROWS)]:
        yield facts.inputs(words, feed(samples, [row], shape=(1, row.tokens), pad_id=facts.pad_id))


@contextlib.contextmanager
def _plain_attention(module: Any) -> Iterator[None]:
    """Attention as matrix products and a softmax, which runtimes know how to join, without checks for empty masks."""
    before = module.config._attn_implementation
    module.set_attn_implementation("eager")
    try:
        yield
    finally:
        module.set_attn_implementation(before)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keeps exporters' progress bars, hints and warnings, which concern their authors, from the user."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "torch.export", "onnxscript", "onnx_ir", "nncf")]
    levels = [each.level for each in loggers]
    for each in loggers:
        each.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for each, level in zip(loggers, levels, strict=True):
            each.setLevel(level)

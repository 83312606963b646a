"""Language models ready to write: by their graph where there is one and the CPU computes, else by torch."""

import logging
from pathlib import Path
from typing import Unpack

from ...errors import BundleError, EncoderError, GraphError
from ..base.base_model import BaseModelFiles, weights_sha256
from ..base.device import has_cuda
from ..graphs.runtimes.torch import TorchRuntime
from .chat_format import ChatFormat
from .generator import Limits, TextGenerator
from .language_model import LanguageModel
from .tuned_model import load_tuned_model
from .writer_graph import WriterGraph, base_writer_graph

__all__ = ["base_generator", "graph_generator", "tuned_generator"]

log = logging.getLogger(__name__)


def tuned_generator(folder: Path, *, runtime: str, **limits: Unpack[Limits]) -> TextGenerator:
    """A fine-tuned model that was written below a folder.

    Args:
        runtime: as in the setting `LABELLOOP_RUNTIME`.
        limits: as `TextGenerator` takes them.

    Raises:
        BundleError: the folder is damaged, or the model was trained on other base weights than the ones found here.
        EncoderError: the base model cannot be loaded.
    """
    if (folder / WriterGraph.FOLDER).is_dir() and _computes_graphs(runtime):
        try:
            return graph_generator(WriterGraph.read(folder / WriterGraph.FOLDER), **limits)
        except GraphError as error:
            log.warning("torch writes drafts, which is slower: %s", error)
    return TextGenerator.of(load_tuned_model(folder), **limits)


def base_generator(base_model: str, *, graphs: Path | None, runtime: str, **limits: Unpack[Limits]) -> TextGenerator:
    """A base model as it is.

    Args:
        graphs: folder of what versions over one base model share; None: torch computes it.
        runtime: as in the setting `LABELLOOP_RUNTIME`; `limits` as `TextGenerator` takes them.

    Raises:
        EncoderError: it cannot be loaded.
    """
    if graphs is not None and _computes_graphs(runtime):
        try:
            return graph_generator(base_writer_graph(graphs, base_model), **limits)
        except GraphError as error:
            log.info("torch writes the drafts of %s, which is slower: %s", base_model, error)
    return TextGenerator.of(LanguageModel.load(base_model), **limits)


def graph_generator(graph: WriterGraph, **limits: Unpack[Limits]) -> TextGenerator:
    """A model by its graph, with the tokenizer of its base model.

    Raises:
        BundleError: the base model found here has other weights than the graph was made from.
        EncoderError: the base model cannot be found.
        GraphError: it cannot be computed here.
    """
    from transformers import AutoTokenizer

    from .graph_writer import GraphWriter

    facts = graph.facts
    files = BaseModelFiles(facts.base_model)
    if (digest := weights_sha256(facts.base_model)) != facts.base_model_sha256:
        raise BundleError(
            f"{graph.folder} was made from {facts.base_model} with weights {facts.base_model_sha256[:12]}; found "
            f"{digest[:12]}. Restore the former weights, or train a new version on these."
        )
    try:
        tokenizer = AutoTokenizer.from_pretrained(files.source, trust_remote_code=False)
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise EncoderError(files.failure(error)) from error
    chat_format = ChatFormat.of(tokenizer, facts.stop_ids)
    return TextGenerator(GraphWriter(graph), chat_format, **limits)


def _computes_graphs(runtime: str) -> bool:
    return runtime != TorchRuntime.name and not has_cuda()

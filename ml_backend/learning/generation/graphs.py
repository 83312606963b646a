"""Graphs that write, of a fine-tuning: of the base model and of the tuned one, which is exported and checked."""

import logging
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ...errors import EncoderError, GraphError
from ...models.generation.generator import TextGenerator
from ...models.generation.language_model import LanguageModel
from ...models.generation.tuned_model import load_merged_model
from ...models.generation.writer_export import export_writer
from ...models.generation.writer_graph import WriterGraph, base_writer_graph
from ...models.generation.writers import graph_generator
from ..part import PartContext
from .data import TokenPair
from .loss import holdout_loss

__all__ = ["WriterGraphs"]

log = logging.getLogger(__name__)

TOLERANCE = 0.1
"""Largest difference, in nats per token, between what a graph and torch say of the graph's own responses."""
CHECKED_TOKENS, TOKENS_PER_PASS = 48, 4096


class WriterGraphs:
    """Writes the responses that a fine-tuning measures, by graphs where that can be: so it measures what will serve.

    Args:
        model: what is tuned; it is used as it is at the moment.
        by_torch: writes where there is no graph.

    Attributes:
        difference: mean logarithm of the probabilities that the tuned model's graph gave to tokens that it wrote, minus
            the one that torch gives them; None where there is no graph.
        warnings: sentences for the operator.
    """

    def __init__(self, context: PartContext, model: LanguageModel, by_torch: TextGenerator) -> None:
        self._context, self._model, self._by_torch = context, model, by_torch
        self._is_wanted = context.graphs is not None and model.device == "cpu"
        self.difference: float | None = None
        self.warnings: list[str] = []

    def base(self) -> TextGenerator:
        """Return the base model, ready to write."""
        if not self._is_wanted or self._context.graphs is None:
            return self._by_torch
        try:
            return self._over(base_writer_graph(self._context.graphs.folder, self._model.name))
        except GraphError as error:
            log.info("torch writes the base model's responses: %s", error)
            return self._by_torch

    def former(self, folder: Path) -> TextGenerator:
        """Return the version whose model is in a folder, and is in memory as well, ready to write."""
        if self._is_wanted and (folder / WriterGraph.FOLDER).is_dir():
            try:
                return self._over(WriterGraph.read(folder / WriterGraph.FOLDER))
            except GraphError as error:
                log.info("torch writes the former version's responses: %s", error)
        return self._by_torch

    def tuned(self, prompts: Sequence[str]) -> TextGenerator:
        """Return the tuned model, ready to write; its files are there already, and its graph goes beside them.

        Args:
            prompts: that the graph is checked with.
        """
        if not self._is_wanted:
            return self._by_torch
        folder = self._context.scratch / WriterGraph.FOLDER
        try:
            generator = self._over(export_writer(load_merged_model(self._context.scratch), folder))
            self.difference = self._difference(generator, prompts)
            if not abs(self.difference) <= TOLERANCE:
                raise GraphError(
                    f"the graph differs from torch by {self.difference:+.3f} nats per token; wanted at most {TOLERANCE}"
                )
        except (EncoderError, GraphError) as error:
            shutil.rmtree(folder, ignore_errors=True)
            self.difference = None
            self.warnings.append(f"drafts are written by torch, which is slower: {error}")
            return self._by_torch
        return generator

    def _over(self, graph: WriterGraph) -> TextGenerator:
        torch = self._by_torch
        return graph_generator(graph, max_new_tokens=torch.max_new_tokens, max_length_tokens=torch.max_length_tokens)

    def _difference(self, generator: TextGenerator, prompts: Sequence[str]) -> float:
        rows = [generator.format.prompt_ids(prompt, most=generator.most_prompt_tokens)[0] for prompt in prompts]
        written = generator.writer.write(
            rows, most_tokens=CHECKED_TOKENS, longest=generator.max_length_tokens, stop_ids=generator.format.stop_ids
        )
        pairs = [TokenPair((*ids, *new), len(ids)) for ids, (new, _) in zip(rows, written, strict=True)]
        tokens = np.array([len(new) for new, _ in written])
        logs = np.log([confidence for _, confidence in written])
        by_graph = float((tokens * logs).sum() / tokens.sum())
        return by_graph + holdout_loss(self._model, pairs, tokens_per_pass=TOKENS_PER_PASS)

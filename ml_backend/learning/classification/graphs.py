"""Graphs of trained models: exported where torch is at hand, and checked against it, so that servers need none."""

import logging
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ...arrays import Floats2d
from ...domain.example import Target
from ...errors import GraphError
from ...models.base.base_model import load_backbone
from ...models.bundle.bundle import TrainedPart
from ...models.bundle.head import Head
from ...models.graphs.encoder import GraphEncoder
from ...models.graphs.export import add_int8, export_graph
from ...models.graphs.graph import Graph
from ...models.graphs.runtimes.base import GraphRuntime, Runtime
from ...models.graphs.store import GraphStore, SharedBase
from ...models.graphs.weights import reweighted_graph
from ...models.text.classifier import TextClassifier, tuned_backbone
from ...models.text.tokenised import TokenisedTexts
from ...models.text.torch_encoder import TextEncoder

__all__ = ["add_graph"]

log = logging.getLogger(__name__)

TOLERANCE = 1e-3
"""Largest difference between logits of torch and of the graph in fp32, as a share of the largest logit."""
LEAST_AGREEMENT = 0.97
"""Share of texts that the graph in 8 bits must answer as the model does; it errs where the model itself is torn."""
SAMPLE_TEXTS, CHECKED_TEXTS, CHECKED_TOKENS = 512, 256, 8192
LEAST_CHECKED_TEXTS, MOST_CHECKED_TOKENS = 40, 65536
"""At least so many texts are checked, long ones too, up to so many tokens: among fewer texts, one answer that changes
would be more than may change."""
SAMPLE_SEQUENCES = 4096


def add_graph(part: TrainedPart, encoder: TextEncoder, texts: Sequence[str], store: GraphStore) -> str | None:
    """Write the graph of a tuned part into its folder, and what all graphs of the base model need into the store.

    Args:
        encoder: of the frozen base model.
        texts: that the part was trained on.

    Returns:
        Why there is no graph, so that torch serves the part; None where there is one, or none is needed.

    Raises:
        BundleError: the part's files do not fit the base model.
    """
    try:
        shared = store.share(encoder)
        if part.is_tuned:
            _write(part, encoder, texts, shared)
    except GraphError as error:
        shutil.rmtree(part.folder / Graph.FOLDER, ignore_errors=True)
        return f"pre-labels of {part.facts.control!r} are computed by torch, which is slower: {error}"
    return None


def _write(part: TrainedPart, base: TextEncoder, texts: Sequence[str], shared: SharedBase) -> None:
    facts = part.facts
    encoder = TextEncoder(
        tuned_backbone(load_backbone(base.backbone.name), part.folder),
        max_length_tokens=facts.max_length_tokens,
        use_bf16=False,
        device="cpu",
    )
    model = TextClassifier(encoder, Head.read(part.folder), facts.linear_decoder)
    sample = texts[:: max(1, len(texts) // SAMPLE_TEXTS)][:SAMPLE_TEXTS]
    tokenised = model.read(sample)
    graph = _plain(part.folder / Graph.FOLDER, base, encoder, tokenised, shared)
    trial = _Trial(model, tokenised.take(np.arange(_checked_texts(tokenised))))
    runtime = GraphRuntime.exact()(graph, shared.words, max_length_tokens=facts.max_length_tokens)
    difference = trial.difference(runtime)
    if not difference <= TOLERANCE:
        raise GraphError(
            f"logits of the exported graph differ by {difference:.3g} of the largest; wanted at most {TOLERANCE:g}"
        )
    _try_int8(graph, shared, tokenised.sequences[:: -(-len(tokenised.sequences) // SAMPLE_SEQUENCES)], trial)


def _plain(folder: Path, base: TextEncoder, tuned: TextEncoder, tokenised: TokenisedTexts, shared: SharedBase) -> Graph:
    """The graph of the tuned model: that of the base model with other weights, or else exported anew."""
    try:
        return reweighted_graph(shared.graph, folder, before=base.backbone.module, after=tuned.backbone.module)
    except GraphError as error:
        log.info("the graph is exported anew: %s", error)
    return export_graph(
        tuned.backbone,
        folder,
        words=shared.words,
        pad_id=tuned.pad_id,
        samples=tokenised.sequences,
        max_length_tokens=tuned.max_length_tokens,
    )


def _try_int8(graph: Graph, shared: SharedBase, samples: Sequence[Sequence[int]], trial: "_Trial") -> None:
    """Add the graph in 8 bits, unless too many answers change."""
    try:
        graph = add_int8(graph, words=shared.words, samples=samples)
        longest = max(len(sequence) for sequence in samples)
        kind = GraphRuntime.usual(is_int8=True)
        agreement = trial.agreement(kind(graph, shared.words, max_length_tokens=longest, shapes=1))
    except GraphError as error:
        reason = str(error)
    else:
        if agreement >= LEAST_AGREEMENT:
            log.info("%.1f%% of the answers stay in 8 bits", 100 * agreement)
            return
        reason = f"only {agreement:.1%} of the answers stay in 8 bits; wanted {LEAST_AGREEMENT:.0%}"
    log.warning("there is no graph in 8 bits: %s", reason)
    graph.without_int8()


class _Trial:
    """Compares what runtimes give for some texts with what torch gives in fp32."""

    def __init__(self, model: TextClassifier, tokenised: TokenisedTexts) -> None:
        self.model, self.tokenised, self.logits = model, tokenised, model.logits(tokenised)

    def difference(self, runtime: Runtime) -> float:
        """Largest difference of a logit, as a share of the largest logit."""
        largest = max(1.0, float(np.abs(self.logits).max(initial=0.0)))
        return float(np.abs(self._computed(runtime) - self.logits).max(initial=0.0)) / largest

    def agreement(self, runtime: Runtime) -> float:
        """Share of the texts that are answered the same."""
        computed, expected = (self._answers(logits) for logits in (self._computed(runtime), self.logits))
        return sum(one == other for one, other in zip(computed, expected, strict=True)) / len(expected)

    def _computed(self, runtime: Runtime) -> Floats2d:
        encoder = self.model.encoder
        over = GraphEncoder(
            encoder.tokeniser, runtime.hidden, width=encoder.width, max_length_tokens=encoder.max_length_tokens
        )
        logits = replace(self.model, encoder=over).logits(self.tokenised)
        runtime.close()
        return logits

    def _answers(self, logits: Floats2d) -> list[Target]:
        return [answer.target for answer in self.model.decoder.answers(logits, self.tokenised)]


def _checked_texts(tokenised: TokenisedTexts) -> int:
    """As many of the first texts as are computed in fp32 within seconds; some more where texts are long."""
    few, many = (_texts_within(tokenised, tokens) for tokens in (CHECKED_TOKENS, MOST_CHECKED_TOKENS))
    return min(max(1, few, min(many, LEAST_CHECKED_TEXTS)), CHECKED_TEXTS, tokenised.texts)


def _texts_within(tokenised: TokenisedTexts, most_tokens: int) -> int:
    tokens = np.cumsum([len(sequence) for sequence in tokenised.sequences])
    sequences = max(1, int(np.searchsorted(tokens, most_tokens, side="right")))
    return int(np.searchsorted(tokenised.sequence_starts, sequences, side="right")) - 1

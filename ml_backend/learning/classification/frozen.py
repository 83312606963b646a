"""The frozen base model, computed by what takes the least time here."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from ...errors import GraphError
from ...models.graphs.encoder import GraphEncoder
from ...models.graphs.runtimes.base import GraphRuntime
from ...models.graphs.store import GraphStore
from ...models.text.encoder import Encoder
from ...models.text.tokenised import TokenisedTexts
from ...models.text.torch_encoder import TextEncoder

__all__ = ["frozen_encoder"]

log = logging.getLogger(__name__)

SHAPES = 4
"""With the one that takes many short texts at once; more would take longer to compile than they save."""
CHECKED_TEXTS = 8
LEAST_COSINE = 0.99
"""Between vectors of both ways; in bf16 they differ by less than a hundredth of what this allows."""


@contextmanager
def frozen_encoder(encoder: TextEncoder, graphs: GraphStore | None, sample: TokenisedTexts) -> Iterator[Encoder]:
    """The same vectors up to rounding, on a CPU in about half the time where the base model's graph can be computed.

    Args:
        encoder: of the frozen base model; it computes them itself where nothing is faster.
        graphs: holds the base model's graph, which is made where it is missing; None: torch computes.
        sample: texts that both ways are compared on.
    """
    runtime = _runtime(encoder, graphs) if graphs is not None and encoder.device == "cpu" else None
    if runtime is None:
        yield encoder
        return
    try:
        over = GraphEncoder(
            encoder.tokeniser, runtime.hidden, width=encoder.width, max_length_tokens=encoder.max_length_tokens
        )
        yield over if _agree(over, encoder, sample) else encoder
    finally:
        runtime.close()


def _runtime(encoder: TextEncoder, graphs: GraphStore) -> GraphRuntime | None:
    try:
        shared = graphs.share(encoder)
        kind = GraphRuntime.usual()
        return kind(shared.graph, shared.words, max_length_tokens=encoder.max_length_tokens, shapes=SHAPES)
    except GraphError as error:
        log.info("torch computes the features: %s", error)
        return None


def _agree(one: Encoder, other: Encoder, sample: TokenisedTexts) -> bool:
    few = sample.take(np.arange(min(CHECKED_TEXTS, sample.texts)))
    mine, theirs = one.vectors(few), other.vectors(few)
    lengths = np.linalg.norm(mine, axis=1) * np.linalg.norm(theirs, axis=1)
    least = float(((mine * theirs).sum(axis=1) / np.maximum(lengths, 1e-12)).min(initial=1.0))
    if least >= LEAST_COSINE:
        return True
    log.warning("torch computes the features, because the ones of the graph differ: their cosine is %.3f", least)
    return False

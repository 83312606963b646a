"""Keep the vectors of texts, so that a version can tell texts that fit none of its labels."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from ...arrays import Floats2d, Ints
from ...batches import in_batches
from ...domain.fit import LEAST_HELD_OUT
from ...domain.progress import Progress
from ...measuring.novelty import gaps_between
from ...models.base.base_model import load_backbone
from ...models.bundle.bundle import TrainedPart
from ...models.bundle.known_texts import KnownTexts, text_key
from ...models.graphs.encoder import GraphEncoder
from ...models.graphs.graph import Graph
from ...models.graphs.runtimes.base import GraphRuntime
from ...models.graphs.store import GraphStore
from ...models.text.classifier import tuned_backbone
from ...models.text.encoder import Encoder
from ...models.text.pooling import text_vectors
from ...models.text.tokenised import TokenisedTexts
from ...models.text.torch_encoder import TextEncoder
from ..loop.schedule import Deadline
from ..part import PartContext
from .candidates import HeadTraining, TrainedHead

__all__ = ["add_known_texts"]

NO_VECTORS = np.zeros((0, 0), dtype=np.float32)
MOST_TEXTS = 20_000
TEXTS_AT_ONCE = 512
SHARE_OF_BUDGET = 0.03
"""Of the minutes that a training may take, where they are bounded; fewer train texts are kept then."""


def add_known_texts(
    part: TrainedPart, training: HeadTraining, best: TrainedHead, encoder: TextEncoder, context: PartContext
) -> None:
    """Write what validation rows are like, and as many train rows as are kept, into a part's folder.

    Nothing is kept where that does not tell which texts fit, and with too few validation rows to tell anything.

    Args:
        encoder: of the frozen base model.
    """
    decoder, validation = part.facts.linear_decoder, training.rows.validation
    if len(validation) < LEAST_HELD_OUT:
        return
    if decoder.is_one_label:
        known = _with_vectors(part, training, best, encoder, context)
    else:
        held_out = decoder.likeness(NO_VECTORS, best.validation_logits, validation.tokenised)
        known = None if held_out is None else KnownTexts(NO_VECTORS, np.zeros(0, dtype=np.int64), np.zeros(0), held_out)
    if known is not None:
        known.write(part.folder)


def _with_vectors(
    part: TrainedPart, training: HeadTraining, best: TrainedHead, encoder: TextEncoder, context: PartContext
) -> KnownTexts | None:
    """The vectors of rows the way that the part serves; None where the train rows that are kept have not two labels."""
    rows, settings, decoder = training.rows, training.settings, part.facts.linear_decoder
    if not rows.targets:
        return None
    codes = training.objective.strata(rows.targets)
    chosen = spread_over_labels(codes, np.random.default_rng(settings.seed))[:MOST_TEXTS]
    train, validation = rows.sampled.tokenised, rows.validation.tokenised
    if part.is_tuned:
        deadline = None
        if context.deadline is not None and settings.budget_min is not None:
            deadline = Deadline.after(SHARE_OF_BUDGET * 60 * settings.budget_min, context.deadline.clock)
        batches = []
        with _serving_encoder(part, encoder, context.graphs) as serving:
            features = _features(serving, validation, context)
            for some in in_batches(chosen, TEXTS_AT_ONCE):
                texts = train.take(some)
                batches.append(text_vectors(_features(serving, texts, context), texts))
                if deadline is not None and not deadline.left_s:
                    break
        vectors = np.concatenate(batches)
    else:
        vectors = text_vectors(training.features[HeadTraining.TRAIN], train)[chosen]
        features = training.features[HeadTraining.VALIDATION]
    kept = codes[chosen[: len(vectors)]]
    held_out = decoder.likeness(features, decoder.logits(best.head, features, validation), validation)
    if held_out is None or not np.ptp(kept):
        return None
    of_rows = rows.sampled.rows.texts
    keys = np.array([text_key(of_rows[i]) for i in chosen[: len(vectors)]], dtype=np.int64)
    return KnownTexts(vectors, kept, gaps_between(vectors), held_out, keys)


def spread_over_labels(codes: Ints, rng: np.random.Generator) -> Ints:
    """Positions of all rows in an order of which every beginning has about as large a share of each label's rows.

    Args:
        codes: a number for the label of each row, shape (N,).
    """
    shuffled = rng.permutation(len(codes))
    by_label = shuffled[np.argsort(codes[shuffled], kind="stable")]
    _, firsts, counts = np.unique(codes[by_label], return_index=True, return_counts=True)
    places = (np.arange(len(codes)) - np.repeat(firsts, counts) + rng.random(len(codes))) / np.repeat(counts, counts)
    return by_label[np.argsort(places, kind="stable")]


def _features(encoder: Encoder, tokenised: TokenisedTexts, context: PartContext) -> Floats2d:
    def report(_done: int) -> None:
        context.report(Progress(1.0, "exporting", "reading texts again, to tell which ones fit no label"))

    return encoder.vectors(tokenised, on_rows=report)


@contextmanager
def _serving_encoder(part: TrainedPart, base: TextEncoder, graphs: GraphStore | None) -> Iterator[Encoder]:
    """The encoder that usually serves a tuned part: in 8 bits, vectors are a little different from those of torch."""
    facts = part.facts
    if graphs is None or base.device != "cpu" or not (part.folder / Graph.FOLDER).is_dir():
        tuned = tuned_backbone(load_backbone(base.backbone.name), part.folder)
        yield TextEncoder(tuned, max_length_tokens=facts.max_length_tokens)
        return
    graph, shared = Graph.read(part.folder / Graph.FOLDER), graphs.share(base)
    kind = GraphRuntime.usual(is_int8=graph.int8 is not None)
    runtime = kind(graph, shared.words, max_length_tokens=facts.max_length_tokens)
    try:
        yield GraphEncoder(base.tokeniser, runtime.hidden, width=base.width, max_length_tokens=facts.max_length_tokens)
    finally:
        runtime.close()

"""Vectors of texts from the frozen base model, each computed once in the life of a home folder."""

from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

import numpy as np

from ..arrays import Floats2d
from ..domain.progress import Progress, ProgressCallback
from ..storage.feature_cache import FeatureCache
from .services import Services

if TYPE_CHECKING:
    from ..models.text.encoder import Encoder
    from ..models.text.torch_encoder import TextEncoder

__all__ = ["TextFeatures"]


class TextFeatures:
    """Reads texts by the base model of the settings, and those that are new by what takes the least time here."""

    def __init__(self, services: Services, encoder: "TextEncoder") -> None:
        options = services.options
        self._encoder, self._services = encoder, services
        self._cache = FeatureCache(options.home / "features.sqlite", options.selection.features_mb * 2**20)

    def of(self, texts: Sequence[str], report: ProgressCallback = Progress.ignore) -> Floats2d:
        """Return a vector of length 1 per text, shape (N, D)."""
        from ..learning.classification.frozen import frozen_encoder
        from ..models.base.base_model import weights_sha256
        from ..models.graphs.store import GraphStore

        options = self._services.options
        base = f"{weights_sha256(options.models.base_model)}:{self._encoder.max_length_tokens}"
        opened: list[Encoder] = []
        done = 0

        def compute(missing: Sequence[str]) -> Floats2d:
            nonlocal done
            if not opened:  # where all vectors are known, nothing is
                graphs = GraphStore(options.graphs_folder) if options.serving.exports_graphs else None
                sample = self._encoder.read(texts[:8])
                opened.append(stack.enter_context(frozen_encoder(self._encoder, graphs, sample)))
            vectors = opened[0].embed(missing)
            done += len(missing)
            report(Progress(min(done / max(len(texts), 1), 1.0), "embedding", f"read {done} new texts"))
            return vectors

        with ExitStack() as stack:
            vectors = self._cache.vectors(base, texts, self._encoder.width, compute)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.asarray(vectors / np.maximum(lengths, 1e-6), dtype=np.float32)

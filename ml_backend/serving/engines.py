"""The engines of a process: one per model that is computed, shared by all versions that need it."""

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar
from weakref import WeakValueDictionary

from ..errors import EncoderError, GraphError
from ..models.base.base_model import load_backbone, weights_sha256
from ..models.base.device import has_cuda
from ..models.base.tokeniser import Tokeniser
from ..models.bundle.bundle import Bundle
from ..models.graphs.encoder import GraphEncoder
from ..models.graphs.fastest import AUTO, open_runtime
from ..models.graphs.graph import Graph
from ..models.graphs.runtimes.torch import TorchRuntime
from ..models.graphs.store import GraphStore, SharedBase
from ..models.text.classifier import TextClassifier, served_graph, tuned_backbone
from ..models.text.encoder import Encoder
from ..models.text.torch_encoder import TextEncoder
from .engine import Engine

__all__ = ["EngineEncoder", "Engines"]

log = logging.getLogger(__name__)


_Key = tuple[str, int]
"""Digest of a graph, or of base weights that torch computes, and the longest sequence in tokens."""


class EngineEncoder(GraphEncoder):
    """An encoder over an engine that it may share with others. Safe to use from several threads."""

    WARM_UP_TEXTS: ClassVar[tuple[str, ...]] = (
        "Hello",
        "Where is the card that I ordered?",
        "My order has not come. " * 8,
        "Please help me. " * 60,
    )
    """Texts of several lengths, the longest nearly as long as one is read at once. The first computation of a length is
    slow."""

    def __init__(self, tokeniser: Tokeniser, engine: Engine, *, width: int, max_length_tokens: int) -> None:
        super().__init__(tokeniser, engine.hidden, width=width, max_length_tokens=max_length_tokens)
        self.engine = engine


class Engines:
    """Opens engines and shares them: versions and projects with the same graph, or with the frozen base, have one.

    An engine that no encoder refers to any more is closed.

    Args:
        graphs: folder of what versions over one base model share, and of which runtime was the fastest here.
        runtime: as in the setting `LABELLOOP_RUNTIME`.
    """

    def __init__(self, graphs: Path, runtime: str = AUTO) -> None:
        self._store = GraphStore(graphs)
        self._runtime = runtime
        self._engines: WeakValueDictionary[_Key, Engine] = WeakValueDictionary()
        self._frozen: WeakValueDictionary[_Key, EngineEncoder] = WeakValueDictionary()
        # One at a time: opening takes all cores, and what two want to open may be the same.
        self._lock = threading.Lock()

    def encoder(self, base_model: str, *, max_length_tokens: int = Encoder.DEFAULT_MAX_LENGTH_TOKENS) -> EngineEncoder:
        """The base model as it is.

        Raises:
            EncoderError: it cannot be loaded.
        """
        with self._lock:
            shared = self._shared(base_model)
            encoder = None if shared is None else self._over(shared, lambda: shared.graph, max_length_tokens)
            return encoder or self._frozen_by_torch(base_model, max_length_tokens)

    def classifier(self, bundle: Bundle, position: int) -> TextClassifier:
        """The model of a bundle's part with a linear head.

        Raises:
            BundleError: the bundle is damaged, or was trained on other base weights than the ones found here.
            EncoderError: its base model cannot be loaded.
        """
        with self._lock:
            return TextClassifier.over(bundle, position, self._part_encoder(bundle, position))

    def _part_encoder(self, bundle: Bundle, position: int) -> EngineEncoder:
        manifest, part = bundle.manifest, bundle.manifest.parts[position]
        try:
            shared = self._shared(manifest.base_model)
        except EncoderError as error:
            raise EncoderError(f"{manifest.model_version} needs its base model: {error}") from error
        encoder = None
        if shared is not None:
            encoder = self._over(shared, lambda: served_graph(bundle, position, shared), part.max_length_tokens)
        if encoder is None:
            log.info("%r of %s is computed by torch", part.control, manifest.model_version)
        return encoder or self._part_by_torch(bundle, position)

    def _shared(self, base_model: str) -> SharedBase | None:
        """Return what is needed of a base model beside a graph; None where torch computes it."""
        if self._runtime == TorchRuntime.name or (self._runtime == AUTO and has_cuda()):
            return None
        try:
            return self._store.base(base_model)
        except GraphError as error:
            log.info("%s is computed by torch: %s", base_model, error)
            return None

    def _over(
        self, shared: SharedBase, find_graph: Callable[[], Graph | None], max_length_tokens: int
    ) -> EngineEncoder | None:
        """Over a graph; None where there is none, or none that can be computed here."""
        length = min(max_length_tokens, shared.facts.max_length_tokens or max_length_tokens)
        try:
            graph = find_graph()
            if graph is None:
                return None
            key = graph.digest, length
            engine = self._engines.get(key)
            if engine is None:
                runtime = open_runtime(
                    graph, shared.words, wanted=self._runtime, max_length_tokens=length, measured=self._store.measured
                )
                engine = self._engines[key] = Engine(runtime)
        except GraphError as error:
            log.warning("a graph of %s is left aside: %s", shared.facts.base_model, error)
            return None
        return EngineEncoder(shared.tokeniser, engine, width=shared.facts.hidden_size, max_length_tokens=length)

    def _part_by_torch(self, bundle: Bundle, position: int) -> EngineEncoder:
        manifest, part = bundle.manifest, bundle.manifest.parts[position]
        try:
            if bundle.adapter(position) is None and bundle.weights(position) is None:
                bundle.check_base(weights_sha256(manifest.base_model))
                return self._frozen_by_torch(manifest.base_model, part.max_length_tokens)
            backbone = load_backbone(manifest.base_model)
        except EncoderError as error:
            raise EncoderError(f"{manifest.model_version} needs its base model: {error}") from error
        bundle.check_base(backbone.weights_sha256)
        tuned = tuned_backbone(backbone, bundle.part_folder(position))
        return _by_torch(TextEncoder(tuned, max_length_tokens=part.max_length_tokens))

    def _frozen_by_torch(self, base_model: str, max_length_tokens: int) -> EngineEncoder:
        key = weights_sha256(base_model), max_length_tokens
        encoder = self._frozen.get(key)
        if encoder is None:
            encoder = self._frozen[key] = _by_torch(TextEncoder.load(base_model, max_length_tokens=max_length_tokens))
        return encoder


def _by_torch(encoder: TextEncoder) -> EngineEncoder:
    """Return the encoder over an engine that computes by torch."""
    engine = Engine(TorchRuntime(encoder))
    return EngineEncoder(encoder.tokeniser, engine, width=encoder.width, max_length_tokens=encoder.max_length_tokens)

"""Answers before the first trained version: how close a text is to the labels' names and hints."""

import threading
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ..domain.label_config import Label
from ..domain.model import ScoredTarget
from ..encoders.bundle import confidences
from ..encoders.embed import Floats2d, TextEncoder
from .scores import draw_from_quantiles, scored_targets

__all__ = ["ColdStartPredictor", "label_vectors", "shared_encoder"]

TEMPERATURE = 1 / 16
"""Near the best likelihood on two labeled sets, 8 and 77 classes, all-MiniLM-L6-v2; other base models may differ."""

_encoders: dict[str, TextEncoder] = {}
_encoders_lock = threading.Lock()


class ColdStartPredictor:
    """Zero-shot classification by similarity. Safe to use from several threads.

    Cheap to make: the labels are embedded when the first text is asked about.

    Args:
        labels: in the order of the label config; their hints are worth writing, see `label_vectors`.
    """

    def __init__(self, version: str, labels: Sequence[Label], encoder: TextEncoder) -> None:
        self.version = version
        self._labels = tuple(labels)
        self._encoder = encoder
        self._vectors: Floats2d | None = None
        self._lock = threading.Lock()

    def predict(self, texts: Sequence[str]) -> list[ScoredTarget | None]:
        """The closest label per text; None for an empty text.

        Scores are plausible but not calibrated: no row is labeled yet.
        """
        return scored_targets(texts, [label.value for label in self._labels], self._confidences)

    def draw_score(self, key: int) -> float:
        """A score drawn evenly between chance and 1, much as cold-start scores lie; the same key, the same draw."""
        return draw_from_quantiles((1 / len(self._labels), 1.0), self.version, key)

    def _confidences(self, texts: Sequence[str]) -> npt.NDArray[np.float64]:
        with self._lock:
            if self._vectors is None:
                self._vectors = label_vectors(self._labels, self._encoder)
        return confidences(self._encoder.embed(texts) @ self._vectors.T, TEMPERATURE)


def label_vectors(labels: Sequence[Label], encoder: TextEncoder) -> Floats2d:
    """One vector of length 1 per label, shape (K, D).

    It is the mean of the vector of "name: hint" and of the mean vector of the hint's phrases, for phrases are as long
    as the short texts that they are compared with. A label without a hint is its name alone.
    """
    vectors = np.zeros((len(labels), encoder.width), dtype=np.float32)
    for k, label in enumerate(labels):
        name, *phrases = label.descriptions or ("",)
        described = encoder.embed([f"{name}: {label.hint}" if phrases else name, *phrases])
        vectors[k] = described[0]
        if phrases:
            vectors[k] += _scaled(described[1:].mean(axis=0))
        vectors[k] = _scaled(vectors[k])
    return vectors


def shared_encoder(base_model: str) -> TextEncoder:
    """The one frozen encoder of a base model that this process holds; the first call loads it.

    Raises:
        EncoderError: the base model cannot be loaded.
    """
    with _encoders_lock:
        if base_model not in _encoders:
            _encoders[base_model] = TextEncoder.load(base_model)
        return _encoders[base_model]


def _scaled(vector: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-12), dtype=np.float32)

"""Answers of a trained version."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..domain.model import ScoredTarget
from ..encoders.bundle import confidences, read_bundle
from ..encoders.classifier import load_classifier
from .scores import draw_from_quantiles, scored_targets

__all__ = ["BundlePredictor"]


class BundlePredictor:
    """A trained version in memory. Safe to use from several threads.

    Args:
        path: folder of its serving bundle.

    Raises:
        BundleError: the bundle is damaged, or was trained on other base weights than the ones found here.
        EncoderError: its base model cannot be loaded.
    """

    def __init__(self, path: Path) -> None:
        bundle = read_bundle(path)
        self.version = bundle.manifest.model_version
        self._manifest = bundle.manifest
        self._classifier = load_classifier(bundle)

    def predict(self, texts: Sequence[str]) -> list[ScoredTarget | None]:
        """The most likely class per text with its calibrated confidence; None for an empty text."""
        return scored_targets(texts, self._manifest.labels, self._confidences)

    def draw_score(self, key: int) -> float:
        """A score drawn from those of the held-out rows; the same key gives the same draw."""
        return draw_from_quantiles(self._manifest.score_quantiles, self.version, key)

    def _confidences(self, texts: Sequence[str]) -> npt.NDArray[np.float64]:
        return confidences(self._classifier.logits(texts), self._manifest.temperature)

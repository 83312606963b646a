"""Answers of a trained version."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..domain.model import ScoredTarget
from ..encoders.bundle import read_bundle
from ..encoders.classifier import load_classifier
from .scores import draw_from_quantiles

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
        self._parts = bundle.manifest.parts
        self._models = {
            part.control: load_classifier(bundle, position) for position, part in enumerate(bundle.manifest.parts)
        }

    def predict(self, texts: Sequence[str]) -> list[Mapping[str, ScoredTarget] | None]:
        """Answers per control for each text, in order; None for an empty text."""
        asked = [position for position, text in enumerate(texts) if text.strip()]
        answers: list[Mapping[str, ScoredTarget] | None] = [None] * len(texts)
        by_control = {name: model.answers([texts[i] for i in asked]) for name, model in self._models.items()}
        for number, position in enumerate(asked):
            answers[position] = {name: found[number] for name, found in by_control.items()}
        return answers

    def draw_score(self, key: int) -> float:
        """A score drawn from those of the held-out rows; the same key gives the same draw."""
        return math.prod(
            draw_from_quantiles(part.score_quantiles, f"{self.version}:{part.control}", key) for part in self._parts
        )

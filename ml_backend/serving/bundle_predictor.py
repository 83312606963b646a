"""Answers of a trained version."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..domain.model import HeadKind, ScoredTarget
from ..encoders.bundle import Bundle, read_bundle
from ..encoders.classifier import load_classifier
from ..encoders.generate import TextGenerator
from ..encoders.tuned_model import load_tuned_model
from .drafts import Writer, written
from .scores import draw_from_quantiles

if TYPE_CHECKING:
    from ..encoders.language_model import LanguageModel

__all__ = ["BundlePredictor"]

Answers = Callable[[Sequence[str]], Sequence[ScoredTarget | None]]


class BundlePredictor:
    """A trained version in memory. Safe to use from several threads.

    Args:
        path: folder of its serving bundle.
        budget_s: seconds per draft of a response, by the wall clock; None: no bound.
        remote: gives what writes the responses of a version elsewhere, None where nothing does; then the version's
            own model is loaded.

    Raises:
        BundleError: the bundle is damaged, or was trained on other base weights than the ones found here.
        EncoderError: its base model cannot be loaded.
    """

    def __init__(
        self,
        path: Path,
        *,
        budget_s: float | None = None,
        remote: Callable[[str], Writer | None] = lambda _: None,
    ) -> None:
        bundle = read_bundle(path)
        self.version = bundle.manifest.model_version
        self._parts = bundle.manifest.parts
        self._writers: dict[str, Writer] = {}
        self._answers: dict[str, Answers] = {}
        for position, part in enumerate(bundle.manifest.parts):
            if part.head is HeadKind.TEXT:
                writer = remote(self.version) or _own_writer(bundle, position, budget_s)
                self._writers[part.control] = writer
                self._answers[part.control] = _drafting(writer)
            else:
                self._answers[part.control] = load_classifier(bundle, position).answers

    def language_model(self, control: str) -> "LanguageModel | None":
        """The model that writes the responses to a control; None where none of this process does."""
        writer = self._writers.get(control)
        return writer.model if isinstance(writer, TextGenerator) else None

    def predict(self, texts: Sequence[str]) -> list[Mapping[str, ScoredTarget] | None]:
        """Answers per control for each text, in order; None for an empty text."""
        asked = [position for position, text in enumerate(texts) if text.strip()]
        answers: list[Mapping[str, ScoredTarget] | None] = [None] * len(texts)
        by_control = {name: answer([texts[i] for i in asked]) for name, answer in self._answers.items()}
        for number, position in enumerate(asked):
            rows = {name: found[number] for name, found in by_control.items()}
            answers[position] = {name: answer for name, answer in rows.items() if answer is not None}
        return answers

    def draw_score(self, key: int) -> float:
        """A score drawn from those of the held-out rows; the same key gives the same draw."""
        return math.prod(
            draw_from_quantiles(part.score_quantiles, f"{self.version}:{part.control}", key) for part in self._parts
        )


def _own_writer(bundle: Bundle, position: int, budget_s: float | None) -> TextGenerator:
    part = bundle.manifest.parts[position]
    return TextGenerator(
        load_tuned_model(bundle.part_folder(position)),
        max_new_tokens=int(part.readout["max_new_tokens"]),
        budget_s=budget_s,
        max_length_tokens=part.max_length_tokens,
    )


def _drafting(writer: Writer) -> Answers:
    return lambda texts: written(writer, texts)

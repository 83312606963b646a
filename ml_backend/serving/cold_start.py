"""Answers before the first trained version: how close a text is to the labels' names and hints."""

import math
import threading
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence

import numpy as np

from ..arrays import Floats, Floats2d
from ..domain.example import Target
from ..domain.field_texts import field_texts, readable_text
from ..domain.label_config import Control, Label
from ..domain.model import ScoredTarget
from ..models.bundle.head import Head
from ..models.decoders.base import decoder_of
from ..models.decoders.option import OptionDecoder
from ..models.text.confidence import confidences
from ..models.text.encoder import Encoder
from ..models.text.pooling import Pooling, pooled_logits
from ..models.text.tokenised import TokenisedTexts
from ..models.text.torch_encoder import TextEncoder
from ..tasks import ServingPlan
from .drafts import Writer, draft_answers
from .engines import EngineEncoder
from .scores import draw_from_quantiles

__all__ = ["ColdStartPredictor", "shared_encoder"]

TEMPERATURE = 1 / 16
"""Near the best likelihood on two labeled sets, 8 and 77 classes, all-MiniLM-L6-v2; other base models may differ."""

_encoders: dict[str, TextEncoder] = {}
_encoders_lock = threading.Lock()


class ColdStartPredictor:
    """Zero-shot classification by similarity, and the drafts of an untuned model. Safe to use from several threads.

    It answers controls with a single choice, or with one label and those that it lies inside, puts options of a task
    in the order of how close they are to the texts around them, and, with a writer, answers controls that take a text;
    which of several labels apply, and where in a text, it cannot tell.
    Cheap to make: the labels are embedded when the first text is asked about.

    Args:
        plan: hints of its labels are worth writing, see `label_vectors`.
        writer: drafts responses; None: nothing does.
    """

    def __init__(self, version: str, plan: ServingPlan, encoder: Encoder, writer: Writer | None = None) -> None:
        self.version = version
        self._writer = writer
        decoders = [(each, decoder_of(each.kind.head)) for each in plan.controls if not each.marking]
        self._written = {each.name: each.control for each, decoder in decoders if decoder.is_written and writer}
        self._labels = {each.name: each.control.labels for each, decoder in decoders if decoder.is_named}
        self._offering = {
            each.name: (each.control, decoder())
            for each, decoder in decoders
            if issubclass(decoder, OptionDecoder) and decoder.suits_untrained and not each.control.buckets
        }
        self._answer_named = {each.name: decoder.answer_named for each, decoder in decoders}
        self._encoder = encoder
        self._vectors: dict[str, Floats2d] = {}
        self._lock = threading.Lock()

    @property
    def controls(self) -> frozenset[str]:
        """Names of the controls that it answers."""
        return frozenset([*self._labels, *self._offering, *self._written])

    @property
    def memory(self) -> Mapping[Hashable, int]:
        """Bytes in memory, by what holds them; two predictors may share it."""
        engine = self._encoder.engine if isinstance(self._encoder, EngineEncoder) else None
        return {} if engine is None else {engine: engine.memory_bytes}

    def warm_up(self) -> None:
        """Embed the labels and answer some texts, so that the first request takes no longer than others."""
        if self._labels:
            self._answers(EngineEncoder.WARM_UP_TEXTS)

    def predict(self, texts: Sequence[str]) -> list[Mapping[str, ScoredTarget] | None]:
        """The closest label per single-choice control; None for an empty text.

        Scores are plausible but not calibrated: no row is labeled yet.
        """
        answers: list[Mapping[str, ScoredTarget] | None] = [{} if text.strip() else None for text in texts]
        positions = [position for position, answer in enumerate(answers) if answer is not None]
        if not positions:
            return answers
        prompts = [readable_text(texts[position]) for position in positions]
        per_control: dict[str, Sequence[ScoredTarget | None]] = {
            name: self._suiting(*offering, [texts[position] for position in positions])
            for name, offering in self._offering.items()
        }
        if self._labels:
            per_control.update(self._answers(prompts))
        if self._written and self._writer is not None:
            # All of them are about the same text, and an untuned model has the same to say to each.
            control = next(iter(self._written.values()))
            drafts = draft_answers(self._writer, [control.prompt_in(texts[position]) for position in positions])
            per_control.update(dict.fromkeys(self._written, drafts))
        for row, position in enumerate(positions):
            rows = {name: column[row] for name, column in per_control.items()}
            answers[position] = {name: answer for name, answer in rows.items() if answer is not None}
        return answers

    def predict_with_fit(self, texts: Sequence[str]) -> list[Mapping[str, ScoredTarget] | None]:
        """The same answers: before anything is labeled, nothing tells which texts fit."""
        return self.predict(texts)

    def nearest(self, _text: str, _count: int) -> Mapping[str, Sequence[tuple[int, float]]]:
        """No row: before anything is labeled, there is none."""
        return {}

    def draw_score(self, key: int, unasked: Collection[str] = ()) -> float | None:
        """A score drawn evenly between chance and 1, much as cold-start scores lie; the same key, the same draw.

        None where no control is answered, for then no task has a score.
        """
        if not self._labels:
            return draw_from_quantiles((0.0, 1.0), self.version, key) if self.controls else None
        chance = math.prod(1 / len(labels) for name, labels in self._labels.items() if name not in unasked)
        return draw_from_quantiles((chance, 1.0), self.version, key)

    def _answers(self, texts: Sequence[str]) -> dict[str, list[ScoredTarget]]:
        with self._lock:
            if not self._vectors:
                self._vectors = {
                    name: ColdStartPredictor.label_vectors(labels, self._encoder)
                    for name, labels in self._labels.items()
                }
        tokenised = self._encoder.read(texts)
        embedded = self._encoder.vectors(tokenised)
        return {
            name: _scored(
                _closeness(vectors, embedded, tokenised),
                [each.value for each in self._labels[name]],
                self._answer_named[name],
            )
            for name, vectors in self._vectors.items()
        }

    def _suiting(self, control: Control, decoder: OptionDecoder, texts: Sequence[str]) -> list[ScoredTarget | None]:
        """The options of each text by how close they are to the texts around them; None where there are none."""
        about = [control.text_in(text) for text in texts]
        places = [place for place, text in enumerate(about) if len(field_texts(text)) > 1]
        answers: list[ScoredTarget | None] = [None] * len(texts)
        tokenised = decoder.tokenise(self._encoder, [about[place] for place in places])
        features = self._encoder.vectors(tokenised)
        logits = decoder.logits(decoder.untrained(self._encoder.width), features, tokenised)
        for place, answer in zip(places, decoder.answers(logits, tokenised), strict=True):
            answers[place] = answer
        return answers

    @staticmethod
    def label_vectors(labels: Sequence[Label], encoder: Encoder) -> Floats2d:
        """One vector of length 1 per label, shape (K, D).

        It is the mean of the vector of "name: hint" and of the mean vector of the hint's phrases, for phrases are as
        long as the short texts that they are compared with. A label without a hint is its name alone.
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


def _closeness(labels: Floats2d, embedded: Floats2d, tokenised: TokenisedTexts) -> Floats:
    """Confidence per text and label, shape (N, K): of a long text the sentences that are the closest decide."""
    head = Head(labels / np.float32(TEMPERATURE), np.zeros(len(labels), dtype=np.float32))
    return confidences(pooled_logits(head, embedded, tokenised, Pooling.STRONGEST), 1.0)


def _scored(rows: Floats, values: Sequence[str], answer_named: Callable[[str], Target]) -> list[ScoredTarget]:
    """The likeliest value per row of confidences, shape (N, K), as an answer."""
    return [
        ScoredTarget(
            answer_named(values[int(row.argmax())]),
            float(row.max()),
            dict(zip(values, map(float, row.tolist()), strict=True)),
        )
        for row in rows
    ]


def shared_encoder(base_model: str) -> TextEncoder:
    """The one frozen encoder of a base model that this process holds; the first call loads it.

    Raises:
        EncoderError: the base model cannot be loaded.
    """
    with _encoders_lock:
        if base_model not in _encoders:
            _encoders[base_model] = TextEncoder.load(base_model)
        return _encoders[base_model]


def _scaled(vector: Floats2d) -> Floats2d:
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-12), dtype=np.float32)

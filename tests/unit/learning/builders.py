"""Rows, settings and a base model small enough for tests."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ml_backend.domain.example import Provenance, Row, Span, Target
from ml_backend.domain.label_config import Control, Label
from ml_backend.domain.object_tag import ObjectTag
from ml_backend.learning.classification.settings import TrainingSettings
from ml_backend.learning.loop.meter import ProgressMeter
from ml_backend.learning.loop.observer import Step, TrainingObserver
from ml_backend.learning.objectives.base import Objective
from ml_backend.learning.rows.collect import training_data
from ml_backend.learning.rows.data import LabeledTexts, TrainingData
from ml_backend.learning.rows.encoded import EncodedRows
from ml_backend.models.base.base_model import load_backbone
from ml_backend.models.text.tokenised import TokenisedTexts
from ml_backend.models.text.torch_encoder import TextEncoder
from ml_backend.tasks import ServedControl, find_kinds
from tests.fakes import FakeRun
from tests.tiny_models import save_tiny_model

LABELS = (
    Label("card", "card", "A card is lost, or late."),
    Label("cash", "cash"),
    Label("refund", "my_refund"),
)
NAMES = ("card", "cash", "refund")
CONTROL = Control("intent", "Choices", ObjectTag("text", "Text", "body"), LABELS, {"choice": "single"})
TOPICS = replace(CONTROL, name="topics", attributes={"choice": "multiple"})
THINGS = replace(CONTROL, name="things", tag="Labels", attributes={})
CONTROLS = {"softmax": CONTROL, "sigmoid": TOPICS, "tags": THINGS}
LINEAR_HEADS = list(CONTROLS)
FILLERS = ["please", "my", "the", "is", "where", "lost", "late", "a", "b", "c", "d", "e"]
KEYWORDS = {"card": "card", "cash": "cash money", "refund": "refund transfer"}
FAST = TrainingSettings(max_length_tokens=32, batch_size=8, lora_r=2, lora_alpha=4, epochs=2, folds=2)


def served(control: Control) -> ServedControl:
    """The control with the one kind that does not refuse it."""
    (kind,) = (kind for kind in find_kinds().values() if kind.refusal(control) is None)
    return ServedControl(control, kind)


def make_row(number: int, text: str, target: Target | None, weight: float = 1.0, *, control: str = "intent") -> Row:
    targets = {} if target is None else {control: target}
    return Row(f"r{number}", number, {"body": text}, targets, (), Provenance(()), weight)


def keyword_rows(per_class: int, *, seed: int = 0, classes: Sequence[str] = tuple(KEYWORDS)) -> list[Row]:
    """Rows whose class is told by one of its words, among filler words."""
    rng = np.random.default_rng(seed)
    rows = []
    for label in classes:
        for _ in range(per_class):
            words = [*rng.choice(FILLERS, size=rng.integers(2, 6)), rng.choice(KEYWORDS[label].split())]
            rows.append(make_row(len(rows), " ".join(rng.permutation(words)), label))
    return rows


def topic_rows(count: int, *, seed: int = 0) -> list[Row]:
    """Rows that carry each label whose words they hold, every fourth of them none; and the same words as spans.

    The intent of a row is the first of its labels, and no answer where it has none.
    """
    rng = np.random.default_rng(seed)
    labels = {word: label for label, words in KEYWORDS.items() for word in words.split()}
    rows = []
    for number in range(count):
        keywords = rng.choice(list(labels), size=number % 4 and rng.integers(1, 4), replace=False)
        words = [str(word) for word in rng.permutation([*rng.choice(FILLERS, size=rng.integers(2, 6)), *keywords])]
        starts = np.cumsum([0, *(len(word) + 1 for word in words)]).tolist()
        spans = [
            Span(start, start + len(word), labels[word])
            for start, word in zip(starts, words, strict=False)
            if word in labels
        ]
        topics = sorted({span.label for span in spans})
        targets: dict[str, Target] = {"topics": tuple(topics), "things": tuple(sorted(spans))}
        if topics:
            targets["intent"] = topics[0]
        rows.append(Row(f"t{number}", number, {"body": " ".join(words)}, targets, (), Provenance(())))
    return rows


def keyword_data(train_per_class: int, validation_per_class: int = 0) -> TrainingData:
    return data_of(keyword_rows(train_per_class), keyword_rows(validation_per_class, seed=1))


def topic_data(head: str, train: int, validation: int = 0) -> TrainingData:
    """The rows of `topic_rows` for the control of this kind."""
    return data_of(topic_rows(train), topic_rows(validation, seed=1), CONTROLS[head])


def linear_data(head: str, train: int = 24, validation: int = 12) -> TrainingData:
    """Rows that a head of this kind learns quickly: the same number for each."""
    if head == "softmax":
        return keyword_data(train // 3, validation // 3)
    return topic_data(head, train, validation)


def data_of(train: Sequence[Row], validation: Sequence[Row], control: Control = CONTROL) -> TrainingData:
    return training_data(train, validation, served(control))


def labeled_as(texts: Sequence[str], targets: Sequence[Target], weights: Sequence[float] | None = None) -> LabeledTexts:
    return LabeledTexts(tuple(texts), tuple(targets), np.array(weights or [1.0] * len(targets)))


def labeled(texts: Sequence[str], indices: Sequence[int], weights: Sequence[float] | None = None) -> LabeledTexts:
    return labeled_as(texts, [NAMES[k] for k in indices], weights)


def unread_rows(targets: Sequence[Target], head: str = "softmax", labels: Sequence[str] = NAMES) -> EncodedRows:
    """Rows of texts that nobody reads: their logits are made up by the test."""
    tokenised = TokenisedTexts.whole([[0]] * len(targets))
    rows = labeled_as([f"text {n}" for n in range(len(targets))], targets)
    return EncodedRows(rows, tokenised, Objective.of(head, tuple(labels)).codes(targets, tokenised))


def encoder_of(base: str) -> TextEncoder:
    return TextEncoder(load_backbone(base), max_length_tokens=32, use_bf16=False)


def tiny_encoder(folder: Path, kind: str = "bert") -> TextEncoder:
    return encoder_of(save_tiny_model(kind, folder))


def tensors_of(encoder: TextEncoder) -> Mapping[str, np.ndarray]:
    """A copy of the weights of an encoder."""
    return {name: tensor.numpy().copy() for name, tensor in encoder.backbone.module.state_dict().items()}


class Interruption(Exception):
    """Somebody pulled the plug."""


class Interrupter(TrainingObserver):
    """Stops a training at a step, and remembers what it was told."""

    def __init__(self, at_step: int = 100) -> None:
        super().__init__(ProgressMeter(lambda _: None, 1), "training", rows_per_epoch=5)
        self._at_step = at_step
        self.resumed: list[int] = []

    def on_resume(self, epoch: int) -> None:
        self.resumed.append(epoch)

    def on_step(self, step: Step) -> None:
        if step.number == self._at_step:
            raise Interruption


def fake_run(folder: Path) -> FakeRun:
    return FakeRun("run-1", "tickets-1", "tickets-1-v1", folder)

"""Rows, settings and a base model small enough for tests."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ml_backend.domain.example import Provenance, Row
from ml_backend.domain.label_config import Control, Label, ObjectTag
from ml_backend.encoders.base_model import load_backbone
from ml_backend.encoders.bundle import BundleFacts
from ml_backend.encoders.embed import TextEncoder
from ml_backend.training.data import LabeledTexts, TrainingData, training_data
from ml_backend.training.settings import TrainingSettings
from tests.fakes import FakeRun
from tests.tiny_models import save_tiny_model

LABELS = (
    Label("card", "card", "A card is lost, or late."),
    Label("cash", "cash"),
    Label("refund", "my_refund"),
)
CONTROL = Control("intent", "Choices", ObjectTag("text", "Text", "body"), LABELS, {"choice": "single"})
FACTS = BundleFacts("intent", "text", "body", "<View/>", "0123456789ab", "cdef")
FILLERS = ["please", "my", "the", "is", "where", "lost", "late", "a", "b", "c", "d", "e"]
KEYWORDS = {"card": "card", "cash": "cash money", "refund": "refund transfer"}
FAST = TrainingSettings(max_length_tokens=32, batch_size=8, lora_r=2, lora_alpha=4, few_rows_epochs=2, folds=2)


def make_row(number: int, text: str, target: str | None, weight: float = 1.0) -> Row:
    targets = {} if target is None else {"intent": target}
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


def keyword_data(train_per_class: int, validation_per_class: int = 0) -> TrainingData:
    return training_data(keyword_rows(train_per_class), keyword_rows(validation_per_class, seed=1), CONTROL)


def labeled(texts: Sequence[str], indices: Sequence[int], weights: Sequence[float] | None = None) -> LabeledTexts:
    return LabeledTexts(
        tuple(texts),
        tuple(LABELS[k].value for k in indices),
        np.array(indices, dtype=np.int64),
        np.array(weights or [1.0] * len(indices)),
    )


def tiny_encoder(folder: Path, kind: str = "bert", *, use_bf16: bool | None = False) -> TextEncoder:
    return TextEncoder(load_backbone(save_tiny_model(kind, folder)), max_length_tokens=32, use_bf16=use_bf16)


def fake_run(folder: Path) -> FakeRun:
    return FakeRun("run-1", "tickets-1", "tickets-1-v1", folder)

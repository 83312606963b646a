"""Steps of training on the same rows: labelloop's, and those of the peer's recipe."""

import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from benchmarks.support.banking77 import CONTROL
from benchmarks.support.trained import labeled
from ml_backend.domain.example import Row
from ml_backend.domain.model import Method
from ml_backend.learning.classification.regression import class_mean_head
from ml_backend.learning.classification.settings import TrainingSettings
from ml_backend.learning.classification.trainer import Trainer
from ml_backend.learning.classification.tuned import TunedClassifier
from ml_backend.learning.loop.fit import training_steps
from ml_backend.learning.objectives.base import Objective
from ml_backend.models.base.base_model import DEFAULT_BASE_MODEL, BaseModelFiles
from ml_backend.models.text.torch_encoder import TextEncoder

__all__ = ["PEER_EPOCHS", "Steps", "lora_steps", "peer_steps", "seconds_per_row"]

PEER_BATCH, PEER_PADDED_WITH, PEER_LEARNING_RATE, PEER_EPOCHS = 8, 1000, 2e-5, 3
HEAD_SCALE = 20.0

Steps = Callable[[], Iterator[int]]
"""Trains while it is iterated over; gives the rows of every step."""


def lora_steps(rows: Sequence[Row], *, adversarial_size: float) -> Steps:
    """LoRA on the rows, one epoch, by the default recipe.

    Args:
        adversarial_size: 0 leaves out the second pass of each step.
    """
    encoder = TextEncoder.load()
    names = tuple(sorted({str(row.targets[CONTROL]) for row in rows}))
    settings = TrainingSettings(method=Method.LORA, adversarial_size=adversarial_size, epochs=1)
    objective = Objective.of("softmax", names)
    texts = labeled([(row.text, row.targets[CONTROL]) for row in rows])
    objective.prepare(encoder, texts)
    encoded = objective.encode(encoder, texts)
    trainer = Trainer.for_rows(encoder, objective, settings, len(encoded))
    codes = np.asarray(encoded.codes, dtype=np.int64)
    features = encoder.vectors(encoded.tokenised)
    head = class_mean_head(features, codes, encoded.unit_weights, classes=len(names), scale=HEAD_SCALE)

    def steps() -> Iterator[int]:
        with TunedClassifier.over(
            encoder, head, objective, Method.LORA, settings=settings, hyperparameters=trainer.hyperparameters
        ) as model:
            model.set_rows(encoded)
            for step in training_steps(model, settings):
                yield step.rows

    return steps


def peer_steps(
    rows: Sequence[Row], *, padded_with: Sequence[Row]
) -> tuple[Steps, Callable[[Sequence[str]], list[str]]]:
    """One epoch of the recipe of label-studio-ml's bert_classifier example, and what the model says of texts then.

    All weights in fp32, 8 rows a step, every text padded to the longest of the first 1,000.
    """
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer
    from transformers.utils import logging

    logging.set_verbosity_error()
    source = BaseModelFiles(DEFAULT_BASE_MODEL).source
    names = sorted({str(row.targets[CONTROL]) for row in rows})
    torch.manual_seed(1)
    model = AutoModelForSequenceClassification.from_pretrained(source, num_labels=len(names), dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(source)
    others = [row.text for row in padded_with[:PEER_PADDED_WITH]]
    batch = tokenizer([*(row.text for row in rows), *others], padding=True, truncation=True, return_tensors="pt")
    labels = torch.tensor([names.index(str(row.targets[CONTROL])) for row in rows])
    optimizer = torch.optim.AdamW(model.parameters(), lr=PEER_LEARNING_RATE)

    def steps() -> Iterator[int]:
        model.train()
        order = torch.randperm(len(rows))
        for chosen in order.split(PEER_BATCH):
            optimizer.zero_grad()
            part = {name: tensor[chosen] for name, tensor in batch.items()}
            model(**part, labels=labels[chosen]).loss.backward()
            optimizer.step()
            yield len(chosen)

    def says(texts: Sequence[str]) -> list[str]:
        model.eval()
        found: list[str] = []
        with torch.no_grad():
            for start in range(0, len(texts), 64):
                part = tokenizer(list(texts[start : start + 64]), padding=True, truncation=True, return_tensors="pt")
                found += [names[i] for i in model(**part).logits.argmax(dim=1).tolist()]
        return found

    return steps, says


def seconds_per_row(steps: Steps) -> float:
    """Seconds per row of one pass, its preparation left out."""
    running = steps()
    next(running)  # the first step brings the optimiser's state and the adapters into being
    began, rows = time.perf_counter(), 0
    for count in running:
        rows += count
    return (time.perf_counter() - began) / rows

"""Quality and speed of training a classifier, on Banking77, beside full fine-tuning of the same base model.

    python benchmarks/classification.py --data BANKING77_FOLDER [--full] [--seeds 1 2 3]

The folder holds `train.csv` and `test.csv` with columns `text,category` (Casanueva et al. 2020, CC BY 4.0; the
files of PolyAI's task-specific-datasets). The environment variable BANKING77 can name it as well. By default 10 rows
per class are drawn for each seed and trained on as `labelloop train` would without a validation split; `--full` trains
on the whole file instead, once. Every version is scored on the official test file.

The speed of a training step is measured in pairs, on the same rows, against the recipe of label-studio-ml's
bert_classifier example: all weights trained, in fp32, 8 rows a step, every text padded to the longest of 1,000.
"""

import argparse
import csv
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from trained import labeled, trained

from ml_backend.domain.example import Provenance, Row
from ml_backend.domain.label_config import Control, Label, ObjectTag
from ml_backend.domain.model import HeadKind, Method
from ml_backend.encoders.base_model import DEFAULT_BASE_MODEL, model_source
from ml_backend.encoders.embed import TextEncoder
from ml_backend.tasks import ServedControl, find_kinds
from ml_backend.training.collect import training_data
from ml_backend.training.evaluate import evaluate
from ml_backend.training.fit import Workshop
from ml_backend.training.objectives import objective_for
from ml_backend.training.regression import class_mean_head
from ml_backend.training.settings import TrainingSettings
from ml_backend.training.tuned import tuned

ROWS_PER_CLASS = 10
SPEED_ROWS = 256
PEER_BATCH, PEER_PADDED_WITH, PEER_LEARNING_RATE = 8, 1000, 2e-5


@dataclass(frozen=True, slots=True)
class Result:
    """One version on the official test file."""

    method: Method
    accuracy: float
    macro_f1: float
    seconds: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=os.environ.get("BANKING77"), help="folder of the two files")
    parser.add_argument("--full", action="store_true", help="train on the whole file")
    parser.add_argument("--seeds", type=int, nargs="+", help="default: 1 2 3; with --full 1")
    parser.add_argument("--skip-speed", action="store_true", help="leave the step's speed out")
    arguments = parser.parse_args()
    if arguments.data is None:
        parser.error("give --data or set BANKING77")
    train, test = (read_rows(Path(arguments.data) / name) for name in ("train.csv", "test.csv"))
    control = control_of(train)
    for seed in arguments.seeds or ([1] if arguments.full else [1, 2, 3]):
        rows = train if arguments.full else few_rows(train, seed)
        for method in (Method.REGRESSION, Method.AUTO):
            show(f"{len(rows)} rows, seed {seed}, {method}", train_and_score(rows, test, control, method, seed))
    if not arguments.skip_speed:
        show_speed(train)


def read_rows(path: Path) -> list[Row]:
    """The rows of a file."""
    with path.open(encoding="utf-8", newline="") as file:
        return [
            Row(str(n), n, {"text": line["text"]}, {"intent": line["category"]}, (), Provenance(()))
            for n, line in enumerate(csv.DictReader(file))
        ]


def control_of(rows: Sequence[Row]) -> Control:
    """The control whose choices are the rows' classes."""
    names = sorted({str(row.targets["intent"]) for row in rows})
    labels = tuple(Label(name, name) for name in names)
    return Control("intent", "Choices", ObjectTag("text", "Text", "text"), labels, {"choice": "single"})


def few_rows(rows: Sequence[Row], seed: int) -> list[Row]:
    """Ten rows of every class, drawn with the seed; the same draw as pandas' `groupby.sample`."""
    targets = np.array([row.targets["intent"] for row in rows])
    random = np.random.RandomState(seed)
    chosen = [
        position
        for name in sorted(set(targets.tolist()))
        for position in random.choice(np.flatnonzero(targets == name), ROWS_PER_CLASS, replace=False)
    ]
    return [rows[position] for position in chosen]


def train_and_score(rows: list[Row], test: Sequence[Row], control: Control, method: Method, seed: int) -> Result:
    """Train without a validation split, as on a snapshot with the split 1,0,0, and score on the test rows."""
    kind = find_kinds()["classification"]
    data = training_data(rows, [], ServedControl(control, kind), "text")
    with trained(data, TrainingSettings(method=method, seed=seed)) as (outcome, predictor):
        answers = predictor.predict([row.input["text"] for row in test])
    found = evaluate(
        [row.targets["intent"] for row in test], [answer["intent"].target if answer else None for answer in answers]
    )
    return Result(outcome.method, found.accuracy, found.macro_f1, outcome.seconds)


def show_speed(train: Sequence[Row], *, rounds: int = 5) -> None:
    """How much faster a training step is per row than the peer's, measured in alternation."""
    sample = [train[i] for i in np.random.default_rng(0).permutation(len(train))]
    peer = peer_rows(sample)
    kinds = {"plain": 0.0, "adversarial, as with few rows": TrainingSettings().adversarial_size}
    ours = {name: our_rows(sample[:SPEED_ROWS], adversarial_size=size) for name, size in kinds.items()}
    ratios: dict[str, list[float]] = {name: [] for name in kinds}
    for _ in range(rounds + 1):
        peer_s = seconds_of(peer)
        for name, steps in ours.items():
            ratios[name].append(peer_s / seconds_of(steps))
    for name, found in ratios.items():
        counted = found[1:]  # the first round warms up caches
        print(
            f"training step per row, {name}: {statistics.median(counted):.1f} times as fast as full fine-tuning "
            f"({min(counted):.1f} to {max(counted):.1f}, {rounds} rounds)"
        )


def our_rows(sample: Sequence[Row], *, adversarial_size: float) -> Callable[[], Iterator[int]]:
    """Trains LoRA on the sample; gives the rows of every step."""
    encoder = TextEncoder.load()
    names = tuple(sorted({str(row.targets["intent"]) for row in sample}))
    settings = TrainingSettings(method=Method.LORA, adversarial_size=adversarial_size, epochs=1)
    objective = objective_for(HeadKind.SOFTMAX, names)
    rows = labeled([(row.input["text"], row.targets["intent"]) for row in sample])
    objective.prepare(encoder, rows)
    lesson = objective.lesson(encoder, rows)
    workshop = Workshop.for_rows(encoder, objective, settings, len(lesson))
    indices = np.asarray(lesson.codes, dtype=np.int64)
    features = encoder.vectors(lesson.reading)
    head = class_mean_head(features, indices, lesson.unit_weights, classes=len(names), scale=20.0)

    def steps() -> Iterator[int]:
        with tuned(encoder, head, objective, Method.LORA, settings=settings, recipe=workshop.recipe) as model:
            for step in model.train(lesson):
                yield step.rows

    return steps


def peer_rows(sample: Sequence[Row]) -> Callable[[], Iterator[int]]:
    """Trains all weights on the first rows of the sample as the peer does; gives the rows of every step."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer
    from transformers.utils import logging

    logging.set_verbosity_error()
    source = model_source(DEFAULT_BASE_MODEL)
    names = sorted({str(row.targets["intent"]) for row in sample[:SPEED_ROWS]})
    model = AutoModelForSequenceClassification.from_pretrained(source, num_labels=len(names), dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(source)
    texts = [row.input["text"] for row in sample[:PEER_PADDED_WITH]]
    batch = tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
    labels = torch.tensor([names.index(str(row.targets["intent"])) for row in sample[:SPEED_ROWS]])

    def steps() -> Iterator[int]:
        model.train()
        optimizer = torch.optim.AdamW(model.parameters(), lr=PEER_LEARNING_RATE)
        for start in range(0, SPEED_ROWS, PEER_BATCH):
            part = {name: tensor[start : start + PEER_BATCH] for name, tensor in batch.items()}
            optimizer.zero_grad()
            model(**part, labels=labels[start : start + PEER_BATCH]).loss.backward()
            optimizer.step()
            yield PEER_BATCH

    return steps


def seconds_of(steps: Callable[[], Iterator[int]]) -> float:
    """Seconds per row of one pass, its preparation left out."""
    running = steps()
    next(running)  # the first step brings the optimiser's state and the adapters into being
    began, rows = time.perf_counter(), 0
    for count in running:
        rows += count
    return (time.perf_counter() - began) / rows


def show(title: str, result: Result) -> None:
    """One line per version."""
    print(
        f"{title}: kept {result.method}, accuracy {result.accuracy:.4f}, macro-F1 {result.macro_f1:.4f}, "
        f"{result.seconds:.0f} s on {os.cpu_count()} cores ({platform.machine()})",
        flush=True,
    )


if __name__ == "__main__":
    main()

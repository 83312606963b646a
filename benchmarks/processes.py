"""How much faster several processes tune the default base model than one does, and whether the losses are the same.

    python -m benchmarks.processes [--rows 1024] [--rounds 5] [--count 2]

LoRA for one epoch on made-up texts, each process with one thread of the CPU; beside it one process with as many
threads. The ways take turns. Starting the processes does not count, and is told apart. Processor seconds are those of
all processes: on a machine that does other work they say more than the clock.
"""

import argparse
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import psutil
import torch

from benchmarks.support.figures import in_turns
from benchmarks.support.trained import labeled
from ml_backend.domain.model import Method
from ml_backend.learning.classification.regression import class_mean_head
from ml_backend.learning.classification.settings import TrainingSettings
from ml_backend.learning.classification.trainer import Trainer
from ml_backend.learning.classification.tuned import TunedClassifier
from ml_backend.learning.loop.fit import fit
from ml_backend.learning.loop.meter import ProgressMeter
from ml_backend.learning.loop.observer import Step, TrainingObserver
from ml_backend.learning.loop.replicas import Replicas
from ml_backend.learning.objectives.base import Objective
from ml_backend.models.base.base_model import load_backbone
from ml_backend.models.text.torch_encoder import TextEncoder

NAMES = tuple(f"class {number}" for number in range(8))
WORDS = ("the", "my", "card", "order", "refund", "late", "lost", "please", "where", "is", "not", "account", "pay")
HEAD_SCALE = 20.0


class _Outcome(NamedTuple):
    seconds: float
    processor_s: float
    start_s: float
    losses: Sequence[float]


class _Clock(TrainingObserver):
    """Notes when steps end, and the processor time used up to then."""

    def __init__(self) -> None:
        super().__init__(ProgressMeter(lambda _: None, 1), "training", rows_per_epoch=1)
        self.ends: list[tuple[float, float]] = []

    def on_step(self, step: Step) -> None:
        del step
        self.ends.append((time.perf_counter(), _processor_s()))


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--count", type=int, default=2)
    parser.add_argument("--fp32", action="store_true", help="no matrix product in bf16")
    asked = parser.parse_args()
    train = _training(asked.rows, use_bf16=False if asked.fp32 else None)
    with tempfile.TemporaryDirectory() as folder, Replicas(asked.count, Path(folder)) as replicas:
        ways = {
            "1 process, 1 thread": lambda _: train(None, 1),
            f"1 process, {asked.count} threads": lambda _: train(None, asked.count),
            f"{asked.count} processes, 1 thread each": lambda _: train(replicas, asked.count),
        }
        outcomes = dict(zip(ways, in_turns(asked.rounds, *ways.values()), strict=True))
    alone, *_ = outcomes.values()
    for way, each in outcomes.items():
        ratios = [one.seconds / other.seconds for one, other in zip(alone, each, strict=True)]
        difference = max(
            abs(a - b)
            for one, other in zip(alone, each, strict=True)
            for a, b in zip(one.losses, other.losses, strict=True)
        )
        print(
            f"{way}: {asked.rows / statistics.median(one.seconds for one in each):.1f} rows/s, "
            f"{statistics.median(ratios):.2f} times the first ({min(ratios):.2f} to {max(ratios):.2f}), "
            f"{statistics.median(one.processor_s for one in each):.1f} processor s, start at most "
            f"{max(one.start_s for one in each):.1f} s, losses differ by at most {difference:.1e} "
            f"in {len(each[0].losses)} steps"
        )
    print(f"load of the last minute: {os.getloadavg()[0]:.1f}")


def _training(rows: int, *, use_bf16: bool | None) -> Callable[[Replicas | None, int], _Outcome]:
    """Return what trains once, with processes and threads in all."""
    encoder = TextEncoder(load_backbone(), use_bf16=use_bf16)
    draw = random.Random(1)
    texts = labeled(
        [
            (
                " ".join([*draw.choices(WORDS, k=draw.randint(8, 24)), *draw.choices(WORDS[number % 8 :], k=3)]),
                NAMES[number % 8],
            )
            for number in range(rows)
        ]
    )
    objective = Objective.of("softmax", NAMES)
    objective.prepare(encoder, texts)
    encoded = objective.encode(encoder, texts)
    settings = TrainingSettings(method=Method.LORA, epochs=1)
    trainer = Trainer.for_rows(encoder, objective, settings, len(encoded))
    codes = np.asarray(encoded.codes, dtype=np.int64)
    features = encoder.vectors(encoded.tokenised)
    head = class_mean_head(features, codes, encoded.unit_weights, classes=len(NAMES), scale=HEAD_SCALE)

    def train(replicas: Replicas | None, threads: int) -> _Outcome:
        torch.set_num_threads(threads)
        clock, began = _Clock(), time.perf_counter()
        with TunedClassifier.over(
            encoder, head, objective, Method.LORA, settings=settings, hyperparameters=trainer.hyperparameters
        ) as model:
            model.set_rows(encoded)
            result = fit(model, settings, observer=clock, replicas=replicas)
        (first, first_used), (last, last_used) = clock.ends[0], clock.ends[-1]
        share = len(clock.ends) / (len(clock.ends) - 1)  # the first step counts as the mean of the others
        losses = [loss for _, loss in result.losses]
        return _Outcome(share * (last - first), share * (last_used - first_used), first - began, losses)

    return train


def _processor_s() -> float:
    """Seconds of the processor that this process and those that it started have used."""
    own = psutil.Process()
    return sum(sum(each.cpu_times()[:2]) for each in (own, *own.children(recursive=True)))


if __name__ == "__main__":
    main()

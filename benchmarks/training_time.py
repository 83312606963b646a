"""Seconds that a training takes and the quality that it reaches on Banking77, beside the peer's full fine-tuning.

Versions are trained as `labelloop train` trains on a snapshot, the graphs that serve included, and scored on the
official test file: on ten rows a class, and on the whole training file, once with all of it to learn from and once with
a tenth of it held out for validation. The peer is trained on ten rows a class; how long the
whole file would take it is told by its seconds per row.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.support.banking77 import CONTROL, control_of, few_rows, rows_of
from benchmarks.support.bench import Bench, Skipped
from benchmarks.support.figures import in_turns, spread
from benchmarks.support.steps import PEER_EPOCHS, lora_steps, peer_steps, seconds_per_row
from benchmarks.support.trained import trained
from ml_backend.domain.example import Row
from ml_backend.domain.model import Method
from ml_backend.learning.classification.settings import TrainingSettings
from ml_backend.learning.rows.collect import training_data
from ml_backend.measuring.evaluation import Evaluation
from ml_backend.models.base.base_model import DEFAULT_BASE_MODEL
from ml_backend.models.graphs.store import GraphStore
from ml_backend.tasks import ServedControl, find_kinds

__all__ = ["measure"]

ROWS_PER_CLASS, QUICK_ROWS_PER_CLASS = 10, 2
SEEDS, QUICK_SEEDS = (1, 2, 3), (1,)
STEP_ROWS, QUICK_STEP_ROWS = 256, 64
ROUNDS, QUICK_ROUNDS = 5, 1
FEW, WHOLE, HELD_OUT = "10 per class", "whole file", "whole file, a tenth held out"
VALIDATION_SHARE = 0.1


def measure(bench: Bench) -> Mapping[str, Any]:
    """Seconds and quality of every training, and the speed of a step beside the peer's.

    Raises:
        Skipped: Banking77 is not at hand.
    """
    if bench.data is None:
        raise Skipped("it needs Banking77; give --data with its folder")
    train, test = rows_of(bench.dataset.train), rows_of(bench.dataset.test)
    per_class = bench.pick(ROWS_PER_CLASS, QUICK_ROWS_PER_CLASS)
    graphs = GraphStore(bench.folder / "graphs")
    graphs.base(DEFAULT_BASE_MODEL)  # made once per home, before its first training
    few = [
        _Task(FEW, few_rows(train, seed, per_class=per_class), test, seed) for seed in bench.pick(SEEDS, QUICK_SEEDS)
    ]
    whole = bench.pick([_Task(WHOLE, train, test, SEEDS[0]), _held_out(train, test, SEEDS[0])], [])
    runs = [task.trained(method, graphs) for task in (*few, *whole) for method in (Method.REGRESSION, Method.AUTO)]
    runs.append(few[0].trained_by_peer(bench.pick(PEER_EPOCHS, 1), padded_with=train))
    steps, peer_s = _step_ratios(train, bench.pick(STEP_ROWS, QUICK_STEP_ROWS), bench.pick(ROUNDS, QUICK_ROUNDS))
    return {
        "runs": runs,
        "steps": steps,
        "peer_whole_file": {"rows": len(train), "epochs": PEER_EPOCHS, "seconds": peer_s * len(train) * PEER_EPOCHS},
    }


@dataclass(frozen=True, slots=True)
class _Task:
    """Rows to train on, those of the official test file, and those held out for validation."""

    name: str
    rows: list[Row]
    test: list[Row]
    seed: int
    validation: Sequence[Row] = ()

    def trained(self, method: Method, graphs: GraphStore) -> dict[str, Any]:
        """The result of labelloop's training."""
        served = ServedControl(control_of(self.rows), find_kinds()["classification"])
        data = training_data(self.rows, self.validation, served)
        with trained(data, TrainingSettings(method=method, seed=self.seed), graphs) as (outcome, predictor):
            answers = predictor.predict(self._asked)
        says = [str(answer[CONTROL].target) if answer else None for answer in answers]
        way = str(method) if method is outcome.method else f"{method}: {outcome.method}"
        return self._result(way, outcome.seconds, says)

    def trained_by_peer(self, epochs: int, *, padded_with: list[Row]) -> dict[str, Any]:
        """The result of the peer's."""
        steps, says = peer_steps(self.rows, padded_with=padded_with)
        began_s = time.perf_counter()
        for _ in range(epochs):
            for _ in steps():
                pass
        seconds = time.perf_counter() - began_s
        return self._result("peer", seconds, says(self._asked))

    @property
    def _asked(self) -> list[str]:
        return [row.text for row in self.test]

    def _result(self, way: str, seconds: float, says: Sequence[str | None]) -> dict[str, Any]:
        found = Evaluation.of([row.targets[CONTROL] for row in self.test], list(says))
        return {
            "data": self.name,
            "rows": len(self.rows),
            "seed": self.seed,
            "way": way,
            "seconds": round(seconds, 1),
            "accuracy": found.accuracy,
            "macro_f1": found.macro_f1,
        }


def _held_out(train: Sequence[Row], test: list[Row], seed: int) -> _Task:
    order = np.random.default_rng(seed).permutation(len(train))
    validation = set(order[: round(VALIDATION_SHARE * len(train))].tolist())
    learned = [row for position, row in enumerate(train) if position not in validation]
    return _Task(HELD_OUT, learned, test, seed, [train[position] for position in sorted(validation)])


def _step_ratios(train: Sequence[Row], count: int, rounds: int) -> tuple[list[dict[str, Any]], float]:
    """Of a step per row, measured in turns; and the peer's seconds per row."""
    sample = [train[i] for i in np.random.default_rng(0).permutation(len(train))]
    peer, _ = peer_steps(sample[:count], padded_with=sample)
    sizes = {"LoRA": 0.0, "LoRA, adversarial passes, as with few rows": TrainingSettings().adversarial_size}
    ours = [lora_steps(sample[:count], adversarial_size=size) for size in sizes.values()]
    every = [peer, *ours]
    for steps in every:
        seconds_per_row(steps)  # warms up
    peers, *found = in_turns(rounds, *(lambda _, steps=steps: seconds_per_row(steps) for steps in every))
    ratios = [
        {"way": way, "ratio": spread([theirs / mine for theirs, mine in zip(peers, times, strict=True)], 1)}
        for way, times in zip(sizes, found, strict=True)
    ]
    return ratios, sorted(peers)[len(peers) // 2]

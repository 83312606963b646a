"""Whether edited copies of few rows help: the few-shot splits of Banking77, with and without copies.

    python -m benchmarks.edited_copies --data BANKING77 [--files train_5 train_10] [--method regression] [--seeds 1 2 3]
        [--weights 0.1 1]

The folder holds the files and `test.csv`, with columns `text,category`. All rows are trained on, with the settings of
`labelloop train`; copies are made as `labelloop train --augment rows` makes them, and weigh `--weights` of their rows.
"""

import argparse
import statistics
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.support.texts import Pair, read_pairs
from benchmarks.support.trained import labeled, trained
from ml_backend.domain.model import Method
from ml_backend.learning.classification.settings import TrainingSettings
from ml_backend.learning.rows.data import LabeledTexts, TrainingData
from ml_backend.learning.rows.edits import edited_copies
from ml_backend.measuring.evaluation import Evaluation

CONTROL = "intent"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of Banking77's files")
    parser.add_argument("--files", nargs="+", default=["train_5", "train_10"])
    parser.add_argument("--method", type=Method, default=Method.REGRESSION)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--weights", type=float, nargs="+", default=[0.1, 1.0], help="of a copy, beside none at all")
    asked = parser.parse_args()
    test = list(read_pairs(asked.data / "test.csv"))
    for name in asked.files:
        train = list(read_pairs(asked.data / f"{name}.csv"))
        for weight in (0.0, *asked.weights):
            scores = []
            for seed in asked.seeds:
                data = data_of(train, weight=weight, seed=seed)
                scores.append(macro_f1(data, test, TrainingSettings(method=asked.method, seed=seed)))
                print(
                    f"{name} {asked.method}: {len(data.weak)} copies of weight {weight:g}: {scores[-1]:.4f}", flush=True
                )
            print(f"{name} {asked.method}, weight {weight:g}: mean {statistics.mean(scores):.4f}", flush=True)


def data_of(train: Sequence[Pair], *, weight: float, seed: int) -> TrainingData:
    """The rows, with copies unless they weigh nothing."""
    texts, answers = zip(*train, strict=True)
    labels = tuple(sorted(set(answers)))
    names = labeled([(label.replace("_", " "), label) for label in labels])
    data = TrainingData(CONTROL, "softmax", labels, labeled(train), names, labeled([]))
    if not weight:
        return data
    copies = edited_copies(texts, answers, seed=seed)
    origins = np.array([rows for _, rows in copies])
    rows = LabeledTexts(
        tuple(text for text, _ in copies), tuple(answers[i] for i, _ in origins), np.full(len(copies), weight)
    )
    return data.plus_weak(rows, origins)


def macro_f1(data: TrainingData, test: Sequence[Pair], settings: TrainingSettings) -> float:
    """Train, and score the bundle as it is served."""
    with trained(data, settings) as (_, predictor):
        answers = predictor.predict([text for text, _ in test])
    targets = [answer[CONTROL].target if answer else None for answer in answers]
    return Evaluation.of([label for _, label in test], targets, data.labels).macro_f1


if __name__ == "__main__":
    main()

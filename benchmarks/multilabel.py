"""Quality of multiple choice on NLU++ banking, beside one regression per label on frozen features.

    python -m benchmarks.multilabel --data NLUPP_BANKING_FOLDER [--seeds 1 2 3] [--set epochs=8]

The folder holds `data.jsonl`: one object a line with `text`, `intents` (names) and `fold` (0 to 19), made from the
banking part of NLU++ (Casanueva et al. 2022, CC BY 4.0). The environment variable NLUPP can name it as well. Of the 20
folds two are the test, five pairs in turn; a tenth of the other rows, drawn with the seed, is the validation split.

The regression is scikit-learn's, one per label on the base model's mean-pooled vectors, with the one threshold that
has the highest micro-F1 on the same validation rows; it learns from the same train rows.
"""

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.support.trained import labeled, trained
from ml_backend.domain.example import Target
from ml_backend.domain.model import Method
from ml_backend.learning.classification.settings import TrainingSettings
from ml_backend.learning.rows.data import TrainingData
from ml_backend.measuring.evaluation import Evaluation
from ml_backend.models.text.torch_encoder import TextEncoder

TEST_FOLDS = ((18, 19), (14, 15), (10, 11), (6, 7), (2, 3))
VALIDATION_SHARE = 0.1
REGRESSION_C = 10.0
THRESHOLDS = np.arange(0.05, 0.96, 0.025)

Rows = list[tuple[str, Target]]


@dataclass(frozen=True, slots=True)
class Result:
    """Figures on the test folds; seconds of the training, with its embedding."""

    micro_f1: float
    macro_f1: float
    exact_match: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Split:
    """Rows of one run."""

    train: Rows
    validation: Rows
    test: Rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=os.environ.get("NLUPP"), help="folder of data.jsonl")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--method", type=Method, default=Method.LORA, help="default: lora")
    parser.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE", help="training settings")
    arguments = parser.parse_args()
    if arguments.data is None:
        parser.error("give --data or set NLUPP")
    lines = (Path(arguments.data) / "data.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    labels = tuple(sorted({name for row in rows for name in row["intents"]}))
    overrides = dict(each.split("=", 1) for each in arguments.set)
    settings = TrainingSettings(method=arguments.method).with_overrides(overrides)
    encoder = TextEncoder.load()
    pairs: list[tuple[Result, Result]] = []
    for seed in arguments.seeds:
        for folds in TEST_FOLDS:
            split = split_of(rows, folds, seed)
            regression = regression_result(split, labels, encoder)
            ours = our_result(split, labels, replace(settings, seed=seed))
            pairs.append((regression, ours))
            show(f"seed {seed}, test folds {folds[0]} and {folds[1]}", pairs[-1:])
    show(f"mean of {len(pairs)} runs", pairs)
    gains = [ours.micro_f1 - regression.micro_f1 for regression, ours in pairs]
    print(
        f"micro-F1 above the regression by {statistics.mean(gains):.4f} (smallest {min(gains):.4f}, largest "
        f"{max(gains):.4f}), on {os.cpu_count()} cores ({platform.machine()})"
    )


def split_of(rows: Sequence[dict[str, object]], folds: tuple[int, int], seed: int) -> Split:
    """The rows of these folds as test, and a random tenth of the others as validation."""
    answered = [(row["fold"] in folds, (str(row["text"]), target_of(row))) for row in rows]
    others = [row for is_test, row in answered if not is_test]
    order = np.random.default_rng(seed).permutation(len(others))
    cut = round(VALIDATION_SHARE * len(others))
    return Split(
        [others[i] for i in sorted(order[cut:])],
        [others[i] for i in sorted(order[:cut])],
        [row for is_test, row in answered if is_test],
    )


def target_of(row: dict[str, object]) -> tuple[str, ...]:
    """The names of a row, sorted."""
    names = row["intents"]
    return tuple(sorted(map(str, names))) if isinstance(names, list) else ()


def our_result(split: Split, labels: tuple[str, ...], settings: TrainingSettings) -> Result:
    """Train, and score the bundle as it is served."""
    data = TrainingData("intents", "sigmoid", labels, labeled(split.train), labeled([]), labeled(split.validation), ())
    with trained(data, settings) as (outcome, predictor):
        answers = predictor.predict([text for text, _ in split.test])
    return scored(split, [answer["intents"].target if answer else None for answer in answers], outcome.seconds)


def regression_result(split: Split, labels: tuple[str, ...], encoder: TextEncoder) -> Result:
    """One regression per label on frozen features."""
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    began_s = time.perf_counter()
    train, validation, test = (
        encoder.embed([text for text, _ in rows]) for rows in (split.train, split.validation, split.test)
    )
    chosen = marks(split.train, labels)
    found = np.zeros((len(validation) + len(test), len(labels)))
    with threadpool_limits(1):
        for k in range(len(labels)):
            if 0 < chosen[:, k].sum() < len(chosen):
                model = LogisticRegression(C=REGRESSION_C, max_iter=1000).fit(train, chosen[:, k])
                found[:, k] = model.predict_proba(np.concatenate([validation, test]))[:, 1]
    threshold = best_threshold(found[: len(validation)], marks(split.validation, labels))
    seconds = time.perf_counter() - began_s
    answers = [tuple(labels[k] for k in np.flatnonzero(line >= threshold)) for line in found[len(validation) :]]
    return scored(split, answers, seconds)


def marks(rows: Rows, labels: Sequence[str]) -> np.ndarray:
    """Which labels each row carries, shape (N, K)."""
    return np.array([[label in target for label in labels] for _, target in rows])


def best_threshold(probabilities: np.ndarray, chosen: np.ndarray) -> float:
    """That of the highest micro-F1; in the middle of several."""
    named = [probabilities >= threshold for threshold in THRESHOLDS]
    f1 = np.array([2 * (each & chosen).sum() / (each.sum() + chosen.sum()) for each in named])
    return float(np.median(THRESHOLDS[f1 == f1.max()]))


def scored(split: Split, answers: Sequence[Target | None], seconds: float) -> Result:
    """Figures of the answers to the test rows."""
    found = Evaluation.of([target for _, target in split.test], answers)
    return Result(found.micro_f1, found.macro_f1, found.accuracy, seconds)


def show(title: str, pairs: Sequence[tuple[Result, Result]]) -> None:
    """Both ways on one line."""
    told = []
    for name, results in zip(("regression", "labelloop"), zip(*pairs, strict=True), strict=True):
        micro, macro, exact, seconds = (
            statistics.mean(getattr(result, field) for result in results) for field in Result.__slots__
        )
        told.append(f"{name} micro-F1 {micro:.4f}, macro-F1 {macro:.4f}, exact match {exact:.4f}, {seconds:.0f} s")
    print(f"{title}: {'; '.join(told)}", flush=True)


if __name__ == "__main__":
    main()

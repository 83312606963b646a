"""Quality of labels inside labels: Banking77's classes as the third level of a tree, beside flat models.

    python -m benchmarks.taxonomy --data BANKING77_FOLDER [--per-class 5 10 30] [--seeds 1 2 3]

The folder holds `train.csv` and `test.csv` (Casanueva et al. 2020, CC BY 4.0); the environment variable BANKING77 can
name it as well. A class lies inside a kind of question inside a product, both told by words of its name.

All models are regressions on the same frozen vectors of the default base model and learn from the same rows. `flat` is
a multinomial one over the classes, whose parents follow from the class; `each label` is one per label of all levels,
which may name a class without its parents. Every other test row calibrates, the others are scored.
"""

import argparse
import os
import re
import statistics
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.support.banking77 import CONTROL, few_rows, read_rows
from ml_backend.domain.example import Target
from ml_backend.learning.objectives.base import Objective
from ml_backend.learning.rows.data import LabeledTexts
from ml_backend.learning.rows.encoded import EncodedRows
from ml_backend.measuring.evaluation import Evaluation
from ml_backend.models.decoders.taxonomy import with_parents
from ml_backend.models.text.tokenised import TokenisedTexts
from ml_backend.models.text.torch_encoder import TextEncoder

PRODUCTS = {
    "Top-up": "top_up|topping",
    "Cash": "cash|atm",
    "Transfer": "transfer|beneficiary",
    "Exchange": "exchange|currency|rate|fiat",
    "Card": "card|pin|contactless|visa|apple|passcode",
    "Payment": "payment|debit|refund|charge|statement|receiving|pay",
}
QUESTIONS = {
    "Costs": "fee|charge|rate|extra|refund",
    "Problem": "declin|fail|not_|wrong|pending|lost|stolen|compromised|revert|swallowed|blocked|twice|unable|cancel",
}
ITERATIONS = 300


def path_of(name: str) -> str:
    """The class as the last step of a path."""
    product = next((each for each, words in PRODUCTS.items() if re.search(words, name)), "Account")
    question = next((each for each, words in QUESTIONS.items() if re.search(words, name)), "How to")
    return f"{product} > {question} > {name}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=os.environ.get("BANKING77"), help="folder of train.csv, test.csv")
    parser.add_argument("--per-class", type=int, nargs="+", default=[5, 10, 30])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    arguments = parser.parse_args()
    if arguments.data is None:
        parser.error("give --data or set BANKING77")
    rows, test = (read_rows(Path(arguments.data) / name) for name in ("train.csv", "test.csv"))
    leaves = sorted({path_of(str(row.targets[CONTROL])) for row in rows})
    labels = tuple(sorted({label for leaf in leaves for label in with_parents([leaf])}))
    print(f"{len(leaves)} classes, {len(labels) - len(leaves)} labels above them, {len(test)} test rows")
    encoder = TextEncoder.load()
    test_features = encoder.embed([row.text for row in test])
    for per_class in arguments.per_class:
        figures: dict[str, list[tuple[float, ...]]] = {}
        for seed in arguments.seeds:
            train = few_rows(rows, seed, per_class=per_class)
            features = encoder.embed([row.text for row in train])
            for name, head, own in (
                ("whole paths", "taxonomy", labels),
                ("each label", "sigmoid", labels),
                ("flat", "softmax", tuple(leaves)),
            ):
                answers, true = answered(
                    head,
                    own,
                    (features, [target_of(row, head) for row in train]),
                    (test_features, [target_of(row, head) for row in test]),
                )
                figures.setdefault(name, []).append(scores(true, answers, leaves))
        for name, found in figures.items():
            means = [statistics.mean(column) for column in zip(*found, strict=True)]
            spread = [statistics.pstdev(column) for column in zip(*found, strict=True)]
            written = "  ".join(f"{mean:.3f} ±{wide:.3f}" for mean, wide in zip(means, spread, strict=True))
            print(f"{per_class:3d} rows per class  {name:12s} {written}")
    print(
        "columns: hierarchical F1, accuracy of the class, whole answers right, answers with a label without its parent"
    )


def target_of(row: object, head: str) -> Target:
    leaf = path_of(str(row.targets[CONTROL]))  # type: ignore[attr-defined]
    return leaf if head == "softmax" else with_parents([leaf])


def answered(
    head: str, labels: tuple[str, ...], train: tuple[np.ndarray, list[Target]], test: tuple[np.ndarray, list[Target]]
) -> tuple[list[Target], list[Target]]:
    """Answers to the second half of the test rows, and the truth."""
    objective = Objective.of(head, labels)
    objective.prepare(None, encoded_texts(train[1]))  # type: ignore[arg-type]  # reads no text
    c = objective.hyperparameters(None, len(train[1])).regression_c
    regression = objective.regression(train[0], encoded(objective, train[1]), c=c, max_iterations=ITERATIONS)
    logits = regression.logits(test[0])
    decoder = objective.calibrated(logits[::2], encoded(objective, test[1][::2]))
    rest = test[1][1::2]
    return [each.target for each in decoder.answers(logits[1::2], encoded(objective, rest).tokenised)], rest


def encoded_texts(targets: Sequence[Target]) -> LabeledTexts:
    return LabeledTexts(("text",) * len(targets), tuple(targets), np.ones(len(targets)))


def encoded(objective: Objective, targets: Sequence[Target]) -> EncodedRows:
    tokenised = TokenisedTexts.whole([[0]] * len(targets))
    return EncodedRows(encoded_texts(targets), tokenised, objective.codes(targets, tokenised))


def scores(true: Sequence[Target], answers: Sequence[Target], leaves: Sequence[str]) -> tuple[float, ...]:
    """Hierarchical F1; accuracy of the class; whole answers right; answers that hold a label without its parent."""
    wanted, given = (
        [each if isinstance(each, tuple) else with_parents([str(each)]) for each in some] for some in (true, answers)
    )
    evaluation = Evaluation.of(wanted, given)
    classes = [[set(each) & set(leaves) for each in some] for some in (wanted, given)]
    is_whole = [set(with_parents([str(part) for part in each])) == set(each) for each in given]
    return (
        evaluation.micro_f1,
        float(np.mean([one == other for one, other in zip(*classes, strict=True)])),
        evaluation.accuracy,
        1 - float(np.mean(is_whole)),
    )


if __name__ == "__main__":
    main()

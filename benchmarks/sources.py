"""What rationales are worth on Banking77: a regression with and without texts that they label, and four label models.

    python -m benchmarks.sources --data BANKING77 --folder FOLDER [--seeds 1 2 3 4 5] [--per-class 0 1 3 5 10]
    python -m benchmarks.sources --data BANKING77 --folder FOLDER --files

The rationales are those of `benchmarks/banking77_sources`, one per class, written once after nine texts of each class
in the training file had been read, and not changed after their figures were seen; the test file was never looked at.
For each number of labels per class, drawn at random from the training file, a regression on vectors of the frozen base
model learns from these labels and the names of classes, and once more from all other training texts that the rationales
answer as well, each with a weight. The score is macro-F1 on the official test file, beside the present cold start: it
compares texts with the names of classes. A rationale is worth as many labels as the regression without them takes to
score as high, less those that were given, divided by the number of rationales. Its 95% interval comes from drawing the
seeds and the test texts anew, with replacement. The weight was chosen on a part of the training file.

Label models, with their accuracy on the training texts that they answer: a majority; sources by their precision on the
labeled rows; the one of the package, to which agreement adds; and the EM of Dawid and Skene 1979 over which sources
answer the texts of which class, where classes are known for the labeled rows. Vectors stay in the folder.

With --files, the folder gets `config.xml`, `train.json` with 5 labeled texts per class, `unlabeled.json` with 2,000
others and `test.json` instead, for a whole training with and without the rationales:

    labelloop export --studio-export train.json --config config.xml --split 1,0,0 --out snapshot
    labelloop train --snapshot snapshot --sources benchmarks/banking77_sources --tasks unlabeled.json --out model
    labelloop evaluate --model-dir model --studio-export test.json --config config.xml
"""

import argparse
import json
import statistics
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from sklearn.metrics import f1_score

from benchmarks.banking77_export import label_config, studio_export
from benchmarks.support.texts import Pair, read_pairs
from ml_backend.arrays import Floats, Floats2d, Ints
from ml_backend.domain.source import AnswerForm
from ml_backend.labelstudio.plans import plan_of
from ml_backend.learning.classification.regression import fit_regression
from ml_backend.measuring.label_model import combined, precisions
from ml_backend.measuring.votes import Votes
from ml_backend.models.text.torch_encoder import TextEncoder
from ml_backend.serving.cold_start import ColdStartPredictor
from ml_backend.sources.kinds.base import AskedControl
from ml_backend.sources.runner import SourceRunner
from ml_backend.workflows.training.weak_rows import ProposedRows

SOURCES = Path(__file__).parent / "banking77_sources"
CONTROL = "intent"
C, ITERATIONS = 10.0, 300
WEAK_WEIGHT = ProposedRows.WEIGHT
FILES_PER_CLASS, FILES_UNLABELED, FILES_SEED = 5, 2000, 1
ROUNDS, SMOOTHING = 20, (0.1, 5.0)
SAVED_AT, RESAMPLES = 5, 500


class Data:
    """The texts, their vectors and classes, and the votes on the training texts."""

    def __init__(self, train: Sequence[Pair], test: Sequence[Pair], folder: Path) -> None:
        self.labels = tuple(sorted({label for _, label in train}))
        self.encoder = TextEncoder.load()
        names = [label.replace("_", " ") for label in self.labels]
        self.train, self.test, self.names = (
            _vectors(folder / f"{name}.npy", texts, self.encoder)
            for name, texts in (
                ("train", [text for text, _ in train]),
                ("test", [text for text, _ in test]),
                ("names", names),
            )
        )
        self.train_classes, self.test_classes = (
            np.array([self.labels.index(label) for _, label in pairs]) for pairs in (train, test)
        )
        self.test_texts = [text for text, _ in test]
        with SourceRunner(SOURCES, [AskedControl(CONTROL, AnswerForm.ONE, self.labels)], limit_s=10.0) as runner:
            self.votes = runner.votes(text for text, _ in train)
        if runner.faults:
            raise SystemExit("\n".join(fault.sentence for fault in runner.faults))
        self.sources = len(runner.sources)

    def answers(self, rows: Floats2d, classes: Ints, weights: Floats) -> Ints:
        """Answers to the test rows of a regression on these rows and the names of classes."""
        head = fit_regression(
            np.concatenate([rows, self.names]),
            np.concatenate([classes, np.arange(len(self.labels))]),
            np.concatenate([weights, np.ones(len(self.labels))]),
            classes=len(self.labels),
            c=C,
            max_iterations=ITERATIONS,
        )
        return np.asarray(head.logits(self.test).argmax(axis=1), dtype=np.int64)

    def f1(self, answers: Ints) -> float:
        """Macro-F1 of answers to the test rows."""
        return float(
            f1_score(self.test_classes, answers, average="macro", labels=range(len(self.labels)), zero_division=0)
        )

    def cold_start(self) -> float:
        """The score of the present cold start."""
        plan = plan_of(label_config(self.labels))
        predicted = ColdStartPredictor("cold start", plan, self.encoder).predict(self.test_texts)
        return self.f1(np.array([self.labels.index(str(answer[CONTROL].target)) for answer in predicted]))


def _vectors(path: Path, texts: Sequence[str], encoder: TextEncoder) -> Floats2d:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, encoder.embed(texts))
    return np.load(path)


def labels_by_votes(data: Data, labeled: Ints) -> dict[str, tuple[Ints, Ints, Floats]]:
    """By label model: the unlabeled training rows that it answers, their classes, and its confidences."""
    verdicts = np.where(
        np.isin(data.votes.row, labeled), data.votes.label == data.train_classes[data.votes.row], -1
    ).astype(np.int64)
    uniform = np.full(len(data.labels), 1 / len(data.labels))
    trusts = {
        "majority": np.full(data.sources, 0.75),
        "precision": precisions(data.votes, verdicts, sources=data.sources),
        "package": precisions(data.votes, verdicts, sources=data.sources, classes=len(data.labels)),
    }
    answers = {}
    for name, trust in trusts.items():
        found = combined(data.votes, trust, uniform, AnswerForm.ONE)
        rows = np.array([each.row for each in found])
        classes = np.array([each.parts[0][0] for each in found])
        answers[name] = rows, classes, np.array([each.confidence for each in found])
    answers["Dawid-Skene"] = dawid_skene(data.votes, data, labeled)
    return {
        name: tuple(column[~np.isin(rows, labeled)] for column in (rows, classes, confidences))
        for name, (rows, classes, confidences) in answers.items()
    }


def dawid_skene(votes: Votes, data: Data, labeled: Ints) -> tuple[Ints, Ints, Floats]:
    """Rows with a vote, the likeliest class and its chance, by how often each source answers texts of each class."""
    fires = np.zeros((len(data.train), data.sources))
    fires[votes.row, votes.source] = 1
    count = np.zeros((len(data.train), len(data.labels)))
    np.add.at(count, (votes.row, votes.label), 1.0)
    rows = np.flatnonzero(fires.any(axis=1))
    chances = count / np.maximum(count.sum(axis=1, keepdims=True), 1)
    for _ in range(ROUNDS):
        chances[labeled] = np.eye(len(data.labels))[data.train_classes[labeled]]
        known = chances[rows]
        rates = (fires[rows].T @ known + SMOOTHING[0]) / (known.sum(axis=0) + SMOOTHING[1])
        scores = fires @ np.log(rates) + (1 - fires) @ np.log1p(-np.minimum(rates, 1 - 1e-6))
        scores += np.log((known.sum(axis=0) + 1) / (len(rows) + len(data.labels)))
        scores -= scores.max(axis=1, keepdims=True)
        chances = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    return rows, chances[rows].argmax(axis=1), chances[rows].max(axis=1)


def drawn(classes: Ints, per_class: int, seed: int) -> Ints:
    """So many rows of each class."""
    rng = np.random.default_rng(seed)
    picked = [rng.permutation(np.flatnonzero(classes == k))[:per_class] for k in range(int(classes.max()) + 1)]
    return np.sort(np.concatenate(picked)).astype(np.int64)


def write_files(folder: Path, train: Sequence[Pair], test: Sequence[Pair]) -> None:
    """Write a label config, exports of labeled rows and of the test file, and tasks without a label."""
    labels = sorted({label for _, label in train})
    chosen = drawn(np.array([labels.index(label) for _, label in train]), FILES_PER_CLASS, FILES_SEED)
    others = np.random.default_rng(FILES_SEED).permutation(np.setdiff1d(np.arange(len(train)), chosen))
    first = len(chosen) + 1
    tasks = {
        "train": studio_export(train[i] for i in chosen),
        "unlabeled": [
            {"id": number, "data": {"text": train[i][0]}}
            for number, i in enumerate(others[:FILES_UNLABELED], start=first)
        ],
        "test": studio_export(test),
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.xml").write_text(label_config(labels), encoding="utf-8")
    for name, some in tasks.items():
        (folder / f"{name}.json").write_text(json.dumps(some, ensure_ascii=False), encoding="utf-8")


def main() -> None:
    """Score each number of labels with each seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of Banking77's files")
    parser.add_argument("--folder", type=Path, required=True, help="where vectors lie, or will")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--per-class", type=int, nargs="+", default=[0, 1, 2, 3, 5, 8, 10, 15, 20])
    parser.add_argument("--files", action="store_true", help="write the files of a whole training")
    asked = parser.parse_args()
    train, test = (list(read_pairs(asked.data / f"{name}.csv")) for name in ("train", "test"))
    if asked.files:
        write_files(asked.folder, train, test)
        return
    data = Data(train, test, asked.folder)
    answered = len(np.unique(data.votes.row)) / len(data.train)
    print(f"{data.sources} rationales answer {answered:.1%} of {len(data.train)} texts")
    print(f"cold start: macro-F1 {data.cold_start():.4f}\n", flush=True)
    measure(data, asked.per_class, asked.seeds, WEAK_WEIGHT)


def measure(data: Data, levels: Sequence[int], seeds: Sequence[int], weak_weight: float) -> None:
    """Print a line per number of labels, and what a rationale is worth."""
    curves: dict[int, tuple[list[Ints], list[Ints]]] = {}
    models = "majority | precision | package | Dawid-Skene"
    print(f"| labels per class | labels alone | {models} | least gain | right: {models} |")
    print(f"|{' --- |' * 11}")
    for per_class in levels:
        answers: dict[str, list[Ints]] = {}
        right: dict[str, list[float]] = {}
        for seed in seeds if per_class else seeds[:1]:
            labeled = drawn(data.train_classes, per_class, seed)
            own, classes = data.train[labeled], data.train_classes[labeled]
            answers.setdefault("alone", []).append(data.answers(own, classes, np.ones(len(labeled))))
            for name, (rows, voted, confidences) in labels_by_votes(data, labeled).items():
                right.setdefault(name, []).append(float((voted == data.train_classes[rows]).mean()))
                answers.setdefault(name, []).append(
                    data.answers(
                        np.concatenate([own, data.train[rows]]),
                        np.concatenate([classes, voted]),
                        np.concatenate([np.ones(len(labeled)), weak_weight * confidences]),
                    )
                )
        curves[per_class] = answers["alone"], answers["package"]
        scores = {name: [data.f1(each) for each in of_seeds] for name, of_seeds in answers.items()}
        worst = min(b - a for a, b in zip(scores["alone"], scores["package"], strict=True))
        accuracies = " | ".join(f"{statistics.mean(values):.4f}" for values in right.values())
        shown = " | ".join(f"{statistics.mean(values):.4f}" for values in scores.values())
        print(f"| {per_class} | {shown} | {worst:+.4f} | {accuracies} |", flush=True)
    _print_worth(data, curves)


def _print_worth(data: Data, curves: dict[int, tuple[list[Ints], list[Ints]]]) -> None:
    """Print how many labels each level with rationales is worth, by the curve without them, and the labels saved."""
    levels = sorted(curves)
    everything = np.arange(len(data.test_classes))
    alone, with_rationales = (
        np.array([np.mean([data.f1(each) for each in curves[level][way]]) for level in levels]) for way in (0, 1)
    )
    worths, saved = _worth(data, levels, alone, with_rationales)
    rng = np.random.default_rng(1)
    drawn_worths, drawn_saved = [], []
    for _ in range(RESAMPLES):
        texts = rng.choice(everything, len(everything))
        again = (np.array([_resampled(data, curves[level][way], texts, rng) for level in levels]) for way in (0, 1))
        some_worths, some_saved = _worth(data, levels, *again)
        drawn_worths.append(some_worths)
        drawn_saved.append(some_saved)
    lows, highs = np.quantile(np.array(drawn_worths), (0.025, 0.975), axis=0)
    for level, worth, low, high in zip(levels, worths, lows, highs, strict=True):
        print(f"{level} labels per class with rationales: {worth:.1f} ({low:.1f} to {high:.1f}) labels per rationale")
    low, high = np.quantile(drawn_saved, (0.025, 0.975))
    print(f"saved per rationale where {SAVED_AT} labels per class are enough: {saved:.1f} ({low:.1f} to {high:.1f})")
    print(f"worth is counted up to the score of {levels[-1]} labels per class alone")


def _resampled(data: Data, of_seeds: Sequence[Ints], texts: Ints, rng: np.random.Generator) -> float:
    """Mean macro-F1 on drawn test texts, of drawn seeds."""
    known, count = data.test_classes[texts], len(data.labels)
    scores = []
    for number in rng.choice(len(of_seeds), len(of_seeds)).tolist():
        given = of_seeds[number][texts]
        right = np.bincount(known[known == given], minlength=count)
        together = np.bincount(known, minlength=count) + np.bincount(given, minlength=count)
        scores.append(float(np.mean(2 * right / np.maximum(together, 1))))
    return statistics.mean(scores)


def _worth(data: Data, levels: Sequence[int], alone: Floats, with_rationales: Floats) -> tuple[Floats, float]:
    """Return the labels that a rationale is worth at each level, and those that it saves at `SAVED_AT`."""
    share = len(data.labels) / data.sources
    curve = np.maximum.accumulate(alone)
    worths = (np.interp(with_rationales, curve, levels) - levels) * share
    needed = np.interp(np.interp(SAVED_AT, levels, curve), np.maximum.accumulate(with_rationales), levels)
    return worths, float((SAVED_AT - needed) * share)


if __name__ == "__main__":
    main()

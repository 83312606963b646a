"""The worth of labels that are chosen where label sources disagree, on Banking77.

    python -m benchmarks.source_selection --data BANKING77 --folder FOLDER [--seeds 1 2]

Of a pool of 4,000 training texts 154 are labeled at random at first, then as many again four times, chosen by a
strategy. A regression on the frozen base model's vectors learns from the labels, from the names of classes, and from
what the rationales of `benchmarks/banking77_sources` propose for the other texts of the pool. The score is macro-F1 on
the official test file. Vectors stay in the folder.
"""

import argparse
from collections import defaultdict
from itertools import combinations
from pathlib import Path

import numpy as np

from benchmarks.sources import ITERATIONS, WEAK_WEIGHT, C, Data
from benchmarks.support.texts import read_pairs
from ml_backend.arrays import Floats, Floats2d, Ints
from ml_backend.domain.source import AnswerForm
from ml_backend.learning.classification.regression import fit_regression
from ml_backend.measuring.label_model import combined, precisions
from ml_backend.measuring.votes import Votes
from ml_backend.models.bundle.head import Head
from ml_backend.models.text.confidence import confidences
from ml_backend.selection.pool import Dispute, ExpectedAnswers, Pool
from ml_backend.selection.strategies.base import SelectionStrategy

TEXTS, ROUNDS, PER_CLASS = 4000, 4, 2
STRATEGIES = ("random", "margin_diverse", "sources")


class Texts:
    """The pool: vectors, classes and votes of its texts."""

    def __init__(self, data: Data) -> None:
        chosen = np.sort(np.random.default_rng(0).permutation(len(data.train))[:TEXTS])
        self.data, self.vectors, self.classes = data, data.train[chosen], data.train_classes[chosen]
        own = data.votes.where(np.isin(data.votes.row, chosen))
        row = np.searchsorted(chosen, own.row)
        self.votes = Votes(row, own.source, own.label, own.start, own.end)
        self.step = PER_CLASS * len(data.labels)

    def learned(self, labeled: Ints) -> tuple[Floats, Head]:
        """Return the trust in each source, and what a regression learns from labels and sources."""
        data, classes = self.data, len(self.data.labels)
        is_right = self.votes.label == self.classes[self.votes.row]
        verdicts = np.where(np.isin(self.votes.row, labeled), is_right, -1).astype(np.int64)
        trust = precisions(self.votes, verdicts, sources=data.sources, classes=classes)
        found = combined(self.votes, trust, np.full(classes, 1 / classes), AnswerForm.ONE)
        weak = [each for each in found if each.row not in set(labeled.tolist())]
        head = fit_regression(
            np.concatenate([self.vectors[labeled], self.vectors[[each.row for each in weak]], data.names]),
            np.concatenate([self.classes[labeled], [each.parts[0][0] for each in weak], np.arange(classes)]),
            np.concatenate([np.ones(len(labeled)), [WEAK_WEIGHT * each.confidence for each in weak], np.ones(classes)]),
            classes=classes,
            c=C,
            max_iterations=ITERATIONS,
        )
        return trust, head

    def chosen(self, strategy: str, labeled: Ints, seed: int) -> Ints:
        """Return the texts that a strategy labels next."""
        trust, head = self.learned(labeled)
        free = np.setdiff1d(np.arange(len(self.vectors)), labeled)
        chances = confidences(head.logits(self.vectors[free]), 1.0)
        counts = np.bincount(self.classes[labeled], minlength=len(self.data.labels))
        expected = ExpectedAnswers(
            "intent", self.data.labels, counts, chances.max(axis=1).astype(np.float64), chances, is_one_label=True
        )
        disputes = self.disputes(trust, free, chances) if strategy == "sources" else ()
        pool = Pool(self.vectors[free], self.vectors[labeled], [expected], seed, disputes)
        return free[SelectionStrategy.named(strategy).order(pool, self.step)[: self.step]]

    def disputes(self, trust: Floats, free: Ints, chances: Floats2d) -> list[Dispute]:
        """Return the strongest contradiction about each text, as `labelloop select` finds it."""
        cast: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
        for row, source, (label, _, _) in self.votes.listed():
            cast[row].append((source, label))
        disputes = []
        for text, own in zip(free.tolist(), chances, strict=True):
            best = int(own.argmax())
            strengths = [min(trust[one], trust[two]) for (one, a), (two, b) in combinations(cast[text], 2) if a != b]
            strengths += [min(trust[source], own[best]) for source, label in cast[text] if label != best]
            disputes.append(Dispute(float(max(strengths, default=0.0))))
        return disputes

    def curve(self, strategy: str, seed: int) -> list[float]:
        """Return macro-F1 after each round."""
        labeled = np.sort(np.random.default_rng(seed).permutation(len(self.vectors))[: self.step])
        scores = []
        for number in range(ROUNDS + 1):
            if number:
                labeled = np.sort(np.concatenate([labeled, self.chosen(strategy, labeled, seed)]))
            scores.append(self.data.f1(self.learned(labeled)[1].logits(self.data.test).argmax(axis=1)))
        return scores


def main() -> None:
    """Print a line per strategy."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of Banking77's files")
    parser.add_argument("--folder", type=Path, required=True, help="where vectors lie, or will")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    asked = parser.parse_args()
    train, test = (list(read_pairs(asked.data / f"{name}.csv")) for name in ("train", "test"))
    texts = Texts(Data(train, test, asked.folder))
    for strategy in STRATEGIES:
        curves = np.array([texts.curve(strategy, seed) for seed in asked.seeds])
        print(f"{strategy}: {' '.join(f'{score:.4f}' for score in curves.mean(axis=0))}", flush=True)


if __name__ == "__main__":
    main()

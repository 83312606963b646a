"""The worth of gazetteers and patterns for entities, on WNUT17.

    python -m benchmarks.source_entities --data WNUT17 [--methods regression lora] [--labels 0 500] [--combine]

The sources are the shapes of `benchmarks/wnut17_sources` and a gazetteer per type: every name that the training file
marks, unless fewer than half of its occurrences there are marked, as an expert would strike out a word that mostly
means something else. Test file and development file took no part in either. The test file holds other names by design.

For each number of labeled training texts, drawn at random, a version learns from them, and once more from what the
sources propose for the other training texts besides; with 0, from that alone, as before the first training. F1 is
strict on the official test file, beside what the votes themselves answer there.

With --combine: ways to make one answer of votes on pieces. The lists are made of a half of the training file, drawn at
random, and read the other half, of which 200 texts tell their precisions and the rest gives the strict F1. The package
votes on whole pieces; the others vote on label, start and end one after another, or on words, and where it says
majority, each source counts alike. cleanlab and crowd-kit combine classes, texts and images, not pieces of texts.
"""

import argparse
import os
import re
import shutil
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import numpy as np

from benchmarks.entities import Rows, read_rows, spans_in
from benchmarks.support.trained import labeled, trained
from ml_backend.arrays import Floats
from ml_backend.domain.example import Span, Target
from ml_backend.domain.model import Method
from ml_backend.domain.source import AnswerForm
from ml_backend.learning.classification.settings import TrainingSettings
from ml_backend.learning.rows.data import LabeledTexts, TrainingData
from ml_backend.measuring.evaluation import Evaluation
from ml_backend.measuring.label_model import combined, precisions
from ml_backend.measuring.votes import Votes
from ml_backend.sources.kinds.base import AskedControl
from ml_backend.sources.runner import SourceRunner
from ml_backend.workflows.training.weak_rows import ProposedRows

SHAPES = Path(__file__).parent / "wnut17_sources"
CONTROL = "entities"
LEAST_MARKED = 0.5

JUDGED, COMBINED_SEEDS = 200, (1, 2, 3)

Piece = tuple[int, int, int]
Cast = Sequence[tuple[int, Piece]]


def main() -> None:
    """Show the figures that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=os.environ.get("WNUT17"), help="folder of the three files")
    parser.add_argument("--combine", action="store_true", help="compare ways to combine votes, and nothing else")
    parser.add_argument("--methods", type=Method, nargs="+", default=[Method.REGRESSION])
    parser.add_argument("--labels", type=int, nargs="+", default=[0])
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    if asked.data is None:
        parser.error("give --data or set WNUT17")
    train, test = (read_rows(Path(asked.data) / f"{name}.conll") for name in ("train", "test"))
    labels = tuple(sorted({span.label for _, target in train for span in spans_in(target)}))
    if asked.combine:
        for seed in COMBINED_SEEDS:
            show_ways(train, labels, seed)
        return
    (on_train, on_test), sources = votes_of(train, [train, test], labels)
    show("votes of the sources", answers(on_test, len(test), labels, trust_of(on_test, sources)), test)
    weak = proposed(on_train, labels, sources)
    print(f"sources propose pieces in {len(weak)} of {len(train)} training texts", flush=True)
    for count in asked.labels:
        for method in asked.methods:
            data = training_data(train, weak, labels, count, asked.seed)
            show_trained(data, test, TrainingSettings(method=method, seed=asked.seed))


def votes_of(known: Rows, read: Sequence[Rows], labels: Sequence[str]) -> tuple[list[Votes], int]:
    """Return the votes on texts of sources whose lists come from others, and how many sources there are."""
    asked = AskedControl(CONTROL, AnswerForm.SPANS, tuple(labels))
    with tempfile.TemporaryDirectory() as folder:
        write_sources(Path(folder) / "sources", known, labels)
        with SourceRunner(Path(folder) / "sources", [asked], limit_s=10.0) as runner:
            votes = [runner.votes(text for text, _ in rows) for rows in read]
    if runner.faults:
        raise SystemExit("\n".join(fault.sentence for fault in runner.faults))
    return votes, len(runner.sources)


def write_sources(folder: Path, train: Rows, labels: Sequence[str]) -> None:
    """Write the shapes, and a gazetteer per type."""
    shutil.copytree(SHAPES, folder, ignore=shutil.ignore_patterns("__pycache__"))
    marked = Counter((text[span.start : span.end], span.label) for text, target in train for span in spans_in(target))
    everything = "\n".join(text for text, _ in train)
    lists = folder / "gazetteers"
    lists.mkdir()
    for label in labels:
        entries = [
            name
            for (name, own), count in marked.items()
            if own == label and count >= LEAST_MARKED * len(re.findall(rf"(?<!\w){re.escape(name)}(?!\w)", everything))
        ]
        (lists / f"{label}.txt").write_text("\n".join(entries), encoding="utf-8")
    settings = "".join(f"[{label!r}]\ncase = true\n" for label in labels)
    (lists / "settings.toml").write_text(settings, encoding="utf-8")


def trust_of(votes: Votes, sources: int) -> Floats:
    """Return the precision of each source as it is known before anybody has labeled anything."""
    return precisions(votes, np.full(len(votes), -1), sources=sources)


def answers(votes: Votes, texts: int, labels: Sequence[str], trust: Floats) -> list[Target | None]:
    """Return the package's answer to each text; none where nothing votes."""
    found: list[Target | None] = [()] * texts
    chances = np.full(len(labels), 1 / len(labels))
    for each in combined(votes, trust, chances, AnswerForm.SPANS):
        found[each.row] = tuple(sorted(Span(start, end, labels[label]) for label, start, end in each.parts))
    return found


def proposed(votes: Votes, labels: Sequence[str], sources: int) -> dict[int, tuple[Target, float]]:
    """Return what a training learns from: an answer and a weight by row with a vote."""
    chances = np.full(len(labels), 1 / len(labels))
    return {
        each.row: (
            tuple(sorted(Span(start, end, labels[label]) for label, start, end in each.parts)),
            ProposedRows.WEIGHT * each.confidence,
        )
        for each in combined(votes, trust_of(votes, sources), chances, AnswerForm.SPANS)
    }


def training_data(
    train: Rows, weak: dict[int, tuple[Target, float]], labels: tuple[str, ...], count: int, seed: int
) -> TrainingData:
    """Return so many labeled texts, and the proposals for the others."""
    chosen = np.random.default_rng(seed).permutation(len(train))[:count].tolist()
    others = [i for i in weak if i not in set(chosen)]
    beside = LabeledTexts(
        tuple(train[i][0] for i in others), tuple(weak[i][0] for i in others), np.array([weak[i][1] for i in others])
    )
    own = labeled([train[i] for i in chosen])
    return TrainingData(CONTROL, "tags", labels, own, LabeledTexts.none(), LabeledTexts.none(), weak=beside)


def show_trained(data: TrainingData, test: Rows, settings: TrainingSettings) -> None:
    """Train with and, where there are labels, without the weak rows, and show both."""
    without = [("alone", data.without_weak)] if len(data.train) else []
    for name, each in (("and sources", data), *without):
        with trained(each, settings) as (outcome, predictor):
            found = [answer[CONTROL].target if answer else None for answer in predictor.predict([t for t, _ in test])]
            show(f"{len(data.train)} labeled texts {name}, {outcome.method}, {outcome.seconds:.0f} s", found, test)


def show_ways(train: Rows, labels: Sequence[str], seed: int) -> None:
    """Show the strict F1 of each way to combine votes on a half of the training file."""
    order = np.random.default_rng(seed).permutation(len(train)).tolist()
    known, rows = ([train[i] for i in half] for half in (order[: len(train) // 2], order[len(train) // 2 :]))
    (votes,), sources = votes_of(known, [rows], labels)
    truth = {(row, labels.index(s.label), s.start, s.end) for row in range(JUDGED) for s in spans_in(rows[row][1])}
    verdicts = [(row, *part) in truth if row < JUDGED else -1 for row, _, part in votes.listed()]
    trust = precisions(votes, np.array(verdicts, dtype=np.int64), sources=sources)
    later = votes.where(votes.row >= JUDGED)
    show_combined(f"seed {seed}", replace(later, row=later.row - JUDGED), rows[JUDGED:], labels, trust)


def show_combined(name: str, votes: Votes, rows: Rows, labels: Sequence[str], trust: Floats) -> None:
    """Show the strict F1 of each way."""
    weights = np.log(np.clip(trust, 0.02, 0.98) / (1 - np.clip(trust, 0.02, 0.98)))
    ways: dict[str, Callable[[str, Cast], list[Piece]]] = {
        "vote on label, start and end": lambda _, cast: by_ends([(weights[source], part) for source, part in cast]),
        "majority of whole pieces": lambda _, cast: whole_pieces([(1.0, part) for _, part in cast]),
        "majority of label, start and end": lambda _, cast: by_ends([(1.0, part) for _, part in cast]),
        "vote on words": lambda text, cast: by_words(text, [(weights[source], part) for source, part in cast]),
        "majority of words": lambda text, cast: by_words(text, [(1.0, part) for _, part in cast]),
    }
    show(f"{name}: vote on whole pieces", answers(votes, len(rows), labels, trust), rows)
    for way, combine in ways.items():
        found: list[Target | None] = [()] * len(rows)
        for row, group in groupby(votes.listed(), key=lambda each: each[0]):
            pieces = combine(rows[row][0], [(source, part) for _, source, part in group])
            found[row] = tuple(sorted(Span(start, end, labels[label]) for label, start, end in pieces))
        show(f"{name}: {way}", found, rows)


def whole_pieces(cast: Sequence[tuple[float, Piece]]) -> list[Piece]:
    """Return the pieces with the most weight that do not overlap one with more; of equals the longer one."""
    weights: defaultdict[Piece, float] = defaultdict(float)
    for weight, piece in cast:
        weights[piece] += weight
    chosen: list[Piece] = []
    for piece in sorted(weights, key=lambda each: (-weights[each], each[1] - each[2], each)):
        if all(piece[2] <= start or end <= piece[1] for _, start, end in chosen):
            chosen.append(piece)
    return chosen


def by_ends(cast: Sequence[tuple[float, Piece]]) -> list[Piece]:
    """Return a piece per heap of overlapping ones: label, start and end are voted on one after another."""
    heaps: list[list[tuple[float, Piece]]] = []
    for vote in sorted(cast, key=lambda each: each[1][1:]):
        if heaps and vote[1][1] < max(end for _, (_, _, end) in heaps[-1]):
            heaps[-1].append(vote)
        else:
            heaps.append([vote])
    chosen = []
    for heap in heaps:
        label = elected(heap, 0)
        start = elected([each for each in heap if each[1][0] == label], 1)
        end = elected([each for each in heap if each[1][0] == label and each[1][2] > start], 2)
        chosen.append((label, start, end))
    return chosen


def elected(heap: Sequence[tuple[float, Piece]], place: int) -> int:
    """Return the value at a place of the pieces with the most weight."""
    weights: defaultdict[int, float] = defaultdict(float)
    for weight, piece in heap:
        weights[piece[place]] += weight
    return min(weights, key=lambda value: (-weights[value], value))


def by_words(text: str, cast: Sequence[tuple[float, Piece]]) -> list[Piece]:
    """Return the runs of words that get the same label, each by the votes that touch it."""
    chosen: list[tuple[int | None, int, int]] = []
    for word in re.finditer(r"\S+", text):
        votes: defaultdict[int, float] = defaultdict(float)
        for weight, (label, start, end) in cast:
            votes[label] += weight * (start < word.end() and word.start() < end)
        best = max(votes, key=lambda each: (votes[each], -each))
        label = best if votes[best] > 0 else None
        if chosen and label is not None and chosen[-1][0] == label and chosen[-1][2] == word.start() - 1:
            chosen[-1] = label, chosen[-1][1], word.end()
        else:
            chosen.append((label, word.start(), word.end()))
    return [(label, start, end) for label, start, end in chosen if label is not None]


def show(name: str, found: Sequence[Target | None], rows: Rows) -> None:
    """Print the figures of answers."""
    figures = Evaluation.of([target for _, target in rows], found)
    print(
        f"{name}: strict F1 {figures.micro_f1:.4f} (precision {figures.precision:.3f}, recall {figures.recall:.3f})",
        flush=True,
    )


if __name__ == "__main__":
    main()

"""How good each way of training is at every size of a project: which one is best, and what labelloop chooses.

    python -m benchmarks.sizes --data BANKING77 --nlupp NLUPP [--results FILE] [--draws 3]
        [--cells banking77:4:10 ...] [--ways regression auto ...]
    python -m benchmarks.sizes --render [--results FILE]

A cell is a kind of text, a number of classes, a mean number of rows per class, and whether classes are equally
frequent or the most frequent one has twenty times the rows of the rarest. In every draw of a cell, the same rows train
a regression, LoRA with several numbers of passes, all weights (`full`), and whatever `labelloop train` chooses by
itself (`auto`).

Banking77 (Casanueva et al. 2020) and the single intents of NLU++ (Casanueva et al. 2022, folds 12 to 19 are the test)
give cells of few classes the classes nearest to one drawn at random, which are hard to tell apart; the demo's tickets
are all of one set, 530 to train on. Scores are macro-F1 on test rows that weigh as much as their class is frequent
among the train rows. Every result is written to the file at once, so a run that ends early goes on where it was.

The best of several measured ways is too good by chance. So below the table stands how much better a way is that was
chosen by other draws: of all kinds, of the same kind of text, skew, number of classes, or rows per class.
"""

import argparse
import json
import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.support.texts import Pair, read_pairs
from benchmarks.support.trained import labeled, trained
from ml_backend.demo.tickets import load_tickets
from ml_backend.domain.model import Method
from ml_backend.learning.classification.settings import TrainingSettings
from ml_backend.learning.classification.trainer import Trainer
from ml_backend.learning.objectives.base import Objective
from ml_backend.learning.rows.data import TrainingData
from ml_backend.models.text.torch_encoder import TextEncoder

CONTROL = "class"
PASSES = {1: 4000, 2: 4000, 3: 4000, 5: 4000, 10: 800, 20: 200}
"""Numbers of passes, and the most train rows that each is measured with."""
WEAKENED = (10, 0.75)
"""Passes, and the share of what the adapter has learned that is kept."""
SKEW = 20
TICKETS_TO_TRAIN_ON = 530
FIRST_TEST_FOLD = 12
MOST_TEST_ROWS = 1500
LARGE_ROWS = 400
"""Above it a cell has one draw."""
MOST_ROWS_OF_FULL = 1600
NLUPP_INTENTS = 15
EVEN = (
    *(("banking77", classes, per_class) for classes in (2, 4, 8, 15) for per_class in (5, 10, 20, 50, 100)),
    *(("banking77", 77, per_class) for per_class in (5, 10, 20, 50)),
    *(("tickets", 8, per_class) for per_class in (5, 10, 20, 50)),
    *(("nlupp", classes, per_class) for classes in (4, 8, 15) for per_class in (5, 10, 20)),
)
SKEWED = (
    *(("banking77", classes, per_class) for classes in (2, 4, 8, 15) for per_class in (10, 50)),
    ("banking77", 77, 10),
    *(("tickets", 8, per_class) for per_class in (10, 50)),
    *(("nlupp", classes, 10) for classes in (4, 8, 15)),
)


@dataclass(frozen=True, slots=True)
class Cell:
    """A size of project.

    Attributes:
        per_class: mean number of train rows per class.
        is_skewed: the most frequent class has 20 times the rows of the rarest.
    """

    kind: str
    classes: int
    per_class: int
    is_skewed: bool

    @classmethod
    def all(cls) -> "list[Cell]":
        """The grid, small cells first."""
        cells = [*(cls(*size, False) for size in EVEN), *(cls(*size, True) for size in SKEWED)]
        return sorted(cells, key=lambda cell: cell.classes * cell.per_class)

    @classmethod
    def parse(cls, text: str) -> "Cell":
        """Read `banking77:4:10` or `banking77:4:10:skewed`."""
        kind, classes, per_class, *skewed = text.split(":")
        return cls(kind, int(classes), int(per_class), bool(skewed))

    @property
    def rows(self) -> int:
        """Train rows, up to how many of a class there are."""
        return self.classes * self.per_class


@dataclass(frozen=True, slots=True)
class Source:
    """Texts of one kind: to train on, by class, and to score."""

    train: Mapping[str, Sequence[str]]
    test: Sequence[Pair]

    @classmethod
    def of(cls, train: Sequence[Pair], test: Sequence[Pair]) -> "Source":
        """A source of labeled texts."""
        by_class: dict[str, list[str]] = defaultdict(list)
        for text, label in train:
            by_class[label].append(text)
        return cls(by_class, test)


@dataclass(frozen=True, slots=True)
class Sources:
    """The folders that each kind of text is read from."""

    banking77: Path | None
    nlupp: Path | None

    @cache  # noqa: B019 (there is one of these per run)
    def of(self, kind: str) -> Source:
        """The texts of a kind."""
        if kind == "tickets":
            pairs = [(ticket.text, ticket.label) for ticket in load_tickets()]
            random.Random(0).shuffle(pairs)
            return Source.of(pairs[:TICKETS_TO_TRAIN_ON], pairs[TICKETS_TO_TRAIN_ON:])
        folder = {"banking77": self.banking77, "nlupp": self.nlupp}[kind]
        if folder is None:
            raise SystemExit(f"cells of {kind} need its folder; give --data (Banking77) and --nlupp (NLU++ banking)")
        if kind == "banking77":
            return Source.of(list(read_pairs(folder / "train.csv")), list(read_pairs(folder / "test.csv")))
        rows = [json.loads(line) for line in (folder / "data.jsonl").read_text(encoding="utf-8").splitlines()]
        single = [(row["text"], row["intents"][0], row["fold"]) for row in rows if len(row["intents"]) == 1]
        train = [(text, label) for text, label, fold in single if fold < FIRST_TEST_FOLD]
        counts = defaultdict(int)
        for _, label in train:
            counts[label] += 1
        kept = sorted(counts, key=lambda label: (-counts[label], label))[:NLUPP_INTENTS]
        return Source.of(
            [pair for pair in train if pair[1] in kept],
            [(text, label) for text, label, fold in single if fold >= FIRST_TEST_FOLD and label in kept],
        )


@dataclass(frozen=True, slots=True)
class Draw:
    """Rows of a cell, drawn with a seed."""

    cell: Cell
    seed: int
    train: list[Pair]
    test: list[Pair]

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes that there are train rows of."""
        return tuple(sorted({label for _, label in self.train}))

    @classmethod
    def of(cls, cell: Cell, seed: int, source: Source, encoder: TextEncoder) -> "Draw":
        """Draw the rows."""
        draw = random.Random(f"{cell.kind} {cell.classes} {cell.per_class} {cell.is_skewed} {seed}")
        names = sorted(source.train)
        if cell.classes < len(names):
            first = draw.randrange(len(names))
            nearness = _class_means(source.train, encoder) @ _class_means(source.train, encoder)[first]
            names = [names[i] for i in np.argsort(-nearness)[: cell.classes]]
        shares = np.geomspace(SKEW, 1, len(names)) if cell.is_skewed else np.ones(len(names))
        counts = np.maximum(1, np.round(shares / shares.sum() * cell.per_class * len(names))).astype(int).tolist()
        draw.shuffle(names)
        train = [
            (text, name)
            for name, count in zip(names, counts, strict=True)
            for text in draw.sample(list(source.train[name]), min(count, len(source.train[name])))
        ]
        draw.shuffle(train)
        test = [pair for pair in source.test if pair[1] in set(names)]
        return cls(cell, seed, train, draw.sample(test, min(len(test), MOST_TEST_ROWS)))

    def macro_f1(self, answers: Sequence[str]) -> float:
        """Macro-F1 of answers to the test texts, which weigh as much as their class is frequent in train."""
        index = {label: k for k, label in enumerate(self.labels)}
        truth = np.array([index[label] for _, label in self.test])
        answered = np.array([index[answer] for answer in answers])
        shares = np.bincount([index[label] for _, label in self.train]) / len(self.train)
        weights = (shares / np.maximum(np.bincount(truth, minlength=len(index)), 1))[truth]
        scores = []
        for k in np.unique(truth):
            right = weights[(truth == k) & (answered == k)].sum()
            scores.append(2 * right / (weights[truth == k].sum() + weights[answered == k].sum()))
        return float(np.mean(scores))


@dataclass(frozen=True, slots=True)
class Way:
    """A way to train: a method, and for LoRA how many passes it makes; 0: as many as the rule says.

    Attributes:
        strength: share of what the adapter has learned that is kept; where passes are given, it counts.
    """

    method: Method
    passes: int = 0
    strength: float = 1.0

    def __str__(self) -> str:
        name = f"{self.method} {self.passes}" if self.passes else str(self.method)
        return name if self.strength == 1 else f"{name} x {self.strength:g}"

    def answers(self, draw: Draw, encoder: TextEncoder) -> tuple[list[str], Method]:
        """Train a model in this way; return its answers to the test texts, and the method that was kept."""
        texts = [text for text, _ in draw.test]
        settings = TrainingSettings(method=self.method, seed=draw.seed)
        if self.passes:
            settings = replace(settings, epochs=self.passes, adapter_strength=self.strength)
        names = labeled([(label.replace("_", " "), label) for label in draw.labels])
        if self.method is Method.AUTO:
            data = TrainingData(CONTROL, "softmax", draw.labels, labeled(draw.train), names, labeled([]))
            with trained(data, settings) as (outcome, predictor):
                return [str(answer[CONTROL].target) for answer in predictor.predict(texts) if answer], outcome.method
        objective = Objective.of("softmax", draw.labels)
        rows = labeled(draw.train)
        objective.prepare(encoder, rows)
        learned = objective.encode(encoder, rows.plus(names, weight=settings.description_weight))
        tokenised = objective.decoder.tokenise(encoder, texts)
        trainer = Trainer.for_rows(encoder, objective, settings, len(learned))
        features = encoder.vectors(learned.tokenised)
        head = trainer.regression(learned, features)
        if self.method is Method.REGRESSION:
            logits = head.logits(encoder.vectors(tokenised))
        else:
            with trainer.tuned(self.method, learned, trainer.first_head(learned, features, head)) as (model, _):
                logits = model.logits(tokenised)
        return [str(answer.target) for answer in objective.decoder.answers(logits, tokenised)], self.method


def ways_of(cell: Cell) -> Iterator[Way]:
    """The ways that a cell is trained in; a large one in fewer."""
    yield Way(Method.REGRESSION)
    yield from (Way(Method.LORA, passes) for passes, most_rows in PASSES.items() if cell.rows <= most_rows)
    if cell.rows <= PASSES[WEAKENED[0]]:
        yield Way(Method.LORA, *WEAKENED)
    if cell.rows <= MOST_ROWS_OF_FULL:
        yield Way(Method.FULL)
    yield Way(Method.AUTO)


def measure(cells: Sequence[Cell], draws: int, sources: Sources, results: Path, only: Sequence[str] | None) -> None:
    """Train and score what the file of results lacks."""
    encoder = TextEncoder.load()
    known = {(*_key(result), result["way"]) for result in _read(results)}
    for seed in range(1, 1 + draws):
        for cell in cells:
            if seed > 1 and cell.rows > LARGE_ROWS:
                continue
            draw = Draw.of(cell, seed, sources.of(cell.kind), encoder)
            for way in ways_of(cell):
                if (*asdict(cell).values(), seed, str(way)) in known or (only and str(way) not in only):
                    continue
                answers, kept = way.answers(draw, encoder)
                result = {
                    **asdict(cell),
                    "seed": seed,
                    "way": str(way),
                    "kept": str(kept),
                    "rows": len(draw.train),
                    "test_rows": len(draw.test),
                    "macro_f1": round(draw.macro_f1(answers), 4),
                }
                with results.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(result) + "\n")


def render(results: Path) -> str:
    """Return a table in Markdown: means over the draws of a cell, the best one in bold, and what the choice loses."""
    cells: dict[Cell, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for result in _read(results):
        kind, classes, per_class, is_skewed, _ = _key(result)
        cells[Cell(kind, classes, per_class, is_skewed)][result["way"]].append(result["macro_f1"])
    passes = (str(Way(Method.LORA, passes)) for passes in PASSES)
    ways = [str(Way(Method.REGRESSION)), *passes, str(Way(Method.LORA, *WEAKENED)), "full", "auto"]
    lines = [
        f"| texts | classes | rows per class | {' | '.join(ways)} | best - auto |",
        "| --- " * (len(ways) + 4) + "|",
    ]
    losses = []
    for cell in sorted(cells, key=lambda cell: (cell.kind, cell.is_skewed, cell.classes, cell.per_class)):
        means = {way: float(np.mean(scores)) for way, scores in cells[cell].items()}
        best = max(score for way, score in means.items() if way != "auto")
        figures = [_figure(means[way], is_best=means[way] == best) if way in means else "" for way in ways]
        loss = best - means["auto"] if "auto" in means else float("nan")
        losses.append(loss)
        kind = f"{cell.kind}, skewed" if cell.is_skewed else cell.kind
        lines.append(f"| {kind} | {cell.classes} | {cell.per_class} | {' | '.join(figures)} | {loss:.3f} |")
    if not np.isnan(losses).all():
        lines.append(f"\nBest minus auto: {np.nanmean(losses):.4f} on average, at most {np.nanmax(losses):.4f}.")
    return "\n".join([*lines, "", *_chosen_elsewhere(_read(results))])


def _chosen_elsewhere(results: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield how much better than the default a way is that was the best one in other draws.

    The default is `auto`, or what it does with few rows where that was not measured. Only draws count in which the
    regression, LoRA with many passes, and the default were measured.
    """
    draws: dict[tuple[str, int, int, bool, int], dict[str, float]] = defaultdict(dict)
    for result in results:
        draws[_key(result)][result["way"]] = result["macro_f1"]
    weakened = str(Way(Method.LORA, *WEAKENED))
    for scores in draws.values():
        if weakened in scores:
            scores.setdefault("auto", scores[weakened])
    rivals = [str(Way(Method.REGRESSION)), str(Way(Method.LORA, WEAKENED[0])), weakened]
    whole = {key: scores for key, scores in draws.items() if {*rivals, "auto"} <= scores.keys()}
    groups = {
        "all other draws": (),
        "those of its kind of text": (0,),
        "those as skewed": (3,),
        "those of its kind and skew": (0, 3),
        "those of as many classes": (1,),
        "those of as many rows per class": (2,),
    }
    for words, places in groups.items():
        gains = []
        for key, scores in whole.items():
            alike = [each for other, each in whole.items() if other != key and _at(other, places) == _at(key, places)]
            if alike:
                best = max(rivals, key=lambda way: np.mean([each[way] for each in alike]))
                gains.append(scores[best] - scores["auto"])
        if len(gains) > 1:
            error = np.std(gains, ddof=1) / len(gains) ** 0.5
            yield f"Chosen by {words}: {np.mean(gains):+.4f} (standard error {error:.4f}, {len(gains)} draws)."


def _at(key: tuple[Any, ...], places: Sequence[int]) -> list[Any]:
    return [key[place] for place in places]


def _figure(score: float, *, is_best: bool) -> str:
    figure = f"{score:.3f}".removeprefix("0")
    return f"**{figure}**" if is_best else figure


def _key(result: Mapping[str, Any]) -> tuple[str, int, int, bool, int]:
    return result["kind"], result["classes"], result["per_class"], result["is_skewed"], result["seed"]


def _read(results: Path) -> list[dict[str, Any]]:
    if not results.exists():
        return []
    return [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines()]


_MEANS: dict[int, np.ndarray] = {}


def _class_means(texts: Mapping[str, Sequence[str]], encoder: TextEncoder) -> np.ndarray:
    """Mean vectors of the classes, in alphabetical order."""
    if id(texts) not in _MEANS:
        _MEANS[id(texts)] = np.stack([encoder.embed(texts[name]).mean(axis=0) for name in sorted(texts)])
    return _MEANS[id(texts)]


def main() -> None:
    """Measure, or render what was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of Banking77's files")
    parser.add_argument("--nlupp", type=Path, help="folder of NLU++'s data.jsonl")
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results/sizes.jsonl"))
    parser.add_argument("--draws", type=int, default=3, help="draws per cell; large cells have one")
    parser.add_argument("--cells", nargs="+", type=Cell.parse, help="such as banking77:4:10 or tickets:8:50:skewed")
    parser.add_argument("--ways", nargs="+", help="such as regression 'lora 5' auto; all, unless given")
    parser.add_argument("--render", action="store_true", help="print the table of the results that are there")
    asked = parser.parse_args()
    if not asked.render:
        measure(asked.cells or Cell.all(), asked.draws, Sources(asked.data, asked.nlupp), asked.results, asked.ways)
    print(render(asked.results))


if __name__ == "__main__":
    main()

"""Whether certificates keep what they promise, what they cover, and how soon they lapse when texts change.

    python -m benchmarks.certificates --data BANKING77 --nlupp NLUPP --folder FOLDER [--halves 1000] [--runs 200]

Models: Banking77 on its own files; the same without 20 random classes, whose texts are the shift (the first draw of
`benchmarks.unfit_texts`, in the same folder); NLU++ banking, folds 0 to 9 to train on and 10 to 19 as the test, since a
certificate takes rows. A tenth of the rows to train on is the validation split. All are tuned with LoRA. An answer of
NLU++ is the whole set of labels, and wrong where any differs; beside that it is measured by its share of wrong labels,
1 - |both| / |either|, which is a loss between 0 and 1.
Confidences and losses stay in the folder, so that the rest can be run again without training. As in the product, no
answer to a text that fits no label is accepted, and the error is what a project's first try may spend.

The test rows are divided at random into two halves, 1,000 times: on one a threshold is certified, and the other is the
stream of texts to come, whose accepted answers cost more than the limit or do not. Halves of one set depend on each
other: errors that one half lacks the other has. So the answers to all test rows from the threshold on are measured as
well: the promise is about the rows that both halves are drawn from. Beside the certificate: a plain cut,
which accepts what has a calibrated confidence of 1 - limit; and the fixed sequence of thresholds as Learn-then-Test
(Angelopoulos et al. 2021) publishes it, from the strictest on, with p-values by Hoeffding and by Hoeffding and Bentkus.
Certificates by label are compared in the same way, bounds on losses between 0 and 1 on drawn ones, and streams are
audited with and without a shift.
"""

import argparse
import json
import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.multilabel import target_of
from benchmarks.support.texts import read_pairs
from benchmarks.support.trained import labeled, trained
from benchmarks.unfit_texts import likeness, novelty_of, read_draw
from ml_backend.domain.acceptance import KeptCertificate
from ml_backend.domain.example import Target
from ml_backend.domain.fit import UNFIT_SHARE, fits_no_label
from ml_backend.domain.model import Method
from ml_backend.learning.classification.settings import TrainingSettings
from ml_backend.learning.rows.data import TrainingData
from ml_backend.measuring.certificates import Certificate, e_values, missing_rows
from ml_backend.measuring.error_budget import error_share

LIMITS = (0.01, 0.02, 0.05)
DELTA = error_share(0)
NEVER = -np.inf
"""Stands for the confidence in an answer to a text that fits no label."""
SPLITS = ("validation", "test")
TOPICS = ("top_up", "transfer", "card", "cash", "exchange")
VALIDATION_SHARE = 0.1
UNSEEN_SHARE = 0.2
FIRST_TEST_FOLD = 10
GRID = 20
MOST_AUDITED, AUDITED_BEFORE = 2000, 300

Rows = list[tuple[str, Target]]


@dataclass(frozen=True, slots=True)
class Task:
    """Rows to train a model on, and rows to ask it about."""

    head: str
    labels: tuple[str, ...]
    train: Rows
    test: Rows

    @classmethod
    def of_banking77(cls, folder: Path) -> "Task":
        """All classes of Banking77."""
        train, test = (list(read_pairs(folder / name)) for name in ("train.csv", "test.csv"))
        return cls("softmax", tuple(sorted({label for _, label in train})), train, test)

    @classmethod
    def of_nlupp(cls, folder: Path) -> "Task":
        """NLU++ banking, half of its folds as the test."""
        rows = [json.loads(line) for line in (folder / "data.jsonl").read_text(encoding="utf-8").splitlines()]
        labels = tuple(sorted({name for row in rows for name in row["intents"]}))
        pairs = [(row["fold"] >= FIRST_TEST_FOLD, (row["text"], target_of(row))) for row in rows]
        train, test = ([pair for is_test, pair in pairs if is_test == wanted] for wanted in (False, True))
        return cls("sigmoid", labels, train, test)

    def answer(self) -> dict[str, np.ndarray]:
        """Train a model; return the confidences and losses of its answers by name."""
        rows = list(self.train)
        random.Random(1).shuffle(rows)
        cut = round(VALIDATION_SHARE * len(rows))
        described = [(label.replace("_", " "), label) for label in self.labels] if self.head == "softmax" else []
        data = TrainingData(
            "control", self.head, self.labels, labeled(rows[cut:]), labeled(described), labeled(rows[:cut])
        )
        arrays = {}
        with trained(data, TrainingSettings(method=Method.LORA, seed=1)) as (_, predictor):
            for name, asked in (("validation", rows[:cut]), ("test", self.test)):
                found = predictor.predict_with_fit([text for text, _ in asked])
                answers = [answer["control"] for answer in found if answer]
                pairs = [(answer.target, target) for answer, (_, target) in zip(answers, asked, strict=True)]
                scores = [NEVER if fits_no_label(answer.fit) else answer.score for answer in answers]
                arrays[f"{name}_scores"] = np.array(scores)
                arrays[f"{name}_losses"] = np.array([answer != target for answer, target in pairs], dtype=np.bool_)
                arrays[f"{name}_answers"] = np.array([str(answer) for answer, _ in pairs])
                if self.head == "sigmoid":
                    arrays[f"{name}_shares"] = np.array([_share(set(a), set(t)) for a, t in pairs], dtype=np.float64)
        return arrays


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """Confidence in each answer, and what it cost."""

    scores: np.ndarray
    losses: np.ndarray

    def __len__(self) -> int:
        return len(self.scores)

    @property
    def pair(self) -> tuple[np.ndarray, np.ndarray]:
        """As the package takes them."""
        return self.scores, self.losses

    def take(self, rows: np.ndarray) -> "Answers":
        """These rows."""
        return Answers(self.scores[rows], self.losses[rows])

    @property
    def fitting(self) -> "Answers":
        """The answers that could be accepted: those to texts that fit a label."""
        return self.take(np.flatnonzero(self.scores > NEVER))

    def above(self, threshold: float) -> np.ndarray:
        """The losses of the answers from a confidence on."""
        return self.losses[self.scores >= threshold]


Rule = Callable[[Answers, Answers, float], float | None]
"""The threshold that a rule chooses: from validation rows, rows to certify on and the limit. None: accept nothing."""


def certified(validation: Answers, blind: Answers, limit: float) -> float | None:
    """The threshold that is certified."""
    found = Certificate.of(validation.pair, blind.fitting.pair, limit=limit, delta=DELTA)
    return found.threshold if found else None


def plain_cut(_validation: Answers, _blind: Answers, limit: float) -> float | None:
    """The confidence that promises as much by itself."""
    return 1 - limit


def published(
    p_value_of: Callable[[np.ndarray, float], float], validation: Answers, blind: Answers, limit: float
) -> float | None:
    """The fixed sequence from the strictest threshold with rows enough for any to pass; the same ones as ours."""
    chosen = None
    for threshold in _thresholds(validation):
        accepted = blind.above(threshold)
        if p_value_of(np.zeros(len(accepted)), limit) > DELTA:
            continue
        if p_value_of(accepted, limit) > DELTA:
            break
        chosen = threshold
    return chosen


def _thresholds(validation: Answers) -> list[float]:
    """Confidences from which on 5%, 10% and so on of validation rows are accepted."""
    return np.quantile(validation.scores, 1 - np.arange(1, GRID + 1) / GRID).tolist()


def hoeffding(losses: np.ndarray, limit: float) -> float:
    """Hoeffding 1963, the looser form that Learn-then-Test begins with."""
    return float(np.exp(-2 * len(losses) * max(limit - losses.mean(), 0.0) ** 2)) if len(losses) else 1.0


def hoeffding_bentkus(losses: np.ndarray, limit: float) -> float:
    """The p-value that Learn-then-Test recommends: the smaller one of Hoeffding's tighter form and of Bentkus 2004."""
    from scipy.special import rel_entr
    from scipy.stats import binom

    if not len(losses):
        return 1.0
    rows, mean = len(losses), min(losses.mean(), limit)
    distance = rel_entr(mean, limit) + rel_entr(1 - mean, 1 - limit)
    return float(min(np.exp(-rows * distance), np.e * binom.cdf(np.ceil(rows * losses.mean()), rows, limit), 1.0))


RULES: dict[str, Rule] = {
    "certificate": certified,
    "confidence of 1 - limit": plain_cut,
    "Learn-then-Test, Hoeffding-Bentkus": partial(published, hoeffding_bentkus),
    "Learn-then-Test, Hoeffding": partial(published, hoeffding),
}


def halves(answers: Answers, count: int) -> Iterator[tuple[Answers, Answers]]:
    """Divide test rows at random, so many times."""
    random_rows = np.random.default_rng(1)
    for _ in range(count):
        rows = random_rows.permutation(len(answers))
        yield answers.take(rows[: len(rows) // 2]), answers.take(rows[len(rows) // 2 :])


def compare_rules(name: str, validation: Answers, test: Answers, count: int) -> None:
    """Print how often each rule's accepted answers cost more than the limit, and what it accepts."""
    print(f"\n{name}: mean loss {test.losses.mean():.4f} on {len(test)} test rows, {len(validation)} validation rows")
    columns = "limit", "rule", "exceeded in the other half", "by all rows", "covered: mean, median", "nothing accepted"
    print(f"| {' | '.join(columns)} |\n{'| --- ' * len(columns)}|")
    for limit in LIMITS:
        for rule_name, rule in RULES.items():
            exceeded, by_all, covered = [], [], []
            for blind, stream in halves(test, count):
                threshold = rule(validation, blind, limit)
                accepted, of_all = (each.above(np.inf if threshold is None else threshold) for each in (stream, test))
                exceeded.append(bool(len(accepted)) and accepted.mean() > limit)
                by_all.append(bool(len(of_all)) and of_all.mean() > limit)
                covered.append(len(accepted) / len(stream))
            nothing = np.mean(np.array(covered) == 0)
            shares = f"{np.mean(covered):.1%}, {np.median(covered):.1%}"
            broken = f"{np.mean(exceeded):.1%} | {np.mean(by_all):.1%}"
            print(f"| {limit:.0%} | {rule_name} | {broken} | {shares} | {nothing:.1%} |", flush=True)
        plan = missing_rows(validation.pair, rows=len(test.fitting) // 2, limit=limit, delta=DELTA)
        print(f"| | forecast | | | {'never' if plan is None else f'{plan[1]:.0%} with {plan[0]} more rows'} | |")


def compare_labels(arrays: dict[str, np.ndarray], count: int) -> None:
    """Print what certificates by label cover; Banking77's classes as six topics, since a class has too few rows.

    Beside the certificates of the package: one for all topics, and one sequence over the topics, from the one with the
    most rows on, first of everyone's first thresholds, then of their second ones, up to the first that fails.
    """
    topics = {split: np.array([_topic(name) for name in arrays[f"{split}_answers"]]) for split in SPLITS}
    validation, test = (Answers(arrays[f"{split}_scores"], arrays[f"{split}_losses"]) for split in SPLITS)
    random_rows = np.random.default_rng(1)
    names = sorted(set(topics["test"]))
    found: dict[tuple[float, str], list[tuple[float, bool, bool]]] = defaultdict(list)
    for _ in range(count):
        rows = random_rows.permutation(len(test))
        blind, stream = rows[: len(rows) // 2], rows[len(rows) // 2 :]
        blind = blind[test.scores[blind] > NEVER]
        labels = topics["validation"], topics["test"][blind]
        for limit in LIMITS:
            pooled = certified(validation, test.take(blind), limit)
            answered = labels[0].tolist(), labels[1].tolist()
            by_label = Certificate.by_label(validation.pair, test.take(blind).pair, answered, limit=limit, delta=DELTA)
            ways = {
                "one certificate": dict.fromkeys(names, pooled) if pooled is not None else {},
                "by label": {name: each.threshold for name, each in by_label.items()},
                "one sequence over labels": _one_sequence(validation, test.take(blind), labels, limit),
            }
            for way, thresholds in ways.items():
                is_accepted = test.scores >= np.array([thresholds.get(name, np.inf) for name in topics["test"]])
                losses = [test.losses[is_accepted & (topics["test"] == name)] for name in names]
                is_broken = bool(is_accepted.any()) and test.losses[is_accepted].mean() > limit
                in_one = any(len(each) and each.mean() > limit for each in losses)
                found[limit, way].append((is_accepted[stream].mean(), is_broken, in_one))
    columns = ("limit", "certificates", "covered: mean", "exceeded by all rows", "by a topic")
    print(f"\n| {' | '.join(columns)} |\n{'| --- ' * len(columns)}|")
    for (limit, way), results in found.items():
        covered, broken, in_one = np.array(results).mean(axis=0)
        print(f"| {limit:.0%} | {way} | {covered:.1%} | {broken:.1%} | {in_one:.1%} |")


def _topic(name: str) -> str:
    return next((topic for topic in TOPICS if topic in name), "other")


def _one_sequence(
    validation: Answers, blind: Answers, labels: tuple[np.ndarray, np.ndarray], limit: float
) -> dict[str, float]:
    from scipy.stats import binom

    order = sorted(set(labels[1]), key=lambda name: -(labels[1] == name).sum())
    own = {name: blind.take(labels[1] == name) for name in order}
    grids = {name: _thresholds(validation.take(labels[0] == name)) for name in order}
    chosen: dict[str, float] = {}
    for step in range(GRID):
        for name in order:
            accepted = own[name].above(grids[name][step])
            if (1 - limit) ** len(accepted) > DELTA:
                continue
            if binom.cdf(accepted.sum(), len(accepted), limit) > DELTA:
                return chosen
            chosen[name] = grids[name][step]
    return chosen


def compare_bounds(count: int) -> None:
    """Print how often bounds certify drawn losses: the share of three controls that are wrong, 40% of the limit."""
    random_rows = np.random.default_rng(3)
    print("\n| limit | rows | betting | Hoeffding-Bentkus |\n| --- | --- | --- | --- |")
    for limit in LIMITS:
        for rows in (200, 500, 1000):
            confidence, right = np.ones(rows), np.zeros(rows)
            passed = []
            for _ in range(count):
                losses = (random_rows.random((3, rows)) < 0.4 * limit).mean(axis=0)
                found = Certificate.of((confidence, right), (confidence, losses), limit=limit, delta=DELTA)
                passed.append((found is not None, hoeffding_bentkus(losses, limit) <= DELTA))
            betting, published_one = np.array(passed).mean(axis=0)
            print(f"| {limit:.0%} | {rows} | {betting:.1%} | {published_one:.1%} |")


def unseen_classes(data: Path, folder: Path) -> tuple[Answers, Answers, Answers]:
    """Answers to validation rows, to test rows of classes that a model knows, and to test rows of others."""
    arrays = read_draw(data, folder, 1)
    losses = {split: arrays[f"{split}_answers"] != arrays[f"{split}_labels"] for split in SPLITS}
    novelty = novelty_of(arrays)
    fits = {split: novelty.p_values(likeness(arrays, split)) for split in SPLITS}
    scores = {split: np.where(fits[split] <= UNFIT_SHARE, NEVER, arrays[f"{split}_scores"]) for split in SPLITS}
    validation, test = (Answers(scores[split], losses[split]) for split in SPLITS)
    is_known = arrays["test_labels"] >= 0
    return validation.fitting, test.take(np.flatnonzero(is_known)), test.take(np.flatnonzero(~is_known))


def watch(name: str, validation: Answers, test: Answers, unseen: Answers, runs: int) -> None:
    """Print after how many audited answers certificates lapse, and how often they do without a shift."""
    print(f"\n{name}: {UNSEEN_SHARE:.0%} of the texts from classes that the model has not seen")
    print(
        "| limit | certificates | error, shifted | lapses: mean, median | within 200 | never in "
        f"{MOST_AUDITED} | after {AUDITED_BEFORE} good ones: mean | lapses without a shift |\n{'| --- ' * 8}|"
    )
    draw = np.random.default_rng(2)
    for limit in LIMITS:
        delays, late, errors, false_alarms, certificates = [], [], [], [], 0
        for blind, stream in halves(test, runs):
            threshold = certified(validation, blind, limit)
            if threshold is None:
                continue
            certificates += 1
            calm = draw.permutation(stream.above(threshold))
            false_alarms.append(_lapse(calm, limit) is not None)
            known, new = stream.above(threshold), unseen.above(threshold)
            share = UNSEEN_SHARE * len(new) / len(unseen)
            share /= share + (1 - UNSEEN_SHARE) * len(known) / len(stream)
            is_new = draw.random(MOST_AUDITED) < share
            shifted = np.where(is_new, True, draw.choice(known, MOST_AUDITED))
            errors.append(shifted.mean())
            delays.append(_lapse(shifted, limit) or MOST_AUDITED)
            before = draw.choice(known, AUDITED_BEFORE)
            if _lapse(before, limit) is None:
                lapse = _lapse(np.concatenate([before, shifted]), limit)
                late.append((lapse or MOST_AUDITED + AUDITED_BEFORE) - AUDITED_BEFORE)
        if not certificates:
            print(f"| {limit:.0%} | 0 of {runs} | | | | | | |")
            continue
        found = np.array(delays)
        delay = f"{found.mean():.0f}, {np.median(found):.0f}"
        print(
            f"| {limit:.0%} | {certificates} of {runs} | {np.mean(errors):.1%} | {delay} "
            f"| {np.mean(found <= 200):.1%} | {np.mean(found == MOST_AUDITED):.1%} | {np.mean(late):.0f} "
            f"| {sum(false_alarms)} ({np.mean(false_alarms):.1%}) |",
            flush=True,
        )


def _lapse(losses: np.ndarray, limit: float) -> int | None:
    """The number of audited answers after which a certificate is revoked."""
    reached = np.flatnonzero(e_values(losses, limit) >= KeptCertificate.ALARM)
    return int(reached[0]) + 1 if len(reached) else None


def _share(answered: set[object], true: set[object]) -> float:
    return 1 - len(answered & true) / len(answered | true) if answered | true else 0.0


def main() -> None:
    """Train what is missing in the folder, then measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of Banking77's files")
    parser.add_argument("--nlupp", type=Path, required=True, help="folder of NLU++'s data.jsonl")
    parser.add_argument("--folder", type=Path, required=True, help="where the models' answers lie, or will")
    parser.add_argument("--halves", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=200, help="streams with and without a shift")
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    for name, task in {"banking77": Task.of_banking77(asked.data), "nlupp": Task.of_nlupp(asked.nlupp)}.items():
        file = asked.folder / f"{name}.npz"
        if not file.exists():
            np.savez(file, **task.answer())
        arrays = dict(np.load(file))
        fitting = arrays["validation_scores"] > NEVER
        arrays |= {key: array[fitting] for key, array in arrays.items() if key.startswith("validation_")}
        for losses in ("losses", "shares"):
            if f"test_{losses}" in arrays:
                rows = (Answers(arrays[f"{split}_scores"], arrays[f"{split}_{losses}"]) for split in SPLITS)
                compare_rules(f"{name}, {losses}", *rows, asked.halves)
        if name == "banking77":
            compare_labels(arrays, asked.runs)
    compare_bounds(asked.runs)
    watch("Banking77", *unseen_classes(asked.data, asked.folder), asked.runs)


if __name__ == "__main__":
    main()

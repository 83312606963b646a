"""Whether certificates keep what they promise, what they cover, and how soon they lapse when texts change.

    python -m benchmarks.certificates --data BANKING77 --nlupp NLUPP --answers FOLDER [--halves 1000] [--runs 200]

Models: Banking77 on its own files; the same without 20 random classes, whose texts are the shift; NLU++ banking, folds
0 to 9 to train on and 10 to 19 as the test, since a certificate takes rows. A tenth of the rows to train on is the
validation split. All are tuned with LoRA. An answer of NLU++ is the whole set of labels, and wrong where any differs;
beside that it is measured by its share of wrong labels, 1 - |both| / |either|, which is a loss between 0 and 1.
Confidences and losses stay in the folder, so that the rest can be run again without training.

The test rows are divided at random into two halves, 1,000 times: on one a threshold is certified, and the other is the
stream of texts to come, whose accepted answers cost more than the limit or do not. Beside the certificate: a plain cut,
which accepts what has a calibrated confidence of 1 - limit; and the fixed sequence of thresholds as Learn-then-Test
(Angelopoulos et al. 2021) publishes it, from the strictest on, with p-values by Hoeffding and by Hoeffding and Bentkus.
"""

import argparse
import json
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.multilabel import target_of
from benchmarks.support.texts import read_pairs
from benchmarks.support.trained import labeled, trained
from ml_backend.domain.example import Target
from ml_backend.domain.model import Method
from ml_backend.learning.classification.settings import TrainingSettings
from ml_backend.learning.rows.data import TrainingData
from ml_backend.measuring.certificates import Certificate, e_values, missing_rows, threshold_sequence

LIMITS = (0.01, 0.02, 0.05)
DELTA = 0.05
VALIDATION_SHARE = 0.1
UNSEEN_CLASSES, UNSEEN_SHARE = 20, 0.2
FIRST_TEST_FOLD = 10
GRID = 20
MOST_AUDITED, AUDITED_BEFORE = 2000, 300

Rows = list[tuple[str, Target]]


@dataclass(frozen=True, slots=True)
class Task:
    """What a model is trained on, and what it is asked about.

    Attributes:
        unseen: texts of classes that the model does not know; none but for the shift.
    """

    head: str
    labels: tuple[str, ...]
    train: Rows
    test: Rows
    unseen: Rows

    @classmethod
    def of_banking77(cls, folder: Path, *, unseen: int = 0) -> "Task":
        """All classes of Banking77, or all but so many random ones."""
        train, test = (list(read_pairs(folder / name)) for name in ("train.csv", "test.csv"))
        names = sorted({label for _, label in train})
        out = set(random.Random(1).sample(names, unseen))
        known = tuple(name for name in names if name not in out)
        return cls(
            "softmax",
            known,
            [pair for pair in train if pair[1] not in out],
            [pair for pair in test if pair[1] not in out],
            [pair for pair in test if pair[1] in out],
        )

    @classmethod
    def of_nlupp(cls, folder: Path) -> "Task":
        """NLU++ banking, half of its folds as the test."""
        rows = [json.loads(line) for line in (folder / "data.jsonl").read_text(encoding="utf-8").splitlines()]
        labels = tuple(sorted({name for row in rows for name in row["intents"]}))
        pairs = [(row["fold"] >= FIRST_TEST_FOLD, (row["text"], target_of(row))) for row in rows]
        train, test = ([pair for is_test, pair in pairs if is_test == wanted] for wanted in (False, True))
        return cls("sigmoid", labels, train, test, [])

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
            for name, asked in (("validation", rows[:cut]), ("test", self.test), ("unseen", self.unseen)):
                answers = [found["control"] for found in predictor.predict([text for text, _ in asked]) if found]
                pairs = [(answer.target, target) for answer, (_, target) in zip(answers, asked, strict=True)]
                arrays[f"{name}_scores"] = np.array([answer.score for answer in answers])
                arrays[f"{name}_losses"] = np.array([answer != target for answer, target in pairs], dtype=np.bool_)
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

    def take(self, rows: np.ndarray) -> "Answers":
        """These rows."""
        return Answers(self.scores[rows], self.losses[rows])

    def above(self, threshold: float) -> np.ndarray:
        """The losses of the answers from a confidence on."""
        return self.losses[self.scores >= threshold]


Rule = Callable[[Answers, Answers, float], float | None]
"""The threshold that a rule chooses: from validation rows, rows to certify on and the limit. None: accept nothing."""


def certified(validation: Answers, blind: Answers, limit: float) -> float | None:
    """The threshold that is certified."""
    sequence = threshold_sequence(validation.scores, validation.losses, rows=len(blind), limit=limit, delta=DELTA)
    found = Certificate.of(blind.scores, blind.losses, sequence, limit=limit, delta=DELTA)
    return found.threshold if found else None


def plain_cut(_validation: Answers, _blind: Answers, limit: float) -> float | None:
    """The confidence that promises as much by itself."""
    return 1 - limit


def published(
    p_value_of: Callable[[np.ndarray, float], float], validation: Answers, blind: Answers, limit: float
) -> float | None:
    """The fixed sequence from the strictest threshold with rows enough for any to pass; the same ones as ours."""
    chosen = None
    for threshold in np.quantile(validation.scores, 1 - np.arange(1, GRID + 1) / GRID).tolist():
        accepted = blind.above(threshold)
        if p_value_of(np.zeros(len(accepted)), limit) > DELTA:
            continue
        if p_value_of(accepted, limit) > DELTA:
            break
        chosen = threshold
    return chosen


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
    print("| limit | rule | exceeded | covered: mean, median | nothing accepted |\n| --- | --- | --- | --- | --- |")
    for limit in LIMITS:
        for rule_name, rule in RULES.items():
            exceeded, covered = [], []
            for blind, stream in halves(test, count):
                threshold = rule(validation, blind, limit)
                accepted = stream.above(np.inf if threshold is None else threshold)
                exceeded.append(bool(len(accepted)) and accepted.mean() > limit)
                covered.append(len(accepted) / len(stream))
            nothing = np.mean(np.array(covered) == 0)
            shares = f"{np.mean(covered):.1%}, {np.median(covered):.1%}"
            print(f"| {limit:.0%} | {rule_name} | {np.mean(exceeded):.1%} | {shares} | {nothing:.1%} |", flush=True)
        plan = missing_rows(validation.scores, validation.losses, rows=len(test) // 2, limit=limit, delta=DELTA)
        print(f"| | forecast | | {'never' if plan is None else f'{plan[1]:.0%} with {plan[0]} more rows'} | |")


def watch(name: str, validation: Answers, test: Answers, unseen: Answers, runs: int) -> None:
    """Print after how many audited answers certificates lapse, and how often they do without a shift."""
    print(f"\n{name}: {UNSEEN_SHARE:.0%} of the texts from {UNSEEN_CLASSES} classes that the model has not seen")
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
    reached = np.flatnonzero(e_values(losses, limit) >= 1 / DELTA)
    return int(reached[0]) + 1 if len(reached) else None


def _share(answered: set[object], true: set[object]) -> float:
    return 1 - len(answered & true) / len(answered | true) if answered | true else 0.0


def main() -> None:
    """Train what is missing in the folder, then measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of Banking77's files")
    parser.add_argument("--nlupp", type=Path, required=True, help="folder of NLU++'s data.jsonl")
    parser.add_argument("--answers", type=Path, required=True, help="folder for the models' answers")
    parser.add_argument("--halves", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=200, help="streams with and without a shift")
    asked = parser.parse_args()
    tasks = {
        "banking77": partial(Task.of_banking77, asked.data),
        "banking77-57": partial(Task.of_banking77, asked.data, unseen=UNSEEN_CLASSES),
        "nlupp": partial(Task.of_nlupp, asked.nlupp),
    }
    answers: dict[str, dict[str, np.ndarray]] = {}
    for name, task in tasks.items():
        file = asked.answers / f"{name}.npz"
        if not file.exists():
            began_s = time.process_time()
            asked.answers.mkdir(parents=True, exist_ok=True)
            np.savez(file, **task().answer())
            print(f"{name}: trained and asked in {time.process_time() - began_s:.0f} processor seconds", flush=True)
        answers[name] = dict(np.load(file))

    def of(name: str, rows: str, losses: str = "losses") -> Answers:
        return Answers(answers[name][f"{rows}_scores"], answers[name][f"{rows}_{losses}"])

    compare_rules("Banking77", of("banking77", "validation"), of("banking77", "test"), asked.halves)
    compare_rules("NLU++, whole answers", of("nlupp", "validation"), of("nlupp", "test"), asked.halves)
    shares = of("nlupp", "validation", "shares"), of("nlupp", "test", "shares")
    compare_rules("NLU++, share of wrong labels", *shares, asked.halves)
    watch("Banking77", *(of("banking77-57", rows) for rows in ("validation", "test", "unseen")), asked.runs)


if __name__ == "__main__":
    main()

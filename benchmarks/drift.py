"""How soon the alarms about drift see a change, and how often they see one where there is none, on Banking77.

    python -m benchmarks.drift --data BANKING77 [--runs 500]

20 random classes are held out. A regression on frozen features learns 2,000 rows of the other 57; 250 rows are its
validation rows, by which the novelty of texts is scaled; of the rest, some are the test rows and the others come as
blind tasks, in random order. Without a change they raise false alarms, if any. Then a share of the texts comes from the
20 classes, or five classes come more often, or a share of the answers becomes wrong as labels get another meaning. In
some streams usual blind tasks come first, as those do that wait when a version begins to serve.

Beside the bets of the package, in the same run and on the same p-values: the Simple Jumper (Vovk et al. 2021), bound to
small p-values, and, as a warning, our bets on p-values that each rank a text among the test rows alone.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression

from benchmarks.support.texts import read_pairs
from ml_backend.measuring import drift
from ml_backend.measuring.drift import LEVEL, TESTS, Change, of_errors, of_labels, of_texts, p_values
from ml_backend.measuring.novelty import Novelty, gaps_between
from ml_backend.models.text.torch_encoder import TextEncoder

HELD_OUT, TRAIN, VALIDATION, USED = 20, 2000, 250, 5500
LENGTH, CALM_TEST_ROWS = 2000, 200
ENOUGH = TESTS / LEVEL
JUMPS = 0.01


@dataclass(frozen=True, eq=False)
class Texts:
    """What the version makes of texts: strangeness, answer, label and whether it is wrong; those of unseen classes."""

    strangeness: np.ndarray
    answers: np.ndarray
    labels: np.ndarray
    errors: np.ndarray
    known: np.ndarray
    unseen: np.ndarray


@dataclass(frozen=True, eq=False)
class Stream:
    """Test rows, and blind tasks in order."""

    strangeness: tuple[np.ndarray, np.ndarray]
    answers: tuple[np.ndarray, np.ndarray]
    errors: tuple[np.ndarray, np.ndarray]
    draws: np.ndarray


Test = Callable[[Stream], int | None]
"""Returns after how many blind tasks there is an alarm, less one."""


def read(data: Path) -> Texts:
    """Train, then look at all texts that are left."""
    draw = np.random.default_rng(1)
    train, test = (list(read_pairs(data / name)) for name in ("train.csv", "test.csv"))
    names = sorted({label for _, label in train})
    unseen = set(draw.choice(names, HELD_OUT, replace=False).tolist())
    seen = [pair for pair in train if pair[1] not in unseen]
    pairs = [*(seen[place] for place in draw.permutation(len(seen))[:USED]), *test]
    vectors, labels = TextEncoder.load().embed([text for text, _ in pairs]), np.array([label for _, label in pairs])
    learned, scaling = slice(0, TRAIN), slice(TRAIN, TRAIN + VALIDATION)
    model = LogisticRegression(C=30, max_iter=300).fit(vectors[learned], labels[learned])
    codes = np.unique(labels[learned], return_inverse=True)[1]
    told = np.concatenate([vectors, model.decision_function(vectors).max(axis=1, keepdims=True)], axis=1)
    rows = vectors[learned]
    fits = Novelty(rows, codes, gaps_between(rows), told[scaling]).p_values(told)
    is_unseen = np.isin(labels, sorted(unseen))
    left = np.arange(len(labels)) >= TRAIN + VALIDATION
    answers = model.predict(vectors)
    return Texts(
        -fits, answers, labels, answers != labels, np.flatnonzero(left & ~is_unseen), np.flatnonzero(is_unseen)
    )


def stream(
    texts: Texts,
    draw: np.random.Generator,
    tested: int,
    before: int,
    *,
    unseen: float = 0.0,
    times: float = 1.0,
    wrong: float = 0.0,
) -> Stream:
    """Draw test rows and blind tasks; of these, after the first ones, some are otherwise.

    Args:
        unseen: share of the texts that are of classes that the version has not seen.
        times: how many times as often texts of five classes come.
        wrong: share of the answers that have become wrong.
    """
    order = draw.permutation(texts.known)
    reference, pool = order[:tested], order[tested:]
    later = pool[:LENGTH] if before == 0 and times == 1 else np.concatenate([pool[:before], pool[before:][:LENGTH]])
    if times != 1:
        raised = np.isin(texts.labels[pool], draw.choice(np.unique(texts.labels[pool]), 5, replace=False))
        weights = np.where(raised, times, 1.0)
        later = np.concatenate([pool[:before], draw.choice(pool, LENGTH, p=weights / weights.sum())])
    later = later.copy()
    is_later = np.arange(len(later)) >= before
    from_unseen = is_later & (draw.random(len(later)) < unseen)
    later[from_unseen] = draw.choice(texts.unseen, int(from_unseen.sum()))
    errors = texts.errors[later] | (is_later & (draw.random(len(later)) < wrong))
    return Stream(
        (texts.strangeness[reference], texts.strangeness[later]),
        (texts.answers[reference], texts.answers[later]),
        (texts.errors[reference], errors),
        draw.random(len(later)),
    )


def jumper(seen: Stream) -> int | None:
    """The Simple Jumper between not betting and betting on small p-values."""
    epsilons = np.array([0.0, -1.0])
    shares = np.full(2, 0.5)
    for place, p in enumerate(p_values(*seen.strangeness, seen.draws).tolist()):
        shares = (1 - JUMPS) * shares + JUMPS * shares.sum() / 2
        shares = shares * (1 + epsilons * (p - 0.5))
        if shares.sum() >= ENOUGH:
            return place
    return None


def against_test_rows(seen: Stream) -> int | None:
    """Our bets on p-values that depend on each other, since all rank texts among the same test rows."""
    reference, later = seen.strangeness
    ordered = np.sort(reference)
    higher = len(reference) - np.searchsorted(ordered, later, side="right")
    equal = len(reference) - np.searchsorted(ordered, later) - higher
    p = (higher + seen.draws * (equal + 1)) / (len(reference) + 1)
    powers = drift.POWERS[:, None] * p ** (drift.POWERS[:, None] - 1)
    gains = np.concatenate([np.log1p(share * (powers - 1)) for share in drift.SHARES])
    reached = np.flatnonzero(drift.capital(gains, restarts=drift.RESTARTS) >= ENOUGH)
    return int(reached[0]) if len(reached) else None


def ours(of: Callable[[Stream], Change | None]) -> Test:
    """A test of the package."""
    return lambda seen: change.alarm if (change := of(seen)) else None


TESTS_OF_TEXTS: dict[str, Test] = {
    "texts": ours(lambda seen: of_texts(*seen.strangeness, seen.draws)),
    "Simple Jumper": jumper,
}
LABELS = {"labels": ours(lambda seen: of_labels(*(each.tolist() for each in seen.answers), seen.draws))}
ERRORS = {"errors": ours(lambda seen: of_errors(*seen.errors))}
CHANGES: list[tuple[str, dict[str, float], dict[str, Test]]] = [
    *(
        (f"{share:.0%} of texts from unseen classes", {"unseen": share}, TESTS_OF_TEXTS | ERRORS)
        for share in (0.05, 0.1, 0.2)
    ),
    *((f"5 classes {times} times as often", {"times": times}, LABELS) for times in (3, 10)),
    *((f"{share:.0%} of answers become wrong", {"wrong": share}, ERRORS) for share in (0.1, 0.2)),
]


def main() -> None:
    """Count false alarms, then measure delays."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of Banking77's files")
    parser.add_argument("--runs", type=int, default=500, help="streams without a change")
    parser.add_argument("--changed", type=int, default=60, help="streams per change")
    asked = parser.parse_args()
    texts, draw = read(asked.data), np.random.default_rng(2)
    print(f"errors: {texts.errors[texts.known].mean():.1%} of texts of known classes")
    calm = TESTS_OF_TEXTS | LABELS | ERRORS | {"texts, ranked among the test rows alone": against_test_rows}
    alarms = dict.fromkeys(calm, 0)
    for _ in range(asked.runs):
        seen = stream(texts, draw, CALM_TEST_ROWS, 0)
        for name, test in calm.items():
            alarms[name] += test(seen) is not None
    print(f"\n| no change, {LENGTH} blind tasks | false alarms in {asked.runs} streams |\n| --- | --- |")
    for name, count in alarms.items():
        print(f"| {name} | {count} ({count / asked.runs:.1%}) |")
    places = [(100, 0), (200, 0), (400, 0), (200, 600)]
    heads = [f"{tested} test rows" + (f", {before} before" if before else "") for tested, before in places]
    print(f"\n| change | alarm | {' | '.join(heads)} |\n{'| --- ' * (len(heads) + 2)}|")
    for change, how, tests in CHANGES:
        rows: dict[str, list[str]] = {name: [] for name in tests}
        for tested, before in places:
            streams = [stream(texts, draw, tested, before, **how) for _ in range(asked.changed)]
            for name, test in tests.items():
                found = [place + 1 - before for each in streams if (place := test(each)) is not None]
                delays = sorted([each for each in found if each > 0])
                missed = asked.changed - len(delays)
                median = [*delays, *[None] * missed][asked.changed // 2]
                rows[name].append(f"{median if median is not None else '–'} ({len(delays) / asked.changed:.0%})")
        for name, cells in rows.items():
            print(f"| {change} | {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()

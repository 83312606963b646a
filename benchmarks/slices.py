"""How often the gate finds a slice on which a challenger is worse, and how often it blames one where none is.

    python -m benchmarks.slices [--runs 500] [--seed 1]

Test sets are simulated. The planted slice holds 2% of the rows; some 45 others lie across it, as many as a project with
20 classes of uneven sizes, a field of six values, four annotators, three imports, fifths by length and ten clusters
has. Champion and challenger disagree on 4% or 10% of the rows, one of them being right. On the planted slice the
challenger is 10 points worse, either on average (so that the test rows may show less or more) or on just these test
rows, where that many are lost beside the other disagreement; elsewhere it gains a point. Without a plant both are
equally good everywhere.

Vetoes are comparisons with what the same tests say uncorrected, and after Holm's correction over all slices.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from ml_backend.arrays import Bools, Floats
from ml_backend.domain.model import SliceComparison
from ml_backend.measuring.slices import compare_slices

PLANT = "planted"
SHARE = 0.02
LOSS = 0.1
GAIN = 0.01
ERROR = 0.05
CHAMPION_IS_RIGHT = 0.88
OTHERS: Mapping[str, Sequence[float]] = {
    "class": [1 / rank for rank in range(1, 21)],
    "field channel": [5, 3, 2, 1, 0.5, 0.2],
    "length": [1] * 5,
    "annotator": [4, 3, 2, 1],
    "import batch": [3, 2, 1],
    "cluster": [3, 2.5, 2, 2, 1.5, 1.5, 1, 1, 0.7, 0.5],
}
PLANTS = {"on average": False, "on just these rows": True}


def main() -> None:
    """Simulate, and print a table of found plants and one of test sets without any."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    cells = [(rows, disagreement) for rows in (30, 60, 100, 200) for disagreement in (0.04, 0.1)]
    print("| rows of the slice | disagreement | 10 points worse | vetoed | or warned | uncorrected | Holm over all |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for rows, disagreement in cells:
        for plant, is_exact in PLANTS.items():
            findings = [
                _ways_to_find(comparisons)
                for comparisons in _runs(asked.runs, asked.seed, rows, disagreement, has_plant=True, is_exact=is_exact)
            ]
            shares = " | ".join(f"{share:.1%}" for share in np.mean(findings, axis=0))
            print(f"| {rows} | {disagreement:.0%} | {plant} | {shares} |", flush=True)
    print("\n| test rows | disagreement | slices | vetoed | warned | warnings per gate | uncorrected | Holm over all |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for rows, disagreement in cells:
        alarms = [
            _false_alarms(comparisons)
            for comparisons in _runs(asked.runs, asked.seed, rows, disagreement, has_plant=False)
        ]
        slices, vetoed, warned, warnings, uncorrected, holm = np.mean(alarms, axis=0)
        print(
            f"| {round(rows / SHARE):,} | {disagreement:.0%} | {slices:.0f} | {vetoed:.1%} | {warned:.1%} "
            f"| {warnings:.1f} | {uncorrected:.1%} | {holm:.1%} |",
            flush=True,
        )


def _runs(
    count: int, seed: int, rows: int, disagreement: float, *, has_plant: bool, is_exact: bool = False
) -> Iterator[Sequence[SliceComparison]]:
    rng = np.random.default_rng((seed, rows, round(100 * disagreement), has_plant, is_exact))
    for _ in range(count):
        masks = dict(_slices(round(rows / SHARE), rng))
        is_planted = np.arange(round(rows / SHARE)) < rows  # the other slices lie across in any case
        outcomes = _outcomes(len(is_planted), disagreement, GAIN if has_plant else 0.0, rng)
        if has_plant:
            outcomes[is_planted] = (
                _exact(rows, disagreement, rng) if is_exact else _outcomes(rows, disagreement + LOSS, -LOSS, rng)
            )
        yield compare_slices({"": _scores(outcomes, rng)}, {"": {**masks, PLANT: is_planted}})


def _slices(rows: int, rng: np.random.Generator) -> Iterator[tuple[str, Bools]]:
    for kind, weights in OTHERS.items():
        values = rng.choice(len(weights), size=rows, p=np.array(weights) / sum(weights))
        for value in range(len(weights)):
            yield f"{kind}: {value}", values == value


def _outcomes(rows: int, disagreement: float, gain: float, rng: np.random.Generator) -> Floats:
    """Draw the gain of the challenger on each row: 1, 0 or -1, as frequent as disagreement and gain say."""
    wins = (disagreement + gain) / 2
    return np.asarray(rng.choice([1.0, -1.0, 0.0], size=rows, p=[wins, disagreement - wins, 1 - disagreement]))


def _exact(rows: int, disagreement: float, rng: np.random.Generator) -> Floats:
    """As many rows lost as `LOSS` says, at random places, and the other disagreement on all others."""
    outcomes = _outcomes(rows, disagreement, 0.0, rng)
    outcomes[rng.permutation(rows)[: round(LOSS * rows)]] = -1
    return outcomes


def _scores(outcomes: Floats, rng: np.random.Generator) -> Floats:
    champion = np.where(outcomes == 0, rng.random(len(outcomes)) < CHAMPION_IS_RIGHT, outcomes < 0).astype(float)
    return np.stack([champion, champion + outcomes])


def _ways_to_find(comparisons: Sequence[SliceComparison]) -> list[bool]:
    """Whether the plant is vetoed, vetoed or warned of, and found by the other two ways."""
    plant = next(each for each in comparisons if each.champion.name == PLANT)
    return [plant.is_worse, plant.is_worse or plant.may_be_worse, plant.p <= ERROR, plant in _holm(comparisons)]


def _false_alarms(comparisons: Sequence[SliceComparison]) -> list[float]:
    """Slices; whether one is vetoed or warned of; warnings; whether the other ways veto one."""
    warnings = sum(each.may_be_worse and not each.is_worse for each in comparisons)
    vetoed = any(each.is_worse for each in comparisons)
    uncorrected = any(each.p <= ERROR for each in comparisons)
    return [len(comparisons), vetoed, warnings > 0, warnings, uncorrected, bool(_holm(comparisons))]


def _holm(comparisons: Sequence[SliceComparison]) -> Sequence[SliceComparison]:
    """The slices that Holm's correction over all of them rejects; they come in the order of their p."""
    passes = [each.p <= ERROR / (len(comparisons) - place) for place, each in enumerate(comparisons)]
    return comparisons[: passes.index(False)] if False in passes else comparisons


if __name__ == "__main__":
    main()

"""The gate: does the challenger beat the champion on the held-out test rows?

Both versions answer the same rows. Rows are resampled, paired (a resampled row brings both versions' answers along) and
within strata where the measure has some, and the difference of the metric is taken on every resample; with several
controls that of the mean over them. The challenger is promoted when the lower end of the one-sided 95% interval of
that difference is above 0, unless it is surely worse on a slice of the rows, see `slices`.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ..arrays import Floats, Ints
from ..domain.model import GateDecision, SliceComparison
from ..domain.readable import listed
from ..errors import TrainingError
from .measures.base import PairedStatistics
from .slices import mcnemar_p

__all__ = ["bootstrap_differences", "decide"]

_CONFIDENCE = 0.95
RESAMPLES = 5000
RESAMPLES_AT_ONCE = 500
LEAST_ROWS = 100
"""Under this many test rows the point estimate decides, and the decision is marked provisional."""
NAMED_SLICES = 3
REPEATED_GATES = 3
"""From this gate on a test set, the decision warns that the set has been used before."""


def decide(
    pairs: Mapping[str, PairedStatistics],
    *,
    champion: str,
    challenger: str,
    seed: int = 1,
    resamples: int = RESAMPLES,
    confidence: float = _CONFIDENCE,
    earlier_gates: int = 0,
    unknown_origin_rows: int = 0,
    slices: Sequence[SliceComparison] = (),
) -> GateDecision:
    """Whether the challenger may serve.

    Args:
        pairs: both versions on the test rows, the same rows in the same order, per control name; at least one.
        champion: its version; `challenger` is that of the other one.
        earlier_gates: how often this test set has decided before.
        unknown_origin_rows: test rows whose labels were not seen being made (`selected_by: unknown`).
        slices: both versions on slices of the test rows; one on which the challenger is surely worse keeps it out.

    Raises:
        TrainingError: the pairs are about different numbers of rows.
    """
    counts = {name: pair.statistics.shape[1] for name, pair in pairs.items()}
    if len(set(counts.values())) != 1:
        raise TrainingError(f"contests about different numbers of test rows found ({counts}); wanted the same rows")
    rows = next(iter(counts.values()))
    first, second = np.mean([pair.scores for pair in pairs.values()], axis=0).tolist()
    difference, lower = second - first, None
    if rows >= LEAST_ROWS:
        differences = bootstrap_differences(list(pairs.values()), seed=seed, resamples=resamples)
        # One-sided: the question is whether the challenger is better, not whether the two differ.
        lower = float(np.quantile(differences, 1 - confidence))
    is_better = (difference if lower is None else lower) > 0
    decision = GateDecision(
        promote=is_better and not any(each.is_worse for each in slices),
        is_provisional=rows < LEAST_ROWS,
        reason="",
        rows=rows,
        champion=champion,
        challenger=challenger,
        champion_score=first,
        challenger_score=second,
        difference=difference,
        lower_bound=lower,
        confidence=confidence,
        earlier_gates=earlier_gates,
        warnings=(*_warnings(pairs, rows, earlier_gates, unknown_origin_rows), *_slice_warnings(slices, challenger)),
        metric=_metric(pairs),
        slices=tuple(slices),
        # Of several controls a row is right where all of its answers are.
        mcnemar_p=mcnemar_p(np.fmin.reduce([pair.row_scores for pair in pairs.values()])),
    )
    return replace(decision, reason=_veto(decision) if is_better and decision.vetoes else _reason(decision, pairs))


def bootstrap_differences(pairs: Sequence[PairedStatistics], *, seed: int, resamples: int = RESAMPLES) -> Floats:
    """Score of the challenger minus that of the champion, per resample, shape (resamples,).

    Rows of a stratum with the same statistics are interchangeable, so counts of such cells are drawn (multinomially,
    per stratum) instead of rows.
    """
    # Side by side, since a resampled row brings the statistics of all controls and both versions along.
    rows = np.concatenate([of_version for pair in pairs for of_version in pair.statistics], axis=1)
    strata = pairs[0].strata if len(pairs) == 1 else None
    cells = _cells(rows, np.zeros(len(rows), dtype=np.int64) if strata is None else strata)
    rng = np.random.default_rng(seed)
    differences = []
    for start in range(0, resamples, RESAMPLES_AT_ONCE):
        drawn = min(RESAMPLES_AT_ONCE, resamples - start)
        sums = np.zeros((drawn, rows.shape[1]))
        for values, sizes in cells:
            sums += rng.multinomial(int(sizes.sum()), sizes / sizes.sum(), size=drawn) @ values
        differences.append(_difference(pairs, sums))
    return np.concatenate(differences)


def _cells(rows: Floats, strata: Ints) -> list[tuple[Floats, Ints]]:
    """Per stratum, in order, the different lines of statistics and how many rows have each."""
    cells = []
    for stratum in np.unique(strata):
        members = np.flatnonzero(strata == stratum)
        firsts: dict[bytes, int] = {}
        counts: Counter[bytes] = Counter()
        for row in members.tolist():
            key = rows[row].tobytes()
            firsts.setdefault(key, row)
            counts[key] += 1
        keys = sorted(counts)  # the same draws in whatever order the rows come
        values = rows[[firsts[key] for key in keys]]
        cells.append((values, np.array([counts[key] for key in keys], dtype=np.int64)))
    return cells


def _difference(pairs: Sequence[PairedStatistics], sums: Floats) -> Floats:
    differences, start = [], 0
    for pair in pairs:
        width = pair.statistics.shape[2]
        champion, challenger = (sums[:, start + i * width : start + (i + 1) * width] for i in (0, 1))
        differences.append(pair.value(challenger) - pair.value(champion))
        start += 2 * width
    return np.asarray(np.mean(differences, axis=0), dtype=np.float64)


def _metric(pairs: Mapping[str, PairedStatistics]) -> str:
    if len(pairs) == 1:
        return next(iter(pairs.values())).metric
    return "mean of " + ", ".join(f"{pair.metric} of {name}" for name, pair in pairs.items())


def _reason(decision: GateDecision, pairs: Mapping[str, PairedStatistics]) -> str:
    challenger, champion = decision.challenger, decision.champion
    if decision.rows == 0:
        return f"no test rows, so {challenger} cannot be compared with {champion}, which stays"
    scores = (
        f"{challenger} has {decision.metric} {decision.challenger_score:.3f}, {champion} "
        f"{decision.champion_score:.3f} on {_count(decision.rows, 'test row')}"
    )
    if len(pairs) > 1:
        each = ", ".join(f"{name} {pair.scores[1]:.3f} against {pair.scores[0]:.3f}" for name, pair in pairs.items())
        scores += f" ({each})"
    difference = f"the difference of {decision.difference:+.3f}"
    outcome = f"{challenger} is promoted" if decision.promote else f"{champion} stays"
    if decision.lower_bound is None:
        return f"{scores}; under {LEAST_ROWS} rows {difference} decides provisionally: {outcome}"
    bound = f"{decision.lower_bound:+.3f} with {decision.confidence:.0%} confidence"
    return f"{scores}; {difference} is at least {bound}: {outcome}"


def _veto(decision: GateDecision) -> str:
    """The reason of a veto: overall the challenger is better."""
    worse = [f"{-100 * each.difference:.3g} on {_named(each)}" for each in decision.vetoes]
    return (
        f"kept {decision.champion}: {decision.challenger} gains {100 * decision.difference:.1f} points of "
        f"{decision.metric} overall but loses {listed(worse, NAMED_SLICES)}"
    )


def _slice_warnings(slices: Sequence[SliceComparison], challenger: str) -> list[str]:
    sure = [f"{_named(each)}: {100 * each.difference:+.3g} points" for each in slices if each.is_worse]
    unsure = [
        f"{_named(each)}: {100 * each.difference:+.3g} points, by luck in {each.p:.0%} of cases"
        for each in slices
        if each.may_be_worse and not each.is_worse
    ]
    return [
        *([f"{challenger} is surely worse on {listed(sure, NAMED_SLICES)}"] if sure else []),
        *([f"{challenger} may be worse on {listed(unsure, NAMED_SLICES)}"] if unsure else []),
    ]


def _named(compared: SliceComparison) -> str:
    return f"`{compared.champion.name}` ({_count(compared.champion.rows, 'test row')})"


def _warnings(
    pairs: Mapping[str, PairedStatistics], rows: int, earlier_gates: int, unknown_origin_rows: int
) -> list[str]:
    warnings = [warning for pair in pairs.values() for warning in pair.thin]
    if earlier_gates + 1 >= REPEATED_GATES:
        warnings.append(
            f"this test set has decided {_count(earlier_gates, 'gate')} before; each further one raises the chance "
            "that a version passes by luck, so let the test set grow"
        )
    if unknown_origin_rows:
        warnings.append(
            f"the labels of {unknown_origin_rows} of {_count(rows, 'test row')} were not seen being made "
            "(imported, for one), so annotators may have seen a model's answer"
        )
    return warnings


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"

"""The gate: does the challenger beat the champion on the held-out test rows?

Both versions answer the same rows. Rows are resampled, paired (a resampled row brings both versions' answers along) and
within strata where the measure has some, and the difference of the metric is taken on every resample; with several
controls that of the mean over them. The challenger is promoted when the lower end of a one-sided interval of that
difference is above 0. The confidence of the interval is what the project's `ErrorBudget` leaves to this gate.

A project may ask for less: that a new version is no worse. Then the lower end must be above minus a margin.

Whatever the interval says, a version that is surely worse on a slice of the rows is kept out, see `slices`.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ..arrays import Floats, Ints
from ..domain.model import GateDecision, SliceComparison
from ..domain.readable import listed
from ..errors import TrainingError
from .error_budget import ErrorBudget, GateEvidence
from .measures.base import PairedStatistics
from .slices import mcnemar_p

__all__ = ["bootstrap_differences", "decide", "difference_interval"]

RESAMPLES = 5000
RESAMPLES_AT_ONCE = 500
RESAMPLES_BELOW = 50
"""At least this many resamples lie below the lower end of an interval that decides, so that luck does not."""
MOST_RESAMPLES = 50_000
LEAST_ROWS = 100
"""Under this many test rows the point estimate decides, and the decision is marked provisional."""
NAMED_SLICES = 3


def decide(
    pairs: Mapping[str, PairedStatistics],
    *,
    champion: str,
    challenger: str,
    keys: Sequence[int],
    budget: ErrorBudget,
    margin: float = 0.0,
    seed: int = 1,
    earlier_gates: int = 0,
    unknown_origin_rows: int = 0,
    slices: Sequence[SliceComparison] = (),
    rows_are: str = "test row",
) -> tuple[GateDecision, GateEvidence | None]:
    """Return whether the challenger may serve, and the evidence that the project's next gates need.

    Args:
        pairs: both versions on the test rows, the same rows in the same order, per control name; at least one.
        champion: its version; `challenger` is that of the other one.
        keys: a number per row that stays that of its text, from 0 to 2^64 - 1.
        budget: what the gates of the project before this one have spent.
        margin: how much worse the challenger may be; 0: it must be better.
        earlier_gates: how often this test set has decided before.
        unknown_origin_rows: test rows whose labels were not seen being made (`selected_by: unknown`).
        slices: both versions on slices of the test rows; one on which the challenger is surely worse keeps it out.
        rows_are: what sentences call a row.

    Returns:
        The evidence is None where nothing is spent: where the challenger is promoted, where the rows are too few for
        an interval, where both versions do equally well on every row, or where the gate repeats another.

    Raises:
        TrainingError: the pairs are about different numbers of rows.
    """
    counts = {name: pair.statistics.shape[1] for name, pair in pairs.items()}
    if len(set(counts.values())) != 1:
        raise TrainingError(f"contests about different numbers of test rows found ({counts}); wanted the same rows")
    rows = next(iter(counts.values()))
    first, second = np.mean([pair.scores for pair in pairs.values()], axis=0).tolist()
    difference, lower, confidence, evidence = second - first, None, None, None
    if rows >= LEAST_ROWS:
        evidence = budget.charge(GateEvidence.of(keys, _influences(list(pairs.values()))))
        confidence = evidence.confidence
        lower = _lower_end(list(pairs.values()), 1 - confidence, -margin, seed)
    is_better = (difference if lower is None else lower) > -margin
    promote = is_better and not any(each.is_worse for each in slices)
    spends = evidence is not None and not promote and budget.is_charged(evidence)
    decision = GateDecision(
        promote=promote,
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
        margin=margin,
        error_spent=budget.spent + (budget.next_share if spends else 0.0),
        earlier_gates=earlier_gates,
        warnings=(*_warnings(pairs, rows, unknown_origin_rows), *_slice_warnings(slices, challenger)),
        metric=_metric(pairs),
        slices=tuple(slices),
        # Of several controls a row is right where all of its answers are.
        mcnemar_p=mcnemar_p(np.fmin.reduce([pair.row_scores for pair in pairs.values()])),
    )
    reason = _veto(decision) if is_better and not promote else _reason(decision, pairs, rows_are)
    return replace(decision, reason=reason), evidence if spends else None


def difference_interval(pairs: Mapping[str, PairedStatistics], *, seed: int) -> tuple[float, float]:
    """Return the two-sided 95% interval of the difference, challenger less champion, by the bootstrap.

    It is for people to read; the gate decides by a one-sided interval, whose confidence its budget of error gives.
    """
    low, high = np.quantile(bootstrap_differences(list(pairs.values()), seed=seed), (0.025, 0.975)).tolist()
    return low, high


def _lower_end(pairs: Sequence[PairedStatistics], error: float, wanted: float, seed: int) -> float:
    """Lower end of the one-sided interval of the difference: whether the challenger is better, not whether they differ.

    More resamples are drawn where the first leave it open whether it lies above what is wanted.
    """
    differences = bootstrap_differences(pairs, seed=seed)
    is_open = np.mean(differences <= wanted) < error + 4 * np.sqrt(error / RESAMPLES)
    if is_open and error * RESAMPLES < RESAMPLES_BELOW:
        resamples = min(int(RESAMPLES_BELOW / error), MOST_RESAMPLES)
        differences = bootstrap_differences(pairs, seed=seed, resamples=resamples)
    return float(np.quantile(differences, error))


def bootstrap_differences(pairs: Sequence[PairedStatistics], *, seed: int, resamples: int = RESAMPLES) -> Floats:
    """Score of the challenger minus that of the champion, per resample, shape (resamples,).

    Rows of a stratum with the same statistics are interchangeable, so counts of such cells are drawn (multinomially,
    per stratum) instead of rows.
    """
    rows, strata = _side_by_side(pairs)
    cells = _cells(rows, strata)
    rng = np.random.default_rng(seed)
    differences = []
    for start in range(0, resamples, RESAMPLES_AT_ONCE):
        drawn = min(RESAMPLES_AT_ONCE, resamples - start)
        sums = np.zeros((drawn, rows.shape[1]))
        for values, sizes in cells:
            sums += rng.multinomial(int(sizes.sum()), sizes / sizes.sum(), size=drawn) @ values
        differences.append(_difference(pairs, sums))
    return np.concatenate(differences)


def _influences(pairs: Sequence[PairedStatistics]) -> Floats:
    """How far each row moves the difference, shape (N,): what the difference loses without the row (the jackknife).

    Source: Efron (1982), The Jackknife, the Bootstrap and Other Resampling Plans.
    """
    rows, strata = _side_by_side(pairs)
    total = rows.sum(axis=0)
    # In parts: a line holds the statistics of all labels.
    parts = np.array_split(rows, max(1, len(rows) // RESAMPLES_AT_ONCE))
    influences: Floats = _difference(pairs, total[None]) - np.concatenate(
        [_difference(pairs, total - part) for part in parts]
    )
    for stratum in np.unique(strata):
        influences[strata == stratum] -= influences[strata == stratum].mean()
    return influences


def _side_by_side(pairs: Sequence[PairedStatistics]) -> tuple[Floats, Ints]:
    """Statistics of all controls and both versions per row, shape (N, ...), and the number of its stratum.

    They stand side by side, since a resampled row brings all of them along.
    """
    rows = np.concatenate([of_version for pair in pairs for of_version in pair.statistics], axis=1)
    strata = pairs[0].strata if len(pairs) == 1 else None
    return rows, np.zeros(len(rows), dtype=np.int64) if strata is None else strata


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


def _reason(decision: GateDecision, pairs: Mapping[str, PairedStatistics], rows_are: str) -> str:
    challenger, champion = decision.challenger, decision.champion
    if decision.rows == 0:
        return f"no test rows, so {challenger} cannot be compared with {champion}, which stays"
    scores = (
        f"{challenger} has {decision.metric} {decision.challenger_score:.3f}, {champion} "
        f"{decision.champion_score:.3f} on {_count(decision.rows, rows_are)}"
    )
    if len(pairs) > 1:
        each = ", ".join(f"{name} {pair.scores[1]:.3f} against {pair.scores[0]:.3f}" for name, pair in pairs.items())
        scores += f" ({each})"
    difference = f"the difference of {decision.difference:+.3f}"
    outcome = f"{challenger} is promoted" if decision.promote else f"{champion} stays"
    if decision.margin:
        outcome = f"{outcome} (it may be worse by less than {decision.margin:.3f})"
    if decision.lower_bound is None or decision.confidence is None:
        return f"{scores}; under {LEAST_ROWS} rows {difference} decides provisionally: {outcome}"
    bound = f"{decision.lower_bound:+.3f} with {decision.confidence:.1%} confidence"
    return f"{scores}; {difference} is at least {bound}: {outcome}"


def _veto(decision: GateDecision) -> str:
    """The reason where only slices keep the challenger out."""
    lost = [f"{-100 * each.difference:.1f} on {_slice_name(each)}" for each in decision.vetoes]
    gain = f"gains {100 * decision.difference:.1f} points of {decision.metric}"
    overall = gain if decision.difference > 0 else "is not worse than it may be"
    return f"kept {decision.champion}: {decision.challenger} {overall} overall but loses {listed(lost, NAMED_SLICES)}"


def _slice_warnings(slices: Sequence[SliceComparison], challenger: str) -> list[str]:
    surely = [f"{_slice_name(each)}: {100 * each.difference:+.1f} points" for each in slices if each.is_worse]
    perhaps = [
        f"{_slice_name(each)}: {100 * each.difference:+.1f} points, p {each.p:.2f}"
        for each in slices
        if each.may_be_worse and not each.is_worse
    ]
    sentences = {"is surely worse": surely, "may be worse": perhaps}
    return [f"{challenger} {words} on {listed(each, NAMED_SLICES)}" for words, each in sentences.items() if each]


def _slice_name(comparison: SliceComparison) -> str:
    return f"`{comparison.champion.name}` ({_count(comparison.champion.rows, 'test row')})"


def _warnings(pairs: Mapping[str, PairedStatistics], rows: int, unknown_origin_rows: int) -> list[str]:
    warnings = [warning for pair in pairs.values() for warning in pair.thin]
    if unknown_origin_rows:
        warnings.append(
            f"the labels of {unknown_origin_rows} of {_count(rows, 'test row')} were not seen being made "
            "(imported, for one), so annotators may have seen a model's answer"
        )
    return warnings


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"

"""The gate: does the challenger beat the champion on the held-out test rows?

Both models answer the same rows. Rows are resampled within their true class (paired: a resampled row brings both
models' answers along), and the macro-F1 difference is taken on every resample. The challenger is promoted when the
lower end of the one-sided 95% interval of that difference is above 0.

The classes that macro-F1 averages over are those among the true labels, for both models and in every resample; a
prediction outside them is a miss of its true class and adds no class. Otherwise a resample, or a model, could change
what is averaged, and differences would compare unlike things.

Resampling within a class cannot show any spread where the class has one row, and too little where it has a few. Classes
under `THIN_CLASS_ROWS` rows are therefore resampled together, as one stratum; one that is missing from a resample is
left out of that resample's average, for both models alike.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ..domain.model import GateDecision
from ..errors import TrainingError
from .evaluate import classification_metrics

__all__ = ["CONFIDENCE", "LEAST_ROWS", "REPEATED_GATES", "THIN_CLASS_ROWS", "bootstrap_differences", "decide"]

CONFIDENCE = 0.95
RESAMPLES = 5000
LEAST_ROWS = 100
"""Under this many test rows the point estimate decides, and the decision is marked provisional."""
THIN_CLASS_ROWS = 10
REPEATED_GATES = 3
"""From this gate on a test set, the decision warns that the set has been used before."""

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def decide(
    true: Sequence[str],
    champion_answers: Sequence[str | None],
    challenger_answers: Sequence[str | None],
    *,
    champion: str,
    challenger: str,
    seed: int = 1,
    resamples: int = RESAMPLES,
    confidence: float = CONFIDENCE,
    earlier_gates: int = 0,
    unknown_origin_rows: int = 0,
    warnings: Sequence[str] = (),
) -> GateDecision:
    """Whether the challenger may serve.

    Args:
        true: class per test row.
        champion_answers: class per test row, None where the model gave no answer; `challenger_answers` likewise.
        champion: its version, `challenger` likewise.
        earlier_gates: how often this test set has decided before.
        unknown_origin_rows: test rows whose labels were not seen being made (`selected_by: unknown`).
        warnings: sentences to pass on.

    Raises:
        TrainingError: the three differ in length.
    """
    if not len(true) == len(champion_answers) == len(challenger_answers):
        raise TrainingError(
            f"{len(true)} test rows, {len(champion_answers)} answers of {champion} and {len(challenger_answers)} of "
            f"{challenger} found; wanted one answer of each per row"
        )
    first = macro_f1_over_true(true, champion_answers)
    second = macro_f1_over_true(true, challenger_answers)
    difference, lower = second - first, None
    if len(true) >= LEAST_ROWS:
        differences = bootstrap_differences(true, champion_answers, challenger_answers, seed=seed, resamples=resamples)
        lower = float(np.quantile(differences, 1 - confidence))
    promote = (difference if lower is None else lower) > 0
    decision = GateDecision(
        promote=promote,
        is_provisional=len(true) < LEAST_ROWS,
        reason="",
        rows=len(true),
        champion=champion,
        challenger=challenger,
        champion_macro_f1=first,
        challenger_macro_f1=second,
        difference=difference,
        lower_bound=lower,
        confidence=confidence,
        earlier_gates=earlier_gates,
        warnings=(*warnings, *_warnings(true, earlier_gates, unknown_origin_rows)),
    )
    return replace(decision, reason=_reason(decision))


def macro_f1_over_true(true: Sequence[str], predicted: Sequence[str | None]) -> float:
    """Mean F1 of the classes among the true labels; 0 without rows."""
    classes = set(true)
    scores = [entry.f1 for entry in classification_metrics(true, predicted).per_class if entry.label in classes]
    return float(np.mean(scores)) if scores else 0.0


def bootstrap_differences(
    true: Sequence[str],
    champion_answers: Sequence[str | None],
    challenger_answers: Sequence[str | None],
    *,
    seed: int,
    resamples: int = RESAMPLES,
) -> Floats:
    """Macro-F1 of the challenger minus that of the champion, per resample, shape (resamples,).

    Rows that agree in true class and in both answers are interchangeable, so counts of such cells are drawn
    (multinomially, per stratum) instead of rows.
    """
    cells = Counter(zip(true, champion_answers, challenger_answers, strict=True))
    index = {label: k for k, label in enumerate(sorted(set(true)))}
    rng = np.random.default_rng(seed)
    support = np.zeros((resamples, len(index)))
    # Hits, and predictions of the class, for the champion and the challenger.
    hits = np.zeros((2, resamples, len(index)))
    named = np.zeros((2, resamples, len(index)))
    for stratum in _strata(cells):
        sizes = np.array([cells[cell] for cell in stratum], dtype=np.int64)
        drawn = rng.multinomial(int(sizes.sum()), sizes / sizes.sum(), size=resamples)
        for (given, *answers), counts in zip(stratum, drawn.T, strict=True):
            support[:, index[given]] += counts
            for model, answer in enumerate(answers):
                if answer in index:
                    named[model][:, index[answer]] += counts
                if answer == given:
                    hits[model][:, index[given]] += counts
    is_present = support > 0
    present = is_present.sum(axis=1)
    champion_f1, challenger_f1 = (
        np.where(is_present, 2 * hits[model] / np.maximum(support + named[model], 1), 0.0).sum(axis=1) / present
        for model in (0, 1)
    )
    return np.asarray(challenger_f1 - champion_f1, dtype=np.float64)


def _strata(cells: Counter[tuple[str, str | None, str | None]]) -> list[list[tuple[str, str | None, str | None]]]:
    """Cells by true class, in a fixed order; those of thin classes together, last."""
    rows_per_class: Counter[str] = Counter()
    for cell, count in cells.items():
        rows_per_class[cell[0]] += count
    strata: dict[tuple[bool, str], list[tuple[str, str | None, str | None]]] = {}
    for cell in sorted(cells, key=lambda cell: tuple(part or "" for part in cell)):
        is_thin = rows_per_class[cell[0]] < THIN_CLASS_ROWS
        strata.setdefault((is_thin, "" if is_thin else cell[0]), []).append(cell)
    return [strata[key] for key in sorted(strata)]


def _reason(decision: GateDecision) -> str:
    challenger, champion = decision.challenger, decision.champion
    if decision.rows == 0:
        return f"no test rows, so {challenger} cannot be compared with {champion}, which stays"
    scores = (
        f"{challenger} has macro-F1 {decision.challenger_macro_f1:.3f}, {champion} {decision.champion_macro_f1:.3f} "
        f"on {_count(decision.rows, 'test row')}"
    )
    difference = f"the difference of {decision.difference:+.3f}"
    outcome = f"{challenger} is promoted" if decision.promote else f"{champion} stays"
    if decision.lower_bound is None:
        return f"{scores}; under {LEAST_ROWS} rows {difference} decides provisionally: {outcome}"
    bound = f"{decision.lower_bound:+.3f} with {decision.confidence:.0%} confidence"
    return f"{scores}; {difference} is at least {bound}: {outcome}"


def _warnings(true: Sequence[str], earlier_gates: int, unknown_origin_rows: int) -> list[str]:
    warnings = []
    thin = {label: count for label, count in sorted(Counter(true).items()) if count < THIN_CLASS_ROWS}
    if thin:
        shown = ", ".join(f"{label} {count}" for label, count in list(thin.items())[:5])
        more = f" and {len(thin) - 5} more" if len(thin) > 5 else ""
        warnings.append(
            f"{_count(len(thin), 'class', 'classes')} with under {THIN_CLASS_ROWS} test rows ({shown}{more}): "
            "their F1 is uncertain, and classes without any test row are not judged at all"
        )
    if earlier_gates + 1 >= REPEATED_GATES:
        warnings.append(
            f"this test set has decided {_count(earlier_gates, 'gate')} before; each further one raises the chance "
            "that a version passes by luck, so let the test set grow"
        )
    if unknown_origin_rows:
        warnings.append(
            f"the labels of {unknown_origin_rows} of {_count(len(true), 'test row')} were not seen being made "
            "(imported, for one), so annotators may have seen a model's answer"
        )
    return warnings


def _count(number: int, noun: str, plural: str = "") -> str:
    return f"{number} {noun if number == 1 else plural or noun + 's'}"

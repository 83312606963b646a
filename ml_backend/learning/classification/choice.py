"""Which of two methods is kept, by how they answer rows that neither was trained on."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ...arrays import Floats2d
from ...domain.model import Method
from ...measuring.evaluation import Evaluation
from ...measuring.gate import bootstrap_differences
from ..objectives.base import Objective
from ..rows.encoded import EncodedRows
from .cross_validation import HeldOut

__all__ = ["Choice", "difference_interval", "is_settled"]

RESAMPLES = 1000
CHOICE_CONFIDENCE = 0.5


@dataclass(frozen=True, slots=True)
class Choice:
    """Which method serves, and why.

    Attributes:
        evaluations: of every method that was compared.
    """

    method: Method
    evaluations: Mapping[Method, Evaluation]
    reason: str

    @classmethod
    def of(cls, held_out: HeldOut, objective: Objective, *, where: str, seed: int) -> "Choice":
        """The tuned model, unless the middle half of the bootstrapped differences says that the regression is better.

        Few held-out rows hardly tell the two apart. A tuned model then wins more than it loses: see the table of sizes
        in docs/quality.md.

        Args:
            held_out: with the logits of the regression and of one other method.
            where: what the rows are, for the reason.
        """
        evaluations = {
            method: objective.evaluation(logits, held_out.encoded) for method, logits in held_out.logits.items()
        }
        scores = {method: objective.measure.score(evaluation) for method, evaluation in evaluations.items()}
        tuned = next(method for method in scores if method is not Method.REGRESSION)
        _, high = _differences(held_out, objective, confidence=CHOICE_CONFIDENCE, seed=seed)
        best = Method.REGRESSION if high < 0 else tuned
        reason = (
            f"{best} is kept: {objective.measure.metric} of regression {scores[Method.REGRESSION]:.3f}, "
            f"of {tuned} {scores[tuned]:.3f} on {len(held_out.encoded)} {where}"
        )
        if scores[best] < max(scores.values()):
            reason += ", too few to say that the regression is better"
        return cls(best, evaluations, reason)


def is_settled(held_out: HeldOut, objective: Objective, *, confidence: float, seed: int) -> bool:
    """True where more held-out rows would hardly change what `Choice.of` keeps.

    The regression must be clearly better to be kept. So a tuned model that is ahead is settled: as many rows again
    would have to show the opposite, and more of it. A regression that is ahead is settled where the interval of the
    difference leaves 0 out; see `bootstrap_differences`.

    Args:
        held_out: with the logits of the regression and of one other method.
        confidence: share of the differences that the interval holds.
    """
    median, _ = _differences(held_out, objective, confidence=0.0, seed=seed)
    _, high = _differences(held_out, objective, confidence=confidence, seed=seed)
    return median > 0 or high < 0


def _differences(held_out: HeldOut, objective: Objective, *, confidence: float, seed: int) -> tuple[float, float]:
    """Return the interval of the tuned model's F1 minus the regression's."""
    (tuned,) = held_out.logits.keys() - {Method.REGRESSION}
    pair = held_out.logits[Method.REGRESSION], held_out.logits[tuned]
    return difference_interval(objective, held_out.encoded, *pair, confidence=confidence, seed=seed)


def difference_interval(
    objective: Objective,
    encoded: EncodedRows,
    first: Floats2d,
    second: Floats2d,
    *,
    seed: int,
    confidence: float = CHOICE_CONFIDENCE,
) -> tuple[float, float]:
    """Return the interval of the second model's F1 minus the first's, by resamples of the rows.

    Args:
        first, second: logits of the rows' units, shape (U, K).
        confidence: share of the differences that the interval holds.
    """
    answers = [
        [answer.target for answer in objective.calibrated(logits, encoded).answers(logits, encoded.tokenised)]
        for logits in (first, second)
    ]
    pair = objective.measure.compare(encoded.rows.targets, *answers)
    differences = bootstrap_differences([pair], seed=seed, resamples=RESAMPLES)
    low, high = np.quantile(differences, [(1 - confidence) / 2, (1 + confidence) / 2]).tolist()
    return low, high

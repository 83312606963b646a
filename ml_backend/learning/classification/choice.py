"""Which of two methods is kept, by how they answer rows that neither was trained on."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ...domain.model import Method
from ...measuring.evaluation import Evaluation
from ...measuring.gate import bootstrap_differences
from ..objectives.base import Objective
from .cross_validation import HeldOut

__all__ = ["Choice", "are_told_apart"]

RESAMPLES = 1000


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
    def of(cls, held_out: HeldOut, objective: Objective, *, where: str) -> "Choice":
        """The tuned model where its F1 is higher, else the regression: it is the simpler one.

        Args:
            held_out: with the logits of the regression and of one other method.
            where: what the rows are, for the reason.
        """
        evaluations = {
            method: objective.evaluation(logits, held_out.encoded) for method, logits in held_out.logits.items()
        }
        scores = {method: objective.measure.score(evaluation) for method, evaluation in evaluations.items()}
        tuned = next(method for method in scores if method is not Method.REGRESSION)
        best = tuned if scores[tuned] > scores[Method.REGRESSION] else Method.REGRESSION
        reason = (
            f"{best} is kept: {objective.measure.average}-F1 of regression {scores[Method.REGRESSION]:.3f}, "
            f"of {tuned} {scores[tuned]:.3f} on {len(held_out.encoded)} {where}"
        )
        return cls(best, evaluations, reason)


def are_told_apart(held_out: HeldOut, objective: Objective, *, confidence: float, seed: int) -> bool:
    """True where the interval of the difference between both methods' F1 leaves 0 out.

    The interval holds the middle of the differences in resamples of the rows, see `bootstrap_differences`.

    Args:
        held_out: with the logits of the regression and of one other method.
        confidence: share of the differences that the interval holds.
    """
    tokenised = held_out.encoded.tokenised
    answers = [
        [answer.target for answer in objective.calibrated(logits, held_out.encoded).answers(logits, tokenised)]
        for logits in held_out.logits.values()
    ]
    pair = objective.measure.compare(held_out.encoded.rows.targets, *answers)
    differences = bootstrap_differences([pair], seed=seed, resamples=RESAMPLES)
    low, high = np.quantile(differences, [(1 - confidence) / 2, (1 + confidence) / 2]).tolist()
    return bool(low > 0 or high < 0)

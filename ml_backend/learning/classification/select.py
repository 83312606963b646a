"""Regression or a tuned model: the better one on rows that neither was trained on."""

from collections.abc import Mapping
from dataclasses import dataclass

from ...domain.model import Method
from ...measuring.evaluation import Evaluation
from ..objectives.base import Objective
from ..rows.folds import HeldOut

__all__ = ["Choice", "choose"]


@dataclass(frozen=True, slots=True)
class Choice:
    """Which method serves, and why.

    Attributes:
        evaluations: of every method that was compared.
    """

    method: Method
    evaluations: Mapping[Method, Evaluation]
    reason: str


def choose(held_out: HeldOut, objective: Objective, *, where: str) -> Choice:
    """The tuned model where its F1 is higher, else the regression: it is the simpler one.

    Args:
        held_out: with the logits of the regression and of one other method.
        where: what the rows are, for the reason.
    """
    evaluations = {method: objective.evaluation(logits, held_out.encoded) for method, logits in held_out.logits.items()}
    scores = {method: objective.score(evaluation) for method, evaluation in evaluations.items()}
    tuned = next(method for method in scores if method is not Method.REGRESSION)
    best = tuned if scores[tuned] > scores[Method.REGRESSION] else Method.REGRESSION
    reason = (
        f"{best} is kept: {objective.measure.average}-F1 of regression {scores[Method.REGRESSION]:.3f}, "
        f"of {tuned} {scores[tuned]:.3f} on {len(held_out.encoded)} {where}"
    )
    return Choice(best, evaluations, reason)

"""Regression or LoRA: the better one on rows that neither was trained on."""

from collections.abc import Mapping
from dataclasses import dataclass

from ..domain.model import Method
from .evaluate import Evaluation
from .fit import evaluate_logits
from .out_of_fold import HeldOut

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


def choose(held_out: HeldOut, labels: tuple[str, ...], *, where: str) -> Choice:
    """LoRA where its macro-F1 is higher, else the regression: it is the simpler one.

    Args:
        where: what the rows are, for the reason.
    """
    evaluations = {method: evaluate_logits(logits, held_out.rows, labels) for method, logits in held_out.logits.items()}
    regression, lora = (evaluations[method].macro_f1 for method in (Method.REGRESSION, Method.LORA))
    method = Method.LORA if lora > regression else Method.REGRESSION
    reason = (
        f"{method} is kept: macro-F1 of regression {regression:.3f}, of LoRA {lora:.3f} on {len(held_out.rows)} {where}"
    )
    return Choice(method, evaluations, reason)

"""What of a planned training fits into the time that is left for it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from .hyperparameters import Hyperparameters
from .plan import Plan

__all__ = ["Fitted", "fitted", "tuning_s"]

ADVERSARIAL_PASSES = 2


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A plan with its recipe, and what had to be left out for want of time.

    Attributes:
        cuts: a phrase for each; empty where the plan fits as it is.
    """

    plan: Plan
    hyperparameters: Hyperparameters
    cuts: tuple[str, ...] = ()


def fitted(plan: Plan, hyperparameters: Hyperparameters, *, left_s: float, row_s: float, is_asked: bool) -> Fitted:
    """The most of a plan that fits: fewer folds first, then no adversarial passes, then fewer epochs.

    A fold, which has fewer rows, keeps epochs for about as many steps as the whole training makes: with fewer it would
    prefer the regression. Where not even one epoch fits, the base model is not tuned, unless that was asked for: then
    it is for as long as there is time.

    Args:
        left_s: for tuning and for scoring what was tuned.
        row_s: seconds that a training pass over a row takes.
        is_asked: tuning was, rather than the better of tuning and the regression.
    """
    if plan.tuned is None:
        return Fitted(plan, hyperparameters)
    least = Fitted(plan, hyperparameters)
    for least in _less_and_less(plan, hyperparameters):
        if tuning_s(least.plan, least.hyperparameters, row_s) <= left_s:
            return least
    if is_asked:
        return Fitted(
            replace(least.plan, folds=()), least.hyperparameters, (*least.cuts, "as many steps as there was time for")
        )
    return Fitted(replace(plan, tuned=None), hyperparameters, (f"no {plan.tuned}",))


def tuning_s(plan: Plan, hyperparameters: Hyperparameters, row_s: float, *, folds_alone: bool = False) -> float:
    """Seconds that a plan's tuning takes, that of its folds included."""
    passes = ADVERSARIAL_PASSES if hyperparameters.adversarial_size else 1
    rows = plan.folds_work(passes) + (0.0 if folds_alone else plan.tuning_work(passes))
    return rows * row_s


def _less_and_less(plan: Plan, hyperparameters: Hyperparameters) -> Iterator[Fitted]:
    """The plan as it is, then with ever more of it left out."""
    cuts: list[str] = []
    yield Fitted(plan, hyperparameters)
    if len(plan.folds) > 1:
        cuts.append(f"1 fold instead of {len(plan.folds)}")
        plan = replace(plan, folds=plan.folds[:1])
        yield Fitted(plan, hyperparameters, tuple(cuts))
    if hyperparameters.adversarial_size:
        cuts.append("no adversarial passes")
        hyperparameters = replace(hyperparameters, adversarial_size=0.0)
        yield Fitted(plan, hyperparameters, tuple(cuts))
    for epochs in range(plan.epochs - 1, 0, -1):
        cut = f"{epochs} {'epoch' if epochs == 1 else 'epochs'} instead of {plan.epochs}"
        in_a_fold = epochs * plan.learned // max((len(fold.train) for fold in plan.folds), default=plan.learned)
        shorter = replace(plan, epochs=epochs, fold_epochs=min(in_a_fold, plan.fold_epochs))
        yield Fitted(shorter, replace(hyperparameters, epochs=epochs), (*cuts, cut))

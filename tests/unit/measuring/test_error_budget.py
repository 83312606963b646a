"""The chance of a wrong promotion over a project's whole life."""

import numpy as np
import pytest
from scipy.stats import norm

from ml_backend.arrays import Floats
from ml_backend.domain.model import LIFETIME_ERROR
from ml_backend.measuring.error_budget import ErrorBudget, GateEvidence


def evidence(influences: Floats, first_key: int = 0) -> GateEvidence:
    return GateEvidence.of(range(first_key, first_key + len(influences)), influences - influences.mean())


def gates_about(rows: int, count: int, rng: np.random.Generator) -> list[Floats]:
    """Influences of gates whose challengers all meet one champion, so that their leads go together."""
    shared = rng.normal(size=rows)
    return [shared + rng.normal(size=rows) for _ in range(count)]


def spent_on(contests: list[Floats]) -> list[GateEvidence]:
    """Hold these gates, which all keep the champion."""
    kept: list[GateEvidence] = []
    for influences in contests:
        kept.append(ErrorBudget(kept).charge(evidence(influences)))
    return kept


def test_the_first_gate_is_a_single_test_at_its_share() -> None:
    (first,) = spent_on(gates_about(50, 1, np.random.default_rng(1)))

    assert 1 - first.confidence == pytest.approx(ErrorBudget().next_share)


def test_all_shares_together_stay_within_the_budget() -> None:
    spent = 0.0
    kept: list[GateEvidence] = []
    for number in range(60):
        budget = ErrorBudget(kept)
        assert budget.spent == pytest.approx(spent)
        spent += budget.next_share
        kept.append(evidence(np.random.default_rng(number).normal(size=5)))

    assert 0.8 * LIFETIME_ERROR < spent < LIFETIME_ERROR


def test_equal_challengers_exceed_any_cutoff_as_often_as_was_spent() -> None:
    contests = gates_about(100, 8, np.random.default_rng(2))
    kept = spent_on(contests)
    draws = np.random.default_rng(3).normal(size=(400_000, 100))
    leads = np.array([draws @ gate.influences for gate in kept])

    exceeds = (leads > np.array([[gate.cutoff] for gate in kept])).any(axis=0).mean()

    assert exceeds == pytest.approx(ErrorBudget(kept).spent, rel=0.03)


def test_gates_about_the_same_rows_are_less_strict_than_gates_about_others() -> None:
    rng = np.random.default_rng(4)
    first, second = gates_about(100, 2, rng)
    alone = ErrorBudget(spent_on([first]))

    same_rows, others = alone.charge(evidence(second)), alone.charge(evidence(second, first_key=1000))

    assert same_rows.cutoff < others.cutoff
    # Independent tests one after the other: the second must stand out by itself, where the first did not.
    assert others.cutoff == pytest.approx(norm.isf(alone.next_share / (1 - alone.spent)), abs=0.01)


def test_a_gate_held_again_on_the_same_answers_costs_nothing() -> None:
    first, second = gates_about(100, 2, np.random.default_rng(5))
    kept = spent_on([first, second])

    again = ErrorBudget(kept).charge(evidence(first))

    assert again.cutoff == kept[0].cutoff
    assert ErrorBudget([*kept, again]).spent == ErrorBudget(kept).spent


def test_evidence_is_read_as_it_was_written() -> None:
    written = GateEvidence.of([2**64 - 1, 5, 5], np.array([0.5, 1.0, -2.0]))

    read = GateEvidence.from_bytes(written.to_bytes())

    assert read.repeats(written)
    assert read.keys.tolist() == [5, 2**64 - 1]
    assert (read.cutoff, read.is_contest) == (written.cutoff, True)
    assert np.linalg.norm(read.influences) == pytest.approx(1)

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from ml_backend.domain.model import GateDecision
from ml_backend.errors import TrainingError
from ml_backend.training.gate import LEAST_ROWS, bootstrap_differences, decide, macro_f1_over_true


def gate(
    true: Sequence[str], first: Sequence[str | None], second: Sequence[str | None], **options: object
) -> GateDecision:
    return decide(true, first, second, champion="v1", challenger="v2", **options)


def answers(true: np.ndarray, accuracy: float, rng: np.random.Generator) -> list[str]:
    """Right with the given probability, else any class at random."""
    wrong = rng.choice(np.unique(true), size=len(true))
    return list(np.where(rng.random(len(true)) < accuracy, true, wrong))


ANSWERS = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from(["a", "b", "c", "d", None])), min_size=1, max_size=250
)


@settings(max_examples=40, deadline=None)
@given(ANSWERS)
def test_identical_answers_never_promote(pairs: list[tuple[str, str | None]]) -> None:
    true, predicted = zip(*pairs, strict=True)

    decision = gate(true, predicted, predicted, resamples=200)

    assert not decision.promote
    assert decision.difference == 0


@settings(max_examples=25, deadline=None)
@given(ANSWERS)
def test_the_scores_average_over_the_true_classes_for_both(pairs: list[tuple[str, str | None]]) -> None:
    true, predicted = zip(*pairs, strict=True)
    named = ["none" if answer is None else answer for answer in predicted]

    decision = gate(true, predicted, true, resamples=50)

    expected = f1_score(true, named, labels=sorted(set(true)), average="macro", zero_division=0)
    assert decision.champion_macro_f1 == pytest.approx(expected)
    assert decision.challenger_macro_f1 == 1


def test_the_drawn_counts_equal_resampled_rows() -> None:
    """The multinomial shortcut has the distribution that resampling row by row has."""
    rng = np.random.default_rng(0)
    true = np.repeat(["a", "b", "c"], [60, 40, 30])
    first, second = np.array(answers(true, 0.6, rng)), np.array(answers(true, 0.7, rng))
    by_rows = []
    for _ in range(800):
        rows = np.concatenate([rng.choice(np.flatnonzero(true == c), size=(true == c).sum()) for c in "abc"])
        scores = [macro_f1_over_true(true[rows].tolist(), found[rows].tolist()) for found in (first, second)]
        by_rows.append(scores[1] - scores[0])

    by_counts = bootstrap_differences(true, first, second, seed=1, resamples=5000)

    levels = [0.05, 0.25, 0.5, 0.75, 0.95]
    np.testing.assert_allclose(np.quantile(by_counts, levels), np.quantile(by_rows, levels), atol=0.012)


@pytest.mark.parametrize("rows_per_class", [[100, 100], [30] * 10, [2] * 60, [150, 30, 5, 5, 2, 2, 2, 1, 1, 1]])
def test_equal_models_pass_by_luck_in_about_5_of_100_cases(rows_per_class: list[int]) -> None:
    rng = np.random.default_rng(3)
    true = list(np.repeat([f"c{k}" for k in range(len(rows_per_class))], rows_per_class))
    promoted = [
        gate(true, answers(true, 0.8, rng), answers(true, 0.8, rng), resamples=400, seed=k).promote for k in range(300)
    ]

    assert np.mean(promoted) < 0.09


def test_a_clearly_better_model_passes() -> None:
    rng = np.random.default_rng(4)
    true = np.repeat([f"c{k}" for k in range(10)], 30)
    promoted = [
        gate(true, answers(true, 0.7, rng), answers(true, 0.85, rng), resamples=400, seed=k).promote for k in range(60)
    ]

    assert np.mean(promoted) > 0.9


def test_the_decision_is_the_same_every_time() -> None:
    rng = np.random.default_rng(5)
    true = np.repeat(["a", "b"], 80)
    first, second = answers(true, 0.7, rng), answers(true, 0.75, rng)

    assert gate(true, first, second, seed=9) == gate(true, first, second, seed=9)
    assert gate(true, first, second, seed=9).lower_bound != gate(true, first, second, seed=10).lower_bound


def test_the_order_of_the_rows_does_not_matter() -> None:
    rng = np.random.default_rng(6)
    true = np.repeat(["a", "b"], 80)
    first, second = np.array(answers(true, 0.7, rng)), np.array(answers(true, 0.75, rng))
    shuffled = rng.permutation(160)

    assert gate(true, first, second) == gate(true[shuffled], first[shuffled], second[shuffled])


def test_few_rows_are_decided_by_point_estimate_and_provisionally() -> None:
    true = ["a", "b"] * 10

    decision = gate(true, ["a"] * 20, true)

    assert decision.promote
    assert decision.is_provisional
    assert decision.lower_bound is None
    assert "under 100 rows the difference of +0.667 decides provisionally: v2 is promoted" in decision.reason


def test_enough_rows_are_decided_by_the_interval() -> None:
    true = ["a", "b"] * (LEAST_ROWS // 2)
    one_better = ["b", *true[1:]]

    decision = gate(true, one_better, true)

    assert decision.difference > 0
    assert decision.lower_bound == 0
    assert not decision.promote
    assert not decision.is_provisional
    assert decision.reason.endswith("is at least +0.000 with 95% confidence: v1 stays")


def test_without_test_rows_nothing_is_promoted() -> None:
    decision = gate([], [], [])

    assert not decision.promote
    assert decision.reason == "no test rows, so v2 cannot be compared with v1, which stays"


def test_a_prediction_outside_the_true_classes_adds_no_class() -> None:
    true = ["a"] * 60 + ["b"] * 60

    decision = gate(true, ["z", *true[1:]], [None, *true[1:]])

    assert decision.champion_macro_f1 == decision.challenger_macro_f1


@pytest.mark.parametrize(("earlier", "warns"), [(0, False), (1, False), (2, True), (7, True)])
def test_a_test_set_used_over_and_over_is_warned_about(earlier: int, warns: bool) -> None:
    true = ["a", "b"] * 60

    decision = gate(true, true, true, earlier_gates=earlier)

    assert decision.earlier_gates == earlier
    assert any(f"decided {earlier} gates before" in warning for warning in decision.warnings) == warns


def test_thin_classes_and_labels_of_unknown_origin_are_warned_about_and_block_nothing() -> None:
    true = ["a"] * 100 + ["b"] * 3

    decision = gate(true, ["b"] * 103, true, unknown_origin_rows=40, warnings=["as given"])

    assert decision.promote
    assert decision.warnings[0] == "as given"
    assert "1 class with under 10 test rows (b 3)" in decision.warnings[1]
    assert "40 of 103 test rows were not seen being made" in decision.warnings[2]


def test_answers_for_other_rows_are_refused() -> None:
    with pytest.raises(TrainingError, match="2 test rows, 1 answers of v1 and 2 of v2"):
        gate(["a", "b"], ["a"], ["a", "b"])

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from ml_backend.arrays import Bools, Floats
from ml_backend.domain.model import SliceComparison
from ml_backend.measuring.slices import compare_slices, distinct_slices, mcnemar_p, score_slices


def versions(
    seed: int, *, rows: int = 300, slices: int = 12, is_graded: bool = False
) -> tuple[Floats, dict[str, Bools]]:
    """Scores of two versions, of which the second is often worse, and slices of the rows."""
    rng = np.random.default_rng(seed)
    scores = rng.random((2, rows)) ** [[0.8], [1.0]]
    masks = {f"slice {k}": rng.random(rows) < rng.uniform(0.1, 0.6) for k in range(slices)}
    return (scores if is_graded else (scores > 0.3).astype(float)), masks


def comparisons_of(scores: Floats, masks: dict[str, Bools]) -> tuple[SliceComparison, ...]:
    return compare_slices({"topic": scores}, {"topic": masks})


def rows_of(lost: int, gained: int, same: int) -> Floats:
    """Scores of champion and challenger, right or wrong."""
    champion, challenger = [1.0] * lost + [0.0] * gained, [0.0] * lost + [1.0] * gained
    return np.array([champion + [1.0] * same, challenger + [1.0] * same])


@pytest.mark.parametrize("is_graded", [False, True])
def test_the_correction_never_vetoes_more_than_the_tests_alone(is_graded: bool) -> None:
    comparisons = [each for seed in range(20) for each in comparisons_of(*versions(seed, is_graded=is_graded))]

    vetoed = [each for each in comparisons if each.is_worse]
    assert 0 < len(vetoed) < sum(each.p <= 0.05 for each in comparisons)
    assert all(each.p <= 0.05 for each in vetoed)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32), st.booleans())
def test_identical_answers_are_neither_vetoed_nor_warned_of(seed: int, is_graded: bool) -> None:
    scores, masks = versions(seed, is_graded=is_graded)

    comparisons = comparisons_of(np.stack([scores[0], scores[0]]), masks)

    assert not any(each.is_worse or each.may_be_worse for each in comparisons)
    assert {each.p for each in comparisons} == {1.0}


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32), st.booleans())
def test_the_order_of_the_rows_does_not_matter(seed: int, is_graded: bool) -> None:
    scores, masks = versions(seed, is_graded=is_graded)
    order = np.random.default_rng(seed).permutation(scores.shape[1])

    comparisons = comparisons_of(scores, masks)
    shuffled = comparisons_of(scores[:, order], {name: mask[order] for name, mask in masks.items()})

    def figures(each: SliceComparison) -> tuple[object, ...]:
        numbers = (each.p, each.champion.score, each.challenger.low, each.challenger.high)
        return each.champion.name, each.champion.rows, each.is_worse, each.may_be_worse, *np.round(numbers, 9)

    assert sorted(map(figures, comparisons)) == sorted(map(figures, shuffled))


@pytest.mark.parametrize(("lost", "gained"), [(6, 0), (9, 2), (3, 3), (1, 5), (0, 0), (60, 41)])
def test_right_and_wrong_answers_are_tested_as_mcnemar_does(lost: int, gained: int) -> None:
    scores = rows_of(lost, gained, 50)

    expected = binomtest(lost, lost + gained, alternative="greater").pvalue if lost + gained else 1.0
    assert comparisons_of(scores, {"all": np.ones(scores.shape[1], dtype=bool)})[0].p == pytest.approx(expected)
    two_sided = binomtest(lost, lost + gained).pvalue if lost + gained else 1.0
    assert mcnemar_p(scores) == pytest.approx(two_sided)


@pytest.mark.parametrize("rows", [40, 400])
def test_graded_scores_of_equal_versions_seldom_look_worse(rows: int) -> None:
    rng = np.random.default_rng(3)
    everywhere = {"all": np.ones(rows, dtype=bool)}
    p_values = np.array([comparisons_of(rng.random((2, rows)) ** 2, everywhere)[0].p for _ in range(400)])

    assert np.mean(p_values <= 0.05) < 0.08
    assert np.mean(p_values <= 0.5) == pytest.approx(0.5, abs=0.08)


def test_slices_on_which_nothing_could_be_significant_take_nothing_from_the_others() -> None:
    scores = np.concatenate([rows_of(7, 0, 33), np.tile(rows_of(1, 1, 38), 60)], axis=1)
    masks = {str(k): np.arange(scores.shape[1]) // 40 == k for k in range(61)}

    vetoed = [each.champion.name for each in comparisons_of(scores, masks) if each.is_worse]

    assert vetoed == ["0"]  # 61 times its p of 1 in 128 is far above 5%


def test_a_loss_that_may_be_luck_is_warned_of() -> None:
    (first,) = comparisons_of(rows_of(2, 0, 38), {"all": np.ones(40, dtype=bool)})
    (second,) = comparisons_of(rows_of(2, 0, 98), {"all": np.ones(100, dtype=bool)})

    assert (first.may_be_worse, first.is_worse, first.difference) == (True, False, pytest.approx(-0.05))
    assert not second.may_be_worse


def test_right_and_wrong_have_wilson_intervals_and_graded_scores_those_of_student() -> None:
    right = np.array([1.0] * 33 + [0.0] * 7)
    graded = np.tile([0.2, 0.6], 20)
    everywhere = np.ones(40, dtype=bool)

    shares, means = score_slices(
        {"topic": right, "text": graded}, {name: {"all": everywhere} for name in ("topic", "text")}
    )

    wilson = binomtest(33, 40).proportion_ci(method="wilson")
    assert (shares.low, shares.score, shares.high) == pytest.approx((wilson.low, 33 / 40, wilson.high), abs=1e-6)
    assert (means.low, means.score, means.high) == pytest.approx((0.335, 0.4, 0.465), abs=0.001)


def test_small_slices_and_rows_that_do_not_answer_are_left_out() -> None:
    scores = np.where(np.arange(100) < 60, 1.0, np.nan)
    masks = {"few": np.arange(100) < 29, "some": np.arange(100) < 45, "few answers": np.arange(100) > 40}

    assert [(each.name, each.rows) for each in score_slices({"topic": scores}, {"topic": masks})] == [("some", 45)]


def test_slices_that_are_nearly_all_rows_or_nearly_another_are_dropped() -> None:
    place = np.arange(200)
    masks = {
        "nearly all": place < 198,
        "first": place < 100,
        "nearly the first": place < 103,
        "second": place >= 100,
        "small": place < 29,
    }

    assert list(distinct_slices(masks, np.ones(200, dtype=bool))) == ["first", "second"]

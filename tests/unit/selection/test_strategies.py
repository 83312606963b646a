"""Strategies put the right texts first, in pools made by hand."""

import numpy as np
import pytest

from ml_backend.arrays import Floats2d, Ints
from ml_backend.errors import ConfigurationError
from ml_backend.plugins import kind_names
from ml_backend.selection.pool import ExpectedAnswers, Pool
from ml_backend.selection.strategies.base import SelectionStrategy

LABELS = ("Billing", "Shipping", "Returns")
SURE, WAVERING, LOST = (0.96, 0.02, 0.02), (0.48, 0.47, 0.05), (0.36, 0.33, 0.31)


def around(centres: Floats2d, each: int) -> Floats2d:
    """Texts near these directions."""
    noise = np.random.default_rng(1).normal(scale=0.05, size=(len(centres) * each, centres.shape[1]))
    features = np.repeat(centres, each, axis=0) + noise
    return np.asarray(features / np.linalg.norm(features, axis=1, keepdims=True), dtype=np.float32)


def expected(*chances: tuple[float, ...], counts: Ints | None = None, is_one_label: bool = True) -> ExpectedAnswers:
    probabilities = np.array(chances, dtype=np.float32)
    return ExpectedAnswers(
        "category",
        LABELS,
        np.full(3, 9) if counts is None else counts,
        probabilities.max(axis=1).astype(np.float64),
        probabilities,
        is_one_label,
    )


def pool_of(answers: ExpectedAnswers, features: Floats2d | None = None) -> Pool:
    features = around(np.eye(len(answers.confidence), dtype=np.float32), 1) if features is None else features
    return Pool(features, np.zeros((0, features.shape[1]), dtype=np.float32), [answers], seed=1)


def order(name: str, pool: Pool, count: int = 1) -> list[int]:
    strategy = SelectionStrategy.named(name).suited(pool)
    return [int(position) for position in strategy.order(pool, count)]


@pytest.mark.parametrize("name", SelectionStrategy.all())
def test_every_strategy_orders_each_text_once_and_gives_the_same_order_and_reasons_again(name: str) -> None:
    pool = pool_of(expected(*[SURE, WAVERING, LOST] * 10), around(np.eye(5, dtype=np.float32), 6))
    strategy = SelectionStrategy.named(name)
    assert sorted(order(name, pool, 7)) == list(range(30))
    assert order(name, pool, 7) == order(name, pool, 7)
    assert all(strategy.reason(pool, position).strip() for position in range(30))


@pytest.mark.parametrize(
    ("name", "first"), [("margin", 1), ("entropy", 2), ("least_confidence", 2), ("rare", 3), ("margin_diverse", 1)]
)
def test_what_is_uncertain_comes_first(name: str, first: int) -> None:
    answers = expected(SURE, WAVERING, LOST, (0.01, 0.01, 0.98), counts=np.array([50, 50, 0]))
    assert order(name, pool_of(answers))[0] == first


def test_a_reason_names_the_two_labels_that_the_model_wavers_between() -> None:
    reason = SelectionStrategy.named("margin").reason(pool_of(expected(WAVERING)), 0)
    assert reason == "the model wavers between 'Billing' (48%) and 'Shipping' (47%)"


def test_of_several_labels_the_one_nearest_to_a_coin_toss_counts() -> None:
    answers = expected((0.9, 0.1, 0.05), (0.95, 0.55, 0.01), is_one_label=False)
    assert order("margin", pool_of(answers)) == [1, 0]
    assert SelectionStrategy.named("margin").reason(pool_of(answers), 1) == "the model gives 'Shipping' a chance of 55%"


def test_typical_texts_stand_for_the_largest_clusters_without_a_label() -> None:
    centres = np.eye(4, dtype=np.float32)
    features = np.concatenate([around(centres[:1], 30), around(centres[1:2], 20), around(centres[2:], 4)])
    labeled = around(centres[:1], 2)
    first, *_ = order("typical", Pool(features, labeled, seed=1), 2)
    assert 30 <= first < 50


def test_diverse_texts_are_far_from_each_other() -> None:
    features = around(np.eye(6, dtype=np.float32), 5)
    chosen = order("diverse", Pool(features, features[:1], seed=1), 5)[:5]
    assert sorted(position // 5 for position in chosen) == [1, 2, 3, 4, 5]


def test_uncertain_texts_of_a_batch_differ() -> None:
    features = around(np.eye(4, dtype=np.float32), 10)
    chances = [WAVERING if number < 30 else SURE for number in range(40)]
    chosen = order("margin_diverse", pool_of(expected(*chances), features), 3)[:3]
    assert sorted(position // 10 for position in chosen) == [0, 1, 2]


@pytest.mark.parametrize("name", ["margin", "margin_diverse", "rare", "least_confidence"])
def test_before_anything_is_learned_typical_texts_are_chosen(name: str) -> None:
    pool = Pool(around(np.eye(3, dtype=np.float32), 4), np.zeros((0, 3), dtype=np.float32), seed=1)
    assert SelectionStrategy.named(name).suited(pool).name == "typical"


def test_a_strategy_that_compares_labels_refuses_spans_and_names_those_that_do_not() -> None:
    spans = ExpectedAnswers("entities", LABELS, np.full(3, 9), np.array([0.4, 0.9]))
    with pytest.raises(ConfigurationError, match=r"'margin' compares the chances of labels.*margin_diverse"):
        order("margin", pool_of(spans))
    assert order("margin_diverse", pool_of(spans))[0] == 0
    assert order("least_confidence", pool_of(spans)) == [0, 1]


def test_an_unknown_strategy_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match=r"'best' found; wanted one of diverse, entropy"):
        SelectionStrategy.named("best")


def test_a_strategy_is_named_like_its_file() -> None:
    assert list(SelectionStrategy.all()) == kind_names("ml_backend.selection.strategies")

"""Lists of tasks: what is drawn, what is held out, and near duplicates."""

import time
from collections.abc import Sequence

import numpy as np
import pytest

from ml_backend.arrays import Floats2d
from ml_backend.selection.batch import ChosenText, choose
from ml_backend.selection.pool import ExpectedAnswers, Pool
from ml_backend.selection.strategies.base import SelectionStrategy

NOTHING_LABELED = np.zeros((0, 64), dtype=np.float32)


def directions(count: int, width: int = 64) -> Floats2d:
    features = np.random.default_rng(2).normal(size=(count, width)).astype(np.float32)
    return np.asarray(features / np.linalg.norm(features, axis=1, keepdims=True), dtype=np.float32)


def doubts(count: int) -> list[ExpectedAnswers]:
    """The first texts are the most doubtful."""
    return [ExpectedAnswers("answer", (), np.zeros(0, dtype=np.int64), np.linspace(0.1, 0.9, count))]


def chosen(
    texts: list[str], count: int, *, held_out: int = 0, random_share: float = 0.0, labeled_texts: Sequence[str] = ()
) -> list[ChosenText]:
    """Choices of the least confident; the last texts are held out."""
    pool = Pool(directions(len(texts)), NOTHING_LABELED, doubts(len(texts)), seed=3)
    return choose(
        pool,
        texts,
        SelectionStrategy.named("least_confidence"),
        count,
        held_out=np.arange(len(texts)) >= len(texts) - held_out,
        random_share=random_share,
        labeled_texts=labeled_texts,
    )


def test_held_out_texts_come_in_at_their_share_and_at_random_alone() -> None:
    choices = chosen([f"text number {n} of many" for n in range(200)], 50, held_out=40)
    held_out = [each for each in choices if each.position >= 160]
    assert len(choices) == 50
    assert len(held_out) == 10
    assert all(each.is_random and each.doubt == 0 for each in held_out)
    assert sorted(each.position for each in choices if each.position < 160) == list(range(40))


def test_a_share_is_drawn_at_random_and_says_so() -> None:
    choices = chosen([f"text number {n} of many" for n in range(500)], 100, random_share=0.2)
    drawn = [each for each in choices if each.is_random]
    assert len(drawn) == 20
    assert {each.reason for each in drawn} == {"drawn at random"}
    assert np.mean([each.position for each in drawn]) > 150
    in_order = [each.doubt for each in choices if not each.is_random]
    assert in_order == sorted(in_order, reverse=True)


def test_near_duplicates_share_no_batch_and_repeat_no_labeled_text() -> None:
    texts = [
        "My card has not arrived yet, what now",
        "my card has NOT arrived yet; what now?",
        "Hello, my card has not arrived yet, what now",
        "How do I top up by bank transfer from abroad",
        "Where do I see the exchange rate of today",
    ]
    choices = chosen(texts, 5, labeled_texts=["where do I see the exchange rate of today, please"])
    assert [each.position for each in choices] == [0, 3]


def test_vectors_tell_near_duplicates_whose_words_differ() -> None:
    features = directions(3)
    features[1] = features[0]
    pool = Pool(features, NOTHING_LABELED, doubts(3), seed=3)
    strategy = SelectionStrategy.named("least_confidence")
    held_out = np.zeros(3, dtype=np.bool_)
    choices = choose(pool, ["a lost card", "a lsot crad", "top up"], strategy, 3, held_out=held_out, random_share=0.0)
    assert [each.position for each in choices] == [0, 2]


@pytest.mark.long
def test_a_hundred_thousand_texts_take_less_than_a_minute() -> None:
    count = 100_000
    features = directions(count, 384)
    probabilities = np.random.default_rng(1).dirichlet(np.ones(20), count).astype(np.float32)
    answers = ExpectedAnswers(
        "intent",
        tuple(f"label {k}" for k in range(20)),
        np.full(20, 50),
        probabilities.max(axis=1).astype(np.float64),
        probabilities,
        is_one_label=True,
    )
    pool = Pool(features, -features[:1000], [answers], seed=1)
    held_out = np.random.default_rng(1).random(count) < 0.2
    for name in SelectionStrategy.all():
        began_s = time.process_time()
        choices = choose(
            pool,
            [f"text {n}" for n in range(count)],
            SelectionStrategy.named(name),
            300,
            held_out=held_out,
            random_share=0.2,
        )
        assert len(choices) == 300
        assert time.process_time() - began_s < 60, name

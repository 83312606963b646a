import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_backend.snapshots.leakage import find_leaks, shingles

WORDS = [f"word{number}" for number in range(400)]


def jaccard(one: str, other: str) -> float:
    a, b = shingles(one), shingles(other)
    return len(a & b) / len(a | b)


@pytest.mark.parametrize(
    ("train", "held_out"),
    [
        ("where is my card", "where is my cart"),
        ("reset my password please", "reset my username please"),
        ("cancel order 1001", "cancel order 1002"),
        ("i want to move money to my savings account today", "i want to move money to my checking account today"),
        ("ok", "no"),
        ("!!!", "???"),
        ("我的卡在哪里", "我的钱在哪里"),
        ("दिन", "दान"),
        ("कुल मिला कर", "कल मिला कर"),
        ("আমার কাল", "আমার কূল"),
        ("என் கல்", "என் கால்"),
        ("เสือดี", "เสื้อดี"),
        ("schon gut", "scho\u0308n gut"),
        ("كَتَبَ", "كُتِبَ"),
        ("ホテルを予約", "ホテレを予約"),
    ],
)
def test_short_texts_that_differ_in_a_word_are_not_duplicates(train: str, held_out: str) -> None:
    assert find_leaks([train], [held_out], 0.8) == {}


@pytest.mark.parametrize(
    ("train", "held_out"),
    [
        ("Where is my card?!", "where is my  card"),
        ("“Where” is my card…", "where is my card"),
        ("!!!", " !!! "),
        ("我的卡在哪里？", "我的卡在哪里"),
        ("मेरा दिन।", "मेरा दिन"),
        ("Wo ist Zürich", "wo ist Zu\u0308rich?"),
        ("می\u200cخواهم", "میخواهم"),
        ("hyphen", "hy\u00adphen"),
        ("ＷＨＥＲＥ is it", "where is it"),
        ("half a pair \ud83d here", "Half a pair \ud83d here."),
    ],
)
def test_texts_that_differ_in_case_and_punctuation_are_exact_duplicates(train: str, held_out: str) -> None:
    (leak,) = find_leaks([train], ["something else", held_out], 0.8).values()
    assert (leak.held_out, leak.similarity, leak.is_exact) == (1, 1.0, True)


@pytest.mark.parametrize(
    ("train", "held_out"),
    [
        ("my card was charged twice for the same order please", "my card was charged twice for the same order"),
        (
            "hello team the invoice for march lists three seats but we only have two of them since january",
            "hello team the invoice for march lists three seats but we only have two of them since february",
        ),
        ("मेरे खाते से एक ही ऑर्डर के लिए दो बार पैसे कट गए हैं कृपया", "मेरे खाते से एक ही ऑर्डर के लिए दो बार पैसे कट गए हैं"),
    ],
)
def test_a_longer_text_with_a_small_edit_is_a_near_duplicate(train: str, held_out: str) -> None:
    leak = find_leaks([train], [held_out], 0.8)[0]
    assert leak.similarity >= 0.8
    assert not leak.is_exact


def test_the_most_similar_held_out_text_is_named() -> None:
    text = " ".join(WORDS[:30])
    assert find_leaks([text], [f"{text} more words", f"{text} more", "unlike"], 0.8)[0].held_out == 1


def test_train_texts_are_not_compared_with_each_other() -> None:
    assert find_leaks(["same text", "same text"], ["other"], 0.8) == {}


sentences = st.lists(st.sampled_from(WORDS[:12]), min_size=1, max_size=10).map(" ".join)


@settings(max_examples=40, deadline=None)
@given(st.lists(sentences, max_size=8), st.lists(sentences, max_size=8), st.sampled_from([0.5, 0.8, 1.0]))
def test_what_is_found_reaches_the_threshold_and_equal_texts_always_are(
    train: list[str], held_out: list[str], threshold: float
) -> None:
    leaks = find_leaks(train, held_out, threshold)
    for position, leak in leaks.items():
        assert leak.similarity == jaccard(train[position], held_out[leak.held_out]) >= threshold
    assert {position for position, text in enumerate(train) if text in held_out} <= set(leaks)


@pytest.mark.parametrize("threshold", [0.5, 0.8, 0.9])
def test_next_to_nothing_above_the_threshold_is_missed(threshold: float) -> None:
    chance = random.Random(3)
    held_out = [" ".join(chance.choices(WORDS, k=chance.randint(5, 40))) for _ in range(300)]
    train = [" ".join(word for word in text.split() if chance.random() > 0.05) for text in held_out]
    similar = {position for position in range(300) if jaccard(train[position], held_out[position]) >= threshold}
    assert len(similar) > 40
    assert set(find_leaks(train, held_out, threshold)) >= similar

"""The split of a text is that of the texts that it resembles."""

import random
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.support.templated import SETS, templated_texts, templates_of
from ml_backend.domain.snapshot import Split, SplitFractions
from ml_backend.snapshots.grouping import place_texts
from ml_backend.snapshots.leakage import shingles
from ml_backend.snapshots.sketches import sketch_of

WORDS = [f"word{number}" for number in range(2000)]
MOST_DROPPED = 0.02


def splits_of(texts: list[str], fractions: SplitFractions | None = None) -> list[Split]:
    """The splits of different texts that come in this order."""
    return [each.split for each in place_texts(fractions or SplitFractions(), [sketch_of(text) for text in texts])]


def by_hash(texts: list[str]) -> list[Split]:
    return [SplitFractions().split_of(text) for text in texts]


def sentence(chance: random.Random, length: int = 30) -> str:
    return " ".join(chance.choices(WORDS, k=length))


def jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / len(one | other)


def dropped(texts: list[str], splits: list[Split]) -> float:
    """The share of texts that are near duplicates of a held-out one while in train, all pairs compared."""
    pieces = [shingles(text) for text in texts]
    held_out = [each for each, split in zip(pieces, splits, strict=True) if split.is_held_out]
    train = [each for each, split in zip(pieces, splits, strict=True) if not split.is_held_out]
    return sum(any(jaccard(each, other) >= 0.8 for other in held_out) for each in train) / len(texts)


def test_near_duplicates_share_the_split_of_the_first() -> None:
    chance = random.Random(1)
    for _ in range(100):
        text = sentence(chance)
        swapped = text.replace(text.split()[7], "other")
        assert len(set(splits_of([text, f"{text} please", swapped, f"Please! {text}"]))) == 1


@pytest.mark.parametrize(
    "texts",
    [
        [f"message number {number} about an order" for number in range(200)],
        ["where is my card", "where is my cart", "where is my cat", "where is my car"],
        [sentence(random.Random(number)) for number in range(300)],
    ],
)
def test_texts_that_say_different_things_go_by_their_hash(texts: list[str]) -> None:
    assert splits_of(texts) == by_hash(texts)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 60))
def test_later_texts_move_no_earlier_one(seed: int, count: int) -> None:
    texts = list(dict.fromkeys(templated_texts(templates_of("forms"), 60, seed)))
    assert splits_of(texts[:count]) == splits_of(texts)[:count]


def test_texts_that_were_placed_before_count_as_if_they_had_come_together() -> None:
    texts = list(dict.fromkeys(templated_texts(templates_of("logs"), 200, 3)))
    sketches = [sketch_of(text) for text in texts]
    first = place_texts(SplitFractions(), sketches[:100])
    similar = Counter(text.split for text in first if not text.is_by_hash)

    assert first + place_texts(SplitFractions(), sketches[100:], first, similar) == place_texts(
        SplitFractions(), sketches
    )


@pytest.mark.parametrize("count", [400, 1200])
@pytest.mark.parametrize("name", SETS)
def test_of_templated_texts_next_to_none_is_lost_and_the_shares_are_near_those_wanted(name: str, count: int) -> None:
    texts = list(dict.fromkeys(templated_texts(templates_of(name), count, 8)))
    splits = splits_of(texts)
    shares = {split: share / len(texts) for split, share in Counter(splits).items()}

    assert dropped(texts, splits) <= MOST_DROPPED
    assert 0.7 <= shares[Split.TRAIN] <= 0.9
    assert min(shares[Split.VALIDATION], shares[Split.TEST]) >= 0.03


def test_a_chain_of_small_changes_stays_in_one_split() -> None:
    words = WORDS[:40]
    texts = [" ".join([*(f"new{number}" for number in range(changed)), *words[changed:]]) for changed in range(40)]

    assert jaccard(shingles(texts[0]), shingles(texts[-1])) < 0.1
    assert all(jaccard(shingles(one), shingles(other)) >= 0.8 for one, other in pairwise(texts))
    assert len(set(splits_of(texts))) == 1


def test_large_groups_are_made_up_for_by_texts_that_are_free() -> None:
    """A group that is held out as a whole is half of the first texts here, and an eighth of all."""
    chance = random.Random(4)
    free = [sentence(chance) for _ in range(700)]
    start = next(text for text in free if SplitFractions().split_of(text) is Split.TEST)
    texts = [start, *(f"{start} {number}" for number in range(100)), *(text for text in free if text != start)]
    splits = splits_of(texts)

    assert set(splits[:101]) == {Split.TEST}
    assert 0.75 < splits.count(Split.TRAIN) / len(texts) < 0.85
    assert by_hash(texts[101:]).count(Split.TEST) > splits[101:].count(Split.TEST)


@pytest.mark.parametrize(
    "fractions", [SplitFractions(1, 0, 0), SplitFractions(0.9, 0, 0.1), SplitFractions(0.9, 0.1, 0)]
)
def test_a_split_without_a_share_stays_empty(fractions: SplitFractions) -> None:
    texts = list(dict.fromkeys(templated_texts(templates_of("forms"), 400, 2)))
    assert {split for split in splits_of(texts, fractions) if fractions.of(split) == 0} == set()


def test_a_sketch_tells_the_jaccard_index() -> None:
    chance = random.Random(2)
    errors = []
    for _ in range(200):
        words = chance.choices(WORDS, k=chance.randint(15, 60))
        other = [word if chance.random() > 0.05 else "other" for word in words]
        one, two = sketch_of(" ".join(words)), sketch_of(" ".join(other))
        different = (int.from_bytes(one.signature, "big") ^ int.from_bytes(two.signature, "big")).bit_count()
        true = jaccard(shingles(" ".join(words)), shingles(" ".join(other)))
        errors.append(1 - 2 * different / (8 * len(one.signature)) - true)
        assert true < 0.7 or set(one.keys) & set(two.keys)
    assert abs(sum(errors) / len(errors)) < 0.005
    assert max(map(abs, errors)) < 0.1


def test_sketches_are_the_same_in_every_version() -> None:
    """They are stored, and those of new texts are compared with them."""
    found = sketch_of("Where is my card?")
    assert (found.signature[:4].hex(), found.keys[0], found.is_long) == ("6d034551", 6915630139271805108, False)


@pytest.mark.parametrize("text", ["!!!", "\ud83d half", "我的卡在哪里", "a", "x " * 100_000])
def test_any_text_has_a_sketch(text: str) -> None:
    assert sketch_of(text) == sketch_of(f" {text} ")

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_backend.domain.snapshot import Split, SplitFractions

fractions = st.tuples(st.integers(1, 20), st.integers(0, 20), st.integers(0, 20)).map(
    lambda parts: SplitFractions(*(part / sum(parts) for part in parts))
)


@given(st.text(st.characters(exclude_categories=())), fractions)
def test_layout_and_case_never_move_a_text(text: str, shares: SplitFractions) -> None:
    assert shares.split_of(f"  {text.upper().lower()}\n") is shares.split_of(text.upper().lower())
    assert shares.split_of("\ta  B \u00a0C") is shares.split_of("A b c")


@pytest.mark.parametrize(
    ("text", "split"), [("text 0", Split.TRAIN), ("text 25", Split.VALIDATION), ("text 22", Split.TEST)]
)
def test_the_split_of_a_text_is_the_same_in_every_version(text: str, split: Split) -> None:
    assert SplitFractions().split_of(text) is split


def test_the_shares_are_kept() -> None:
    counts = Counter(SplitFractions().split_of(f"text {number}") for number in range(5000))
    assert counts[Split.TRAIN] / 5000 == pytest.approx(0.8, abs=0.02)
    assert counts[Split.TEST] / 5000 == pytest.approx(0.1, abs=0.015)


@given(st.text())
def test_a_share_of_0_stays_empty(text: str) -> None:
    assert SplitFractions(1, 0, 0).split_of(text) is Split.TRAIN
    assert SplitFractions(0.5, 0.5, 0).split_of(text) is not Split.TEST
    assert SplitFractions(0.5, 0, 0.5).split_of(text) is not Split.VALIDATION


@given(fractions, fractions, st.text())
def test_a_larger_train_share_only_adds_to_train(one: SplitFractions, other: SplitFractions, text: str) -> None:
    smaller, larger = sorted((one, other), key=lambda shares: shares.train)
    if smaller.split_of(text) is Split.TRAIN:
        assert larger.split_of(text) is Split.TRAIN

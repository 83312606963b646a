"""Long texts taken apart into sentences."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_backend.models.text.sentences import MOST_READ_BYTES, is_read_in_part, sentences


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Hello. How are you?\nFine, 3.5 of 4!", ["Hello.", "How are you?", "Fine, 3.5 of 4!"]),
        ('He said "Yes." Then he left\u2026 Why?', ['He said "Yes."', "Then he left\u2026", "Why?"]),
        ("\u4f60\u597d\u3002\u518d\u89c1", ["\u4f60\u597d\u3002", "\u518d\u89c1"]),
        ("no mark at all", ["no mark at all"]),
        (" \n\n ", [""]),
    ],
)
def test_a_sentence_ends_with_its_mark_or_its_line(text: str, wanted: list[str]) -> None:
    assert sentences(text, 254) == wanted


@given(st.text(alphabet="ab \u00e9\u4f60\U0001f600.!\n", max_size=600), st.integers(1, 254))
def test_all_of_a_text_is_in_sentences_that_are_short_enough(text: str, most_tokens: int) -> None:
    pieces = sentences(text, most_tokens)

    assert "".join("".join(pieces).split()) == "".join(text.split())
    assert max(len(piece.encode()) for piece in pieces) <= min(max(most_tokens, 4), 200)


@pytest.mark.parametrize("unit", ["word ", "x", "\u4f60", "One sentence. ", "\n"])
def test_a_huge_text_is_read_from_its_beginning_to_its_end_in_bounded_pieces(unit: str) -> None:
    text = f"First words. {unit * (1_000_000 // len(unit))} Last words."

    pieces = sentences(text, 254)

    assert is_read_in_part(text)
    assert pieces[0].startswith("First words.")
    assert " ".join(pieces).endswith("Last words.")
    assert sum(len(piece.encode()) for piece in pieces) <= MOST_READ_BYTES


def test_passages_of_a_huge_text_are_evenly_spread() -> None:
    pieces = sentences(" ".join(f"{n:06}." for n in range(100_000)), 254)
    numbers = [int(piece[:-1]) for piece in pieces if len(piece) == 7]

    assert numbers == sorted(numbers)
    gaps = [after - before for before, after in pairwise(numbers) if after - before > 1]
    assert len(gaps) == 19
    assert max(gaps) - min(gaps) <= 3


def test_the_longest_text_that_is_read_whole() -> None:
    assert not is_read_in_part("x" * MOST_READ_BYTES)
    assert is_read_in_part("x" * (MOST_READ_BYTES + 1))
    assert is_read_in_part("\u4f60" * (MOST_READ_BYTES // 3 + 1))

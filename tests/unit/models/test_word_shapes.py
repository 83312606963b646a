"""How words are written, as features."""

import re

import numpy as np
import pytest

from ml_backend.models.text.word_shapes import WIDTH, word_shapes

CASES = slice(0, 5)
AT, HASH, ADDRESS, GOES_ON_BEFORE, GOES_ON_AFTER = range(9, 14)


def split(text: str) -> list[tuple[int, int]]:
    """Words and signs, as the tokenizers of BERT's kin find them."""
    return [match.span() for match in re.finditer(r"\w+|[^\w\s]", text)]


@pytest.mark.parametrize(
    ("word", "position"), [("Berlin", 0), ("NASA", 1), ("I", 2), ("cat", 3), ("iPhone", 4), ("B2", 2), ("x2", 3)]
)
def test_a_word_is_written_in_one_way(word: str, position: int) -> None:
    case = word_shapes(word, [(0, len(word))])[0, CASES]

    assert case.tolist() == [float(k == position) for k in range(5)]


def test_digits_numbers_and_signs_are_told_apart() -> None:
    shapes = word_shapes("x2 17 ! a", split("x2 17 ! a"))

    assert shapes[:, 5:8].tolist() == [[1, 0, 0], [1, 1, 0], [0, 0, 1], [0, 0, 0]]
    assert shapes[:, 8].tolist() == [1, 0, 0, 0]  # the first of the text


def test_pieces_of_a_mention_a_hashtag_and_an_address_know_what_they_belong_to() -> None:
    text = "ask @bob #win https://t.co/x now"
    spans = split(text)
    shapes = word_shapes(text, spans)
    by_word = {text[start:end]: line for (start, end), line in zip(spans, shapes, strict=True)}

    assert [word for word, line in by_word.items() if line[AT]] == ["@", "bob"]
    assert [word for word, line in by_word.items() if line[HASH]] == ["#", "win"]
    assert [word for word, line in by_word.items() if line[ADDRESS]] == ["https", ":", "/", "t", ".", "co", "x"]
    assert not by_word["ask"][AT : GOES_ON_AFTER + 1].any()


def test_words_know_whether_something_is_written_on_to_them() -> None:
    text = "St. Louis, too"
    shapes = word_shapes(text, split(text))

    before, after = shapes[:, GOES_ON_BEFORE].tolist(), shapes[:, GOES_ON_AFTER].tolist()
    assert before == [0, 1, 0, 1, 0]
    assert after == [1, 0, 1, 0, 0]


def test_neighbours_and_the_share_of_capitals_follow() -> None:
    shapes = word_shapes("a Bb c", [(0, 1), (2, 4), (5, 6)])

    assert shapes[:, 14].tolist() == [0, 0, 1]  # the word before is capitalised
    assert shapes[:, 19].tolist() == [1, 0, 0]  # the word after is
    assert shapes[:, 24] == pytest.approx(np.full(3, 1 / 3))
    assert shapes[1, 26] == pytest.approx(1 / 3)


def test_a_text_without_words_has_no_features() -> None:
    assert word_shapes("  ", []).shape == (0, WIDTH)
    assert word_shapes("a b", [(0, 1), (2, 3)]).shape == (2, WIDTH)

"""Positions that do not fit the text, as imports and other tools write them."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_backend.tasks.span_positions import Mark, repair_positions

EMOJI = "😀 Bob met Ann, and Ann met 𝒳avier in Köln."
LINES = "Dear Ann,\r\nBob wrote to Ann.\r\n\r\nYours, Ann"
PLAIN = "Ann and Bob saw Ann in Oslo"


def words(marks: list[Mark] | None, text: str) -> list[tuple[int, str]] | None:
    return None if marks is None else [(mark.start, text[mark.start : mark.end]) for mark in marks]


def counted(text: str, word: str, unit: str, start: int) -> Mark:
    """The mark of a word whose positions are counted in units of an encoding."""
    size = {"utf-16-le": 2, "utf-8": 1}[unit]
    first = len(text[:start].encode(unit)) // size
    return Mark(first, first + len(word.encode(unit)) // size, word)


@pytest.mark.parametrize("unit", ["utf-16-le", "utf-8"])
@pytest.mark.parametrize(("word", "start"), [("Ann", 10), ("Ann", 19), ("𝒳avier", 27), ("Köln", 37)])
def test_other_units_are_counted_anew_even_where_the_word_stands_twice(unit: str, word: str, start: int) -> None:
    assert EMOJI[start : start + len(word)] == word

    assert words(repair_positions([counted(EMOJI, word, unit, start)], EMOJI), EMOJI) == [(start, word)]


@pytest.mark.parametrize("start", [5, 24, 39])
def test_line_ends_may_have_been_one_letter_where_they_are_two_and_two_where_they_are_one(start: int) -> None:
    unix = LINES.replace("\r\n", "\n")
    as_one, as_two = start - LINES[:start].count("\n"), start

    assert words(repair_positions([Mark(as_one, as_one + 3, "Ann")], LINES), LINES) == [(start, "Ann")]
    assert words(repair_positions([Mark(as_two, as_two + 3, "Ann")], unix), unix) == [(as_one, "Ann")]


def test_an_end_may_be_the_last_letter_and_units_and_line_ends_may_be_others_at_once() -> None:
    for start, word in [(0, "Ann"), (8, "Bob"), (16, "Ann"), (23, "Oslo"), (20, "i")]:
        assert words(repair_positions([Mark(start, start + len(word) - 1, word)], PLAIN), PLAIN) == [(start, word)]

    text = "💩 a\r\n💩 Ann\r\nand Ann"
    start = text.rindex("Ann")
    utf16 = len(text[:start].replace("\r\n", "\n").encode("utf-16-le")) // 2
    assert words(repair_positions([Mark(utf16, utf16 + 2, "Ann")], text), text) == [(start, "Ann")]


@pytest.mark.parametrize("distance", [-2, -1, 1, 5, 40])
def test_marks_that_are_all_shifted_alike_are_shifted_back(distance: int) -> None:
    places = [(0, "Ann"), (16, "Ann"), (23, "Oslo")]
    marks = [Mark(start + distance, start + distance + len(word), word) for start, word in places]

    assert words(repair_positions(marks, PLAIN), PLAIN) == places


def test_marks_without_a_text_of_their_own_go_with_the_others() -> None:
    marks = [counted(EMOJI, "Ann", "utf-16-le", 19), Mark(28, 35)]

    assert words(repair_positions(marks, EMOJI), EMOJI) == [(19, "Ann"), (27, "𝒳avier")]


def test_in_a_text_that_was_edited_a_mark_is_where_its_words_stand_once() -> None:
    text = "Ann, who is old, and Bob saw Ann in Oslo"
    marks = [Mark(0, 3, "Ann"), Mark(8, 11, "Bob"), Mark(23, 27, "Oslo")]

    assert words(repair_positions(marks, text), text) == [(0, "Ann"), (21, "Bob"), (36, "Oslo")]


@pytest.mark.parametrize(
    "marks",
    [
        [Mark(3, 6, "Ann")],  # in one of two places
        [Mark(0, 4, "Anna")],  # nowhere
        [Mark(0, 3, "Ann"), Mark(8, 11, "Bert")],
        [Mark(9, 12, "Bob"), Mark(17, 20, "Ann"), Mark(23, 27, "Oslo")],  # two shifted, one right, one word twice
        [Mark(9, 12, "Bob"), Mark(0, 3)],  # what does the other one mark?
        [Mark(-1, 3)],
        [Mark(3, 3)],
        [Mark(5, 3)],
        [Mark(0, len(PLAIN) + 1)],
        [Mark(0, 3, "Ann"), Mark(20, 99)],
        [Mark(10**30, 10**30 + 3, "Nobody")],
        [Mark(99, 102, "   ")],
    ],
)
def test_a_doubt_is_a_doubt(marks: list[Mark]) -> None:
    assert repair_positions(marks, PLAIN) is None


@pytest.mark.parametrize(
    ("text", "mark"),
    [
        ("In Berlin,  Germany.", Mark(3, 19, "Berlin, Germany")),
        ("one\r\ntwo\tthree", Mark(0, 14, r"one\ntwo three")),
        ("one\n\n two", Mark(0, 9, "onetwo")),
        ("The STRASSE", Mark(4, 11, "straße")),
        ("Zoe\u0308 and Zoe\u0308", Mark(9, 13, "Zoë")),
        ("Tom &amp; Jerry", Mark(0, 15, "Tom & Jerry")),
        ("Ann\u00a0", Mark(0, 4, "Ann")),
        ("Ann\x00\u00ad\ufeffa", Mark(0, 7, "Ann\ufffda")),
        ("half \ud83d", Mark(0, 6, "half \ufffd")),
    ],
)
def test_positions_that_fit_but_for_how_the_words_are_written_stay(text: str, mark: Mark) -> None:
    assert repair_positions([mark], text) == [mark]


@given(st.text(max_size=12), st.lists(st.tuples(st.integers(-3, 15), st.integers(-3, 15), st.text(max_size=4))))
def test_what_is_placed_fits(text: str, given_marks: list[tuple[int, int, str]]) -> None:
    marks = [Mark(*each) for each in given_marks]

    found = repair_positions(marks, text)

    assert found is None or all(mark.fits(text, gap="") for mark in found)
    assert found is None or [mark.says for mark in found] == [mark.says for mark in marks]


def test_words_that_stand_everywhere_are_not_looked_for_in_some_places_alone() -> None:
    text = "la " * 200 + "end"

    assert repair_positions([Mark(1, 3, "la")], text) is None
    assert repair_positions([Mark(1, 3, "la"), Mark(601, 604, "end")], text) == [
        Mark(0, 2, "la"),
        Mark(600, 603, "end"),
    ]


@pytest.mark.parametrize("says", ["a" * 50_000, "a" * 50_000 + "b", "a"])
def test_a_text_that_repeats_itself_takes_no_long_time(says: str) -> None:
    began = time.perf_counter()

    assert repair_positions([Mark(200_000, 200_001, says)], "a" * 100_000) is None
    assert time.perf_counter() - began < 5

"""The questions that rationales ask a text."""

from datetime import date

import pytest

from ml_backend.errors import SourceError
from ml_backend.sources.writing import Examples, TaskText, rationale


def found(text: str, *phrases: str, language: str = "english") -> list[str]:
    return [match.text for match in TaskText.of(text, language=language).mentions(*phrases)]


@pytest.mark.parametrize(
    ("text", "phrases", "expected"),
    [
        ("I CANCELLED it, cancelling is fine", ("cancel",), ["CANCELLED", "cancelling"]),
        ("my top-ups fail", ("top up",), ["top-ups"]),
        ("please close all my accounts", ("close my account",), []),
        ("Close. My account is fine", ("close my account",), []),
        ("我想退。款项已付，请退款", ("退款",), ["退款"]),
        ("खाता बंद। करें बंद करें", ("बंद करें",), ["बंद करें"]),
        ("uncancelled", ("cancel",), []),
        ("a fee, a fee", ("fee", "charge"), ["fee", "fee"]),
    ],
    ids=["inflections", "hyphen", "a word between", "another sentence", "Chinese", "Hindi", "inside a word", "several"],
)
def test_words_and_phrases_are_found_in_any_inflection_at_the_borders_of_words(
    text: str, phrases: tuple[str, ...], expected: list[str]
) -> None:
    assert found(text, *phrases) == expected


def test_positions_are_those_of_the_text_also_behind_characters_of_two_code_units() -> None:
    (match,) = TaskText.of("😀 Straße gesperrt", language="german").mentions("Straße")
    assert (match.start, match.end, match.text) == (2, 8, "Straße")


def test_each_language_has_its_own_inflections_and_an_unknown_one_is_refused() -> None:
    assert found("Ich kündige den Vertrag", "kündigen", language="german") == ["kündige"]
    assert found("Ich kündige den Vertrag", "kündigen") == []
    with pytest.raises(SourceError, match="language 'klingon' found; wanted one of arabic"):
        TaskText.of("Qapla'", language="klingon")


@pytest.mark.parametrize(
    ("text", "phrase", "language", "is_negated"),
    [
        ("I do not want to cancel", "cancel", "english", True),
        ("I don't want to cancel", "cancel", "english", True),
        ("It is not urgent. Cancel it", "cancel", "english", False),
        ("Not that I mind the price at all, just cancel", "cancel", "english", False),
        ("Cancel it, not the other", "cancel", "english", False),
        ("Ich kündige noch nicht", "kündigen", "german", True),
        ("Ich kündige. Das ist nicht schlimm", "kündigen", "german", False),
    ],
)
def test_negations_count_shortly_before_in_the_same_clause_and_behind_where_the_language_puts_them(
    text: str, phrase: str, language: str, *, is_negated: bool
) -> None:
    matches = TaskText.of(text, language=language).mentions(phrase)
    assert (len(matches.negated()), len(matches.affirmed())) == ((1, 0) if is_negated else (0, 1))


@pytest.mark.parametrize(
    ("text", "language", "values"),
    [
        ("1,250.50 and 3, -4 or 1.5", "english", [1250.5, 3, -4, 1.5]),
        ("1.250,50 und 3", "german", [1250.5, 3]),
        ("version 1.2.3, card4you", "english", []),
    ],
)
def test_numbers_have_the_values_that_the_language_writes(text: str, language: str, values: list[float]) -> None:
    assert TaskText.of(text, language=language).numbers().values == values


@pytest.mark.parametrize(
    ("text", "language", "month_first", "expected"),
    [
        ("due 2026-11-30", "english", False, [date(2026, 11, 30)]),
        ("am 3.4.26", "german", False, [date(2026, 4, 3)]),
        ("4/3/2026", "english", True, [date(2026, 4, 3)]),
        ("5th of May 2026, May 7, 2026", "english", False, [date(2026, 5, 5), date(2026, 5, 7)]),
        ("Sept 1 2026 and 2 Oct. 2026", "english", False, [date(2026, 9, 1), date(2026, 10, 2)]),
        ("am 1. März 2026", "german", False, [date(2026, 3, 1)]),
        ("el 3 de mayo de 2026", "spanish", False, [date(2026, 5, 3)]),
        ("2026-02-30, 31.2.2026", "english", False, []),
    ],
)
def test_dates_are_found_as_they_are_written(
    text: str, language: str, expected: list[date], *, month_first: bool
) -> None:
    assert TaskText.of(text, language=language).dates(month_first=month_first).values == expected


def test_a_pattern_ignores_case_and_finds_the_group_that_is_named_mark() -> None:
    matches = TaskText.of("Order AB-12, order CD-34").matching(r"order (?P<mark>[a-z]+-\d+)")
    assert [match.text for match in matches] == ["AB-12", "CD-34"]


def test_matches_near_others_are_counted_in_words() -> None:
    text = TaskText.of("I paid the invoice for the old lamp: 30 euros")
    assert text.mentions("invoice").near(text.numbers(), within_words=4)
    assert not text.mentions("invoice").near(text.numbers(), within_words=3)


def test_fields_are_reached_by_name_and_a_wrong_name_says_which_there_are() -> None:
    text = TaskText.of("subject: Bill\n\nbody: Please check", {"subject": "Bill", "body": "Please check"})
    assert text.field("subject").mentions("bills")
    with pytest.raises(SourceError, match="field 'title' found; this project reads 'subject', 'body'"):
        text.field("title")


def test_closeness_is_only_known_where_vectors_are() -> None:
    examples = Examples("I am angry")
    given = TaskText.of("I am furious", closeness=[0.0] * examples.number + [0.8])
    assert given.closeness(examples) == 0.8
    with pytest.raises(SourceError, match="no closeness is known"):
        TaskText.of("I am furious").closeness(examples)


def test_a_rationale_is_called_like_its_function_and_takes_the_docstring_for_its_reason() -> None:
    @rationale("Billing", when=date(2026, 11, 30))
    def asks(text: TaskText):
        """They ask
        for a receipt."""
        return text.mentions("receipt")

    assert asks(TaskText.of("two receipts"))
    assert (asks.name, asks.reason, asks.when) == ("asks", "They ask for a receipt.", "2026-11-30")

"""Tests of texts of several fields in one."""

import pytest

from ml_backend.domain.field_texts import field_texts, join_fields, readable_text
from ml_backend.domain.snapshot import normal_form


def test_one_field_is_its_text_unchanged() -> None:
    assert join_fields({"text": " a\x1eb\x1f"}) == " a\x1eb\x1f"
    assert field_texts("a: b") == {"": "a: b"}
    assert readable_text("a: b") == "a: b"


@pytest.mark.parametrize(
    "texts",
    [{"subject": "Card lost", "body": "Please help.\n\nThanks"}, {"a": "", "b": "x"}, {"a": "x", "b": "", "c": " "}],
)
def test_fields_come_back_as_they_were_joined(texts: dict[str, str]) -> None:
    assert field_texts(join_fields(texts)) == texts


def test_a_separator_in_a_text_cannot_make_a_field() -> None:
    joined = join_fields({"subject": "a\x1ebody\x1fforged", "body": "b"})

    assert field_texts(joined) == {"subject": "a body forged", "body": "b"}


def test_blank_fields_are_a_blank_text() -> None:
    assert join_fields({"subject": " ", "body": "\n"}) == ""


def test_people_read_names_and_texts_in_paragraphs() -> None:
    joined = join_fields({"subject": "Card", "note": " ", "body": "Lost"})

    assert readable_text(joined) == "subject: Card\n\nbody: Lost"
    assert normal_form(joined) == "subject card note body lost"

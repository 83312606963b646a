"""Tables and lists as texts."""

from typing import Any

import pytest

from ml_backend.domain.object_tag import ObjectTag
from ml_backend.tasks.objects import find_objects


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b": "x", "a": 1, "c": {"d": [True, None]}}, 'a: 1\nb: x\nc: {"d": [true, null]}'),
        ([{"q": "Why?", "n": 2}, {"q": "How?"}], "q: Why?; n: 2\nq: How?"),
        (["one", 2, None], "one\n2\n"),
        ('{"a": 1}', "a: 1"),
        ("no JSON", "no JSON"),
        ("[" * 100000, "[" * 100000),
        (None, ""),
        ({"\ud83d": "\ude00"}, "\ufffd: \ufffd"),
    ],
)
def test_a_table_is_read_with_its_keys(value: Any, text: str) -> None:
    kind, shown = find_objects()["Table"], ObjectTag("table", "Table", "item")

    assert kind.text(shown, {"item": value}) == text
    assert kind.text(shown, kind.data(shown, text)) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ([{"id": "a", "title": "One", "body": "first"}, {"id": 2, "html": "<b>x</b>"}], "One: first\n<b>x</b>"),
        (["a", {"id": 1}], "a\n"),
        ("a string", ""),
        ([], ""),
        (None, ""),
    ],
)
def test_a_list_is_read_item_by_item(value: Any, text: str) -> None:
    kind, shown = find_objects()["List"], ObjectTag("results", "List", "items")

    assert kind.text(shown, {"items": value}) == text
    assert kind.text(shown, kind.data(shown, text)) == text

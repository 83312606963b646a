"""The texts that annotators see, as the editor of Label Studio 1.23 resolves a `value` (its `parseValue`)."""

from base64 import b64encode
from typing import Any

import pytest

from ml_backend.domain.object_tag import ObjectTag

DATA: dict[str, Any] = {
    "text": "Anna sleeps",
    "title": "A letter",
    "my text": "with a space",
    "doc": {"text": "in a document", "parts": ["first", "second"], "n": 3},
    "items": [{"text": "of the first"}, {"text": "of the second", "tags": [["a", "b"], []]}],
    "a.b": "of a key with a dot",
    "a": {"b": "of a path"},
    "number": 7,
    "price": 3.0,
    "ratio": 0.25,
    "flag": True,
    "nothing": None,
    "list": ["one", 2, None, ["x", "y"]],
}


def tag(field: str | None, encoding: str = "none") -> ObjectTag:
    return ObjectTag("text", "Text", field, {"encoding": encoding})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("$text", "Anna sleeps"),
        ("$my text", "with a space"),
        ("$doc.text", "in a document"),
        ("$doc.parts[1]", "second"),
        ("$doc[parts][0]", "first"),
        ("$items[0].text", "of the first"),
        ("$items[1].tags", "a,b,"),
        ("$items.1.text", "of the second"),
        ("$a.b", "of a key with a dot"),
        ("$list", "one,2,,x,y"),
        ("$number", "7"),
        ("$price", "3"),
        ("$ratio", "0.25"),
        ("$flag", "true"),
        ("$title: $text", "A letter: Anna sleeps"),
        ("Subject: $title\n\n$doc.text", "Subject: A letter\n\nin a document"),
        ("<$text>", "<Anna sleeps>"),
        (" $title\n$text ", " A letter\nAnna sleeps "),
        ("$title $gone, $nothing, $number, $doc", "A letter undefined, null, 7, [object Object]"),
    ],
)
def test_the_text_is_what_the_editor_shows(value: str, text: str) -> None:
    assert tag(ObjectTag.field_of(value)).text(DATA) == text


@pytest.mark.parametrize(
    "value",
    [
        *("$gone", "$nothing", "$doc", "$items", "$items[9].text", "$items[text]", "$doc.text.more", "$doc.gone.text"),
        *("$text[0]", "$items[]", "$.text", "$gone and $nothing", "$items[99999999999999999999]", "$["),
    ],
)
def test_there_is_no_text_where_nothing_of_it_is_in_the_data(value: str) -> None:
    assert tag(ObjectTag.field_of(value)).text(DATA) == ""


def test_lists_may_lie_in_one_another_at_any_depth() -> None:
    deep: list[Any] = ["a", []]
    for _ in range(50_000):
        deep = [deep]

    assert tag("text").text({"text": deep}) == "a,"
    assert tag("text").text({"text": [[{"a": "b"}]]}) == ""


@pytest.mark.parametrize(
    ("text", "encoding", "charset"),
    [
        ("Straße 1", "base64", "latin-1"),
        ("Straße 👩‍👩‍👧", "base64unicode", "utf-8"),
        ("हिन्दी", "base64unicode", "utf-8"),
    ],
)
def test_an_encoded_text_is_decoded(text: str, encoding: str, charset: str) -> None:
    code = b64encode(text.encode(charset)).decode()

    assert tag("doc.code", encoding).text({"doc": {"code": code}}) == text
    assert tag("code", encoding).text({"code": f" {code.rstrip('=')[:4]}\n{code.rstrip('=')[4:]}"}) == text
    assert tag("doc.code", encoding).text(tag("doc.code", encoding).data(text)) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a \ud83d b", "a \ufffd b"),
        ("\ude00\ud83d", "\ufffd\ufffd"),
        ("ends in \udbff", "ends in \ufffd"),
        ("whole \U0001f600", "whole \U0001f600"),
    ],
)
def test_half_of_a_surrogate_pair_is_replaced_where_it_stands(text: str, shown: str) -> None:
    assert tag("text").text({"text": text}) == shown
    assert tag("$text").text({"text": text}) == shown


@pytest.mark.parametrize("code", ["a", "not base64!", "ünïcode", "/w=="])
def test_what_is_not_encoded_as_it_should_be_is_no_text(code: str) -> None:
    assert tag("code", "base64unicode").text({"code": code}) == ""


@pytest.mark.parametrize(
    ("value", "field", "keys"),
    [
        ("$text", "text", ("text",)),
        (" $my text ", "my text", ("my text",)),
        ("$doc.text", "doc.text", ("doc",)),
        ("$items[0].text", "items[0].text", ("items",)),
        ("$title: $doc.text", "$title: $doc.text", ("title", "doc")),
        ("To: $name", "To: $name", ("name",)),
        ("$текст", "текст", ("текст",)),
    ],
)
def test_a_field_is_called_by_its_path_and_what_is_put_together_by_all_of_it(
    value: str, field: str, keys: tuple[str, ...]
) -> None:
    assert ObjectTag.field_of(value) == field
    assert tag(field).keys == keys
    assert tag(field).is_in(dict.fromkeys(keys))
    assert not tag(field).is_in({})


@pytest.mark.parametrize("value", ["", "$", "The same for all", "5 $", "100 $ each"])
def test_a_constant_is_no_field(value: str) -> None:
    constant = tag(ObjectTag.field_of(value))
    assert (constant.field, constant.written, constant.keys) == (None, "", ())
    assert constant.is_in({})
    assert constant.text({"text": "x"}) == ""
    assert constant.data("x") == {}


@pytest.mark.parametrize(
    ("field", "data"),
    [
        ("text", {"text": "x"}),
        ("my text", {"my text": "x"}),
        ("doc.text", {"doc": {"text": "x"}}),
        ("items[2].text", {"items": [{}, {}, {"text": "x"}]}),
        ("a[0][1]", {"a": [[{}, "x"]]}),
        ("$title: $body", {"$title: $body": "x"}),
    ],
)
def test_data_can_be_made_of_a_text(field: str, data: dict[str, Any]) -> None:
    assert tag(field).data("x") == data
    assert tag(field).text(data) == "x"

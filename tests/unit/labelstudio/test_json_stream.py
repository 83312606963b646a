"""JSON as tools write it: every value as it is meant, whatever the pieces it comes in."""

import io
import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ml_backend.errors import PayloadError
from ml_backend.labelstudio.files.notes import FileNotes
from ml_backend.labelstudio.json_stream import NotJson, json_decoder, stream_objects

MAX_DEPTH = 200


class Pieces(io.StringIO):
    """A text that comes in small pieces, however much is asked for."""

    def read(self, size: int | None = -1, /) -> str:
        return super().read(min(size or 0, 3))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(
    items=st.lists(st.dictionaries(st.text(), VALUES, max_size=3), max_size=3),
    ascii_only=st.booleans(),
    indent=st.sampled_from([None, 1]),
)
@example([{"a": []}, {"a": [{}]}, {}], True, 1)
@example([{"[": "]{", 'q"': '\\"', "": "\\"}], True, None)
def test_any_object_survives_in_a_list_and_in_lines(
    items: list[dict[str, Any]], ascii_only: bool, indent: int | None
) -> None:
    text = json.dumps(items, ensure_ascii=ascii_only, indent=indent)
    lines = "\r\n".join(json.dumps(item, ensure_ascii=ascii_only) for item in items)

    assert list(stream_objects(Pieces(text))) == items
    assert not items or list(stream_objects(Pieces(lines))) == items


@pytest.mark.parametrize(
    ("escaped", "read", "halves"),
    [
        (r"\ud83d\ude00", "\U0001f600", 0),
        (r"\uD83D\uDE00 \ud83d\udc69", "\U0001f600 \U0001f469", 0),
        (r"\\\ud83d\ude00", "\\\U0001f600", 0),
        (r"\\ud83d\\ude00", r"\ud83d\ude00", 0),
        (r"\ud83d", "\ufffd", 1),
        (r"a\ude00b", "a\ufffdb", 1),
        (r"\ud83dx\ude00", "\ufffdx\ufffd", 2),
        (r"\ude00\ud83d", "\ufffd\ufffd", 2),
        (r"\ud83d\ud83d\ude00", "\ufffd\U0001f600", 1),
        (r"\ud83d\u0041", "\ufffdA", 1),
        (r"\\ud83d\ude00", "\\ud83d\ufffd", 1),
        (r"\u0000", "\x00", 0),
        ("a\tb\nc", "a\tb\nc", 0),
    ],
)
def test_pairs_are_joined_and_halves_of_them_stand_for_one_unknown_character_each(
    escaped: str, read: str, halves: int
) -> None:
    notes = FileNotes()

    (item,) = stream_objects(Pieces(f'[{{"text": "{escaped}", "{escaped}": []}}]'), notes)

    assert item == {"text": read, read: []}
    assert notes.half_characters == 2 * halves


@pytest.mark.parametrize(
    "text", ['"text"', "5", "", "[1] 2", "[1][2]", "<html>", "[{}]]", "[{}", "[{},]", "[,]", "{} 1"]
)
def test_what_is_no_list_of_objects_is_refused(text: str) -> None:
    with pytest.raises(PayloadError):
        list(stream_objects(Pieces(text)))


def test_text_is_told_from_json_that_cannot_be_read() -> None:
    decode = json_decoder()

    assert decode('\r\n [1, {"a": NaN}] ') == [1, {"a": None}]
    assert decode("[" * MAX_DEPTH + "]" * MAX_DEPTH) is not None
    for text in ("[1] said he", "{...}", "[", "[" * MAX_DEPTH, "{]"):
        with pytest.raises(NotJson):
            decode(text)
    for text in ("[" * 100_000, "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), "[" + "9" * 5000 + "]"):
        with pytest.raises(PayloadError) as caught:
            decode(text)
        assert not isinstance(caught.value, NotJson)

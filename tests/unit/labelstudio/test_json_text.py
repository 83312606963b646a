"""JSON from outside: read within bounds."""

import json

import pytest

from ml_backend.errors import PayloadError
from ml_backend.labelstudio.json_text import read_json

DEEP = {
    "arrays": b"[" * 300 + b"]" * 300,
    "objects": b'{"a":' * 300 + b"1" + b"}" * 300,
    "both": b'[{"a":' * 150 + b"1" + b"}]" * 150,
    "arrays without an end": b"[" * 100_000,
    "objects without an end": b'{"a":' * 100_000,
    "beside half a pair": b'{"text":"\\ud800","result":' + b"[" * 5000 + b"]" * 5000 + b"}",
    "after brackets in a text": b'["]]]]]]]]", ' + b"[" * 300 + b"]" * 301,
}


@pytest.mark.parametrize("text", DEEP.values(), ids=DEEP)
def test_what_is_nested_too_deeply_is_refused(text: bytes) -> None:
    with pytest.raises(PayloadError, match="nested more than 200 deep"):
        read_json(text)


@pytest.mark.parametrize(
    "value",
    [
        [[[[[[[[[[{"a": [1, 2.5, -3e10, True, None]}]]]]]]]]]],
        {"text": "[[[[[" * 1000, '"\\': "\\"},
        "Grüße 😀 \0",
        2**63,
        10**19,
        -(10**30),
        "half \ud800 pair \udc00, whole \U0001f600, and \\ud800 spelt out",
    ],
)
def test_everything_else_reads_as_python_reads_it(value: object) -> None:
    text = json.dumps(value)

    assert read_json(text.encode()) == json.loads(text)


def test_characters_need_not_be_escaped() -> None:
    assert read_json('{"Grüße": "😀"}'.encode()) == {"Grüße": "😀"}


@pytest.mark.parametrize(
    "text", [b"", b"{", b"NaN}", b"{} {}", b"\xff", b'"\xed\xa0\x80"', b'"\\ud8"', b'["\\ud800"', b"1" * 5000, b"01"]
)
def test_what_is_no_json_is_said_to_be_none(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_json(text)

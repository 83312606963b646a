"""HTML as a text, and pieces of it at the places that Label Studio's editor counts (recorded from it in a browser)."""

from typing import Any

import pytest

from ml_backend.domain.object_tag import ObjectTag
from ml_backend.tasks.objects import find_objects

KIND = find_objects()["HyperText"]
SHOWN = ObjectTag("text", "HyperText", "html")
GUIDE = (
    "<h1>Kite 🪁 guide &amp; more</h1>\r\n<p>By <b>Lena <i>Brandt</i></b>, Oslo&nbsp;office.</p>"
    "<p>Third &lt;x&gt; part</p>"
)
MORE = (
    "<style>p{color:red}</style><script>1</script><!-- hidden --><p>x&nbsp;y <br/>z "
    '<span style="display:none">gone</span>end</p>\n  <ul><li>one</li><li>two</li></ul>'
)


def text_of(html: Any) -> str:
    return KIND.text(SHOWN, {"html": html})


@pytest.mark.parametrize(
    ("html", "start", "end", "piece"),
    [
        (GUIDE, 23, 34, "Lena Brandt"),
        (GUIDE, 7, 19, "guide & more"),
        (GUIDE, 36, 40, "Oslo"),
        (GUIDE, 48, 62, "Third <x> part"),
        (MORE, 11, 14, "end"),
        (MORE, 20, 23, "two"),
        ("<p>a</p><style>p{}</style><p>end</p>", 4, 7, "end"),
        ("\n  <p>x</p> end", 2, 5, "end"),
        ("<pre>\nabc end</pre>", 4, 7, "end"),
        ("<p>a</p><script>var b</script>end", 1, 4, "end"),
        ("<p>a</p><title>T</title>end", 2, 5, "end"),
        ("<table><tr><td>a</td>\n<td>end</td></tr></table>", 2, 5, "end"),
        ("&#127937; &euro; &amp;amp; end", 10, 13, "end"),
        ("<p>a</p><textarea>in</textarea>end", 3, 6, "end"),
        ('<p>a<img alt="zz"/>end</p>', 1, 4, "end"),
        ("<p>a<p>b<div>end", 2, 5, "end"),
        ("a<!-- b -->end", 1, 4, "end"),
        ("<body>a</body>end", 1, 4, "end"),
        ("<html>\n<head>\n</head>\n<body>\n<p>end</p></body></html>", 1, 4, "end"),
        ("Plain & text <3 with\r\nline 🪁 end", 28, 31, "end"),
        ("<html><head><title>T</title></head><body><p>one</p><p>two 🪁 end</p></body></html>", 9, 12, "end"),
    ],
)
def test_places_are_counted_as_the_editor_counts_them(html: str, start: int, end: int, piece: str) -> None:
    text = text_of(html)
    found = KIND.marked({"globalOffsets": {"start": start, "end": end}, "text": piece}, text)

    assert found is not None
    assert text[found["start"] : found["end"]] == piece
    assert KIND.place(found["start"], found["end"], text) == {
        "start": "",
        "end": "",
        "startOffset": 0,
        "endOffset": 0,
        "globalOffsets": {"start": start, "end": end},
        "text": piece,
    }


def test_blocks_are_told_apart_where_the_editor_counts_nothing_between_them() -> None:
    text = text_of("<table><tr><td>Name</td><td>Bob</td></tr></table><p>a<b>b</b></p> c")

    assert text == "Name\u2029Bob\u2029ab c"
    assert text_of(KIND.data(SHOWN, text)["html"]) == text
    across = KIND.place(2, 6, text)
    assert across is not None
    assert (across["globalOffsets"], across["text"]) == ({"start": 2, "end": 5}, "meB")
    assert KIND.place(4, 5, text) is None


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ({"start": 2, "end": 4, "text": "cd"}, (2, 4)),
        ({"globalOffsets": {"start": 2, "end": 99}}, (-1, -1)),
        ({"globalOffsets": {"start": 3, "end": 3}}, (-1, -1)),
        ({"globalOffsets": {"start": -1, "end": 3}}, (-1, -1)),
        ({"start": "/p[1]/text()[1]", "end": "/p[1]/text()[1]", "startOffset": 0, "text": "ab"}, (-1, -1)),
        ({"start": "/p[1]/text()[1]", "end": "/p[1]/text()[1]", "startOffset": 0}, None),
        ({"globalOffsets": {"start": "2", "end": "4"}}, None),
        ({}, None),
    ],
)
def test_other_places_are_read_where_they_can_be(value: dict[str, Any], place: tuple[int, int] | None) -> None:
    found = KIND.marked(value, "abcdef")

    assert (None if found is None else (found["start"], found["end"])) == place


@pytest.mark.parametrize(
    ("html", "text"),
    [
        (None, ""),
        ("", ""),
        ("<!-- nothing -->", ""),
        ("<p></p>", ""),
        (["a", "b"], "a,b"),
        ("a\ud83db", "a\ufffdb"),
        ("a\x00b", "a\ufffdb"),
        ("a\u2029b", "a\u2028b"),
        ('<meta charset="latin-1">é', "é"),
        ("<iframe>x</iframe>y<template>z</template>", "y"),
        ("<b>" * 2000 + "deep", "deep"),
        ("shown" + "<b>" * 5000 + "deep", ""),
        ("<!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><p>&a;</p>", "]>&a;"),
    ],
)
def test_whatever_a_task_holds_is_a_text(html: Any, text: str) -> None:
    assert text_of(html).replace("\u2029", "") == text

"""Further places of what was drawn, as the editor's Auto-Annotation asks for them."""

from typing import Any

import pytest

from ml_backend.domain.annotation import Region
from ml_backend.labelstudio.config.parse import parse_label_config
from ml_backend.tasks import ServingPlan, serving_plan
from ml_backend.tasks.occurrences import MOST_MARKS, drawn_regions, further_marks

LABELS = '<Label value="PER"/><Label value="ORG"/>'
PLAN = serving_plan(
    parse_label_config(
        f'<View><Text name="text" value="$text"/><Labels name="ner" toName="text">{LABELS}</Labels></View>'
    )
)


def drawn(text: str, piece: str, label: str = "PER") -> Region:
    start = text.index(piece)
    value = {"start": start, "end": start + len(piece), "text": piece, "labels": [label]}
    return {"id": "uBe", "from_name": "ner", "to_name": "text", "type": "labels", "origin": "manual", "value": value}


def places(text: str, piece: str) -> list[int]:
    return [region["value"]["start"] for region in further_marks(PLAN, [drawn(text, piece)], text)]


@pytest.mark.parametrize(
    ("text", "piece", "found"),
    [
        ("Jon met jon, Jonas and Jon.", "Jon", [23]),
        ("Jon alone", "Jon", []),
        ("C++ and C++, not C", "C++", [8]),
        ("a-b a-b-c xa-b", "a-b", [4]),
        ("🪁 Oslo 👩‍🚀 Oslo", "Oslo", [11]),
        ("東京は東京だ", "東京", [3]),
        ("อยู่กรุงเทพและกรุงเทพ", "กรุงเทพ", [14]),
        ("서울에 가고 서울을", "서울", [7]),
        ("ดีดีน", "ดี", [2]),
        ("รักที่รักษ์รัก", "รัก", [6, 11]),
        ("राम और रामा और राम।", "राम", [15]),
        ("של שלום של", "של", [8]),
        ("cafe cafe\u0301 cafe", "cafe", [11]),
        ("👩 👩\u200d🚀 🚀 👩", "👩", [8]),
        ("🚀 👩\u200d🚀 🚀", "🚀", [6]),
        ("👍 👍🏽 👍", "👍", [5]),
        ("aa aa aa", "aa aa", []),
        ("Jon\u2029Jon", "Jon", [4]),
    ],
)
def test_whole_words_are_found_again_in_their_case(text: str, piece: str, found: list[int]) -> None:
    assert places(text, piece) == found


def test_marks_carry_the_drawn_label_and_ids_of_their_own() -> None:
    text = "Acme and Acme and Acme"

    regions = further_marks(PLAN, [drawn(text, "Acme", "ORG")], text)

    assert [region["value"] for region in regions] == [
        {"start": start, "end": start + 4, "text": "Acme", "labels": ["ORG"]} for start in (9, 18)
    ]
    assert [region["id"] for region in regions] == ["uBe-ner-0", "uBe-ner-1"]
    assert further_marks(PLAN, [drawn(text, "Acme", "gone")], text) == []


def test_a_text_of_one_word_gets_a_bounded_number_of_marks() -> None:
    assert len(places("a " * 10_000, "a")) == MOST_MARKS


def test_places_in_a_dialogue_are_the_dialogue_s_own() -> None:
    plan: ServingPlan = serving_plan(
        parse_label_config(
            '<View><Paragraphs name="talk" value="$talk"/>'
            f'<ParagraphLabels name="ner" toName="talk">{LABELS}</ParagraphLabels></View>'
        )
    )
    turns = [{"author": "Jon", "text": "🪁 Jon?"}, {"author": "Bot", "text": "🪁🪁 Jon!"}]
    value = {"start": "0", "end": "0", "startOffset": 3, "endOffset": 6, "text": "Jon", "paragraphlabels": ["PER"]}
    region = {"id": "x", "from_name": "ner", "to_name": "talk", "type": "paragraphlabels", "value": value}

    (further,) = further_marks(plan, [region], plan.text({"talk": turns}))

    assert further["value"] == {**value, "start": "1", "end": "1", "startOffset": 5, "endOffset": 8}


@pytest.mark.parametrize(
    ("params", "regions"),
    [
        (None, None),
        ({}, None),
        ({"context": None}, None),
        ({"context": []}, None),
        ({"context": {"result": "x"}}, None),
        ({"context": {"result": []}}, ()),
        ({"context": {"result": [7, {"id": "a"}]}}, ({"id": "a"},)),
    ],
)
def test_what_was_drawn_is_read_from_a_request_of_any_shape(params: Any, regions: tuple[Region, ...] | None) -> None:
    assert drawn_regions(params) == regions

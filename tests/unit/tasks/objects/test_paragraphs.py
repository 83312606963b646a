"""Dialogues as texts, and pieces of them at the places that Label Studio's editor counts (recorded from it)."""

from typing import Any

import pytest

from ml_backend.domain.object_tag import ObjectTag
from ml_backend.tasks.objects import find_objects

KIND = find_objects()["Paragraphs"]
SHOWN = ObjectTag("dialogue", "Paragraphs", "talk")
TALK = [
    {"author": "Mira", "text": "Hi 🪁, is Oslo open on Monday?"},
    {"author": "Bot", "text": "Yes — ask Lena Brandt 👩‍🚀 there.\r\nSee you\nsoon"},
    {"author": "Mira", "text": "Thanks <b>a lot</b> &amp; bye"},
]
TEXT = KIND.text(SHOWN, {"talk": TALK})


def test_a_model_reads_who_says_what() -> None:
    assert "\u2029".join(f"{turn['author']}:\u2028{turn['text']}" for turn in TALK) == TEXT
    assert KIND.data(SHOWN, TEXT) == {"talk": TALK}


@pytest.mark.parametrize(
    ("turn", "start", "end", "piece"),
    [(0, 10, 14, "Oslo"), (0, 23, 29, "Monday"), (1, 28, 34, "there."), (1, 44, 48, "soon"), (2, 12, 15, "lot")],
)
def test_places_are_counted_as_the_editor_counts_them(turn: int, start: int, end: int, piece: str) -> None:
    value = {"start": str(turn), "end": str(turn), "startOffset": start, "endOffset": end, "text": piece}
    found = KIND.marked({**value, "text": "whatever"}, TEXT)

    assert found is not None
    assert TEXT[found["start"] : found["end"]] == piece
    assert "text" not in found
    assert KIND.place(found["start"], found["end"], TEXT) == value


def test_a_piece_may_span_turns_and_names_are_no_part_of_it() -> None:
    value = {"start": "0", "end": "1", "startOffset": 10, "endOffset": 3}
    found = KIND.marked(value, TEXT)

    assert found is not None
    assert TEXT[found["start"] : found["end"]] == "Oslo open on Monday?\u2029Bot:\u2028Yes"
    assert KIND.place(found["start"], found["end"], TEXT) == {**value, "text": "Oslo open on Monday?Yes"}
    name = TEXT.index("Bot")
    assert KIND.place(name, name + 3, TEXT) is None
    assert KIND.place(name, name + 8, TEXT) == {
        "start": "1",
        "end": "1",
        "startOffset": 0,
        "endOffset": 3,
        "text": "Yes",
    }


@pytest.mark.parametrize(
    ("value", "is_read"),
    [
        ({"start": 0, "end": 0, "startOffset": 10, "endOffset": 14}, True),
        ({"start": "0", "end": "0", "startOffset": 0, "endOffset": 4}, False),  # half an emoji
        ({"start": "7", "end": "7", "startOffset": 0, "endOffset": 3}, False),
        ({"start": "0", "end": "0", "startOffset": 0, "endOffset": 300}, False),
        ({"start": "0", "end": "0", "startOffset": 4, "endOffset": 4}, False),
        ({"start": "1", "end": "0", "startOffset": 0, "endOffset": 4}, False),
        ({"start": "-1", "end": "0", "startOffset": 0, "endOffset": 4}, None),
        ({"start": "0", "end": "0"}, None),
        ({"globalOffsets": {"start": 0, "end": 4}}, None),
    ],
)
def test_places_outside_the_dialogue_are_known_to_be(value: dict[str, Any], is_read: bool | None) -> None:
    found = KIND.marked(value, TEXT)

    assert (None if found is None else found["start"] >= 0) is is_read


@pytest.mark.parametrize(
    ("talk", "text"),
    [
        (None, ""),
        ("a string", ""),
        ({"author": "a"}, ""),
        ([], ""),
        ([{"author": "a", "text": " "}, {"author": "b"}], ""),
        ([{"text": "x"}, "no turn", {"author": "b", "text": 5}], "\u2028x\u2029\u2028\u2029b:\u20285"),
        ([{"author": "a\u2028b", "text": "x\u2029y\ud83d"}], "a b:\u2028x\u2028y\ufffd"),
    ],
)
def test_whatever_a_task_holds_is_a_text(talk: Any, text: str) -> None:
    assert KIND.text(SHOWN, {"talk": talk}) == text


def test_the_keys_are_those_of_the_label_config() -> None:
    shown = ObjectTag("chat", "Paragraphs", "log.turns", {"namekey": "role", "textkey": "content"})
    data = {"log": {"turns": [{"role": "user", "content": "Any tea left?"}]}}

    assert KIND.text(shown, data) == "user:\u2028Any tea left?"
    assert KIND.data(shown, KIND.text(shown, data)) == data

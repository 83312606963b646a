"""`<Paragraphs>`: a dialogue, read with who says what.

A row's text has the turns, with a paragraph separator (U+2029) between two of them, and in each the speaker's name, a
colon and a line separator (U+2028) before what is said. Label Studio counts positions in what is said, turn by turn, in
UTF-16: an emoji is two or more. A position inside one would make the whole project unreadable, and cannot come up here.
"""

from collections.abc import Mapping
from itertools import accumulate
from typing import Any

from ...domain.conversation import NAME_END, TURN_END
from ...domain.object_tag import ObjectTag, as_text
from .base import ObjectKind

__all__: list[str] = []


class DialogueObject(ObjectKind):
    """A list of objects that each hold a speaker's name and what is said."""

    tag = "Paragraphs"
    marking = "ParagraphLabels"

    def text(self, shown: ObjectTag, data: Mapping[str, Any]) -> str:
        value = shown.value(data)
        turns = [_turn(shown, turn) for turn in value] if isinstance(value, list) else []
        return TURN_END.join(_line(*turn) for turn in turns) if any(said.strip() for _, said in turns) else ""

    def data(self, shown: ObjectTag, text: str) -> dict[str, Any]:
        name_key, text_key = _keys(shown)
        turns = []
        for line in text.split(TURN_END):
            name, _, said = line.partition(NAME_END) if NAME_END in line else ("", "", line)
            turns.append({name_key: name.removesuffix(":"), text_key: said})
        return shown.data_holding(turns)

    def marked(self, value: Mapping[str, Any], text: str) -> dict[str, Any] | None:
        """Return the place by turns and UTF-16 positions; the text that the region repeats is never trusted.

        The editor mixes time stamps into it where it spans turns, and counts wrongly after a line end.
        """
        turns = _turns(text)
        start = _position(turns, value.get("start"), value.get("startOffset"))
        end = _position(turns, value.get("end"), value.get("endOffset"))
        if start is None or end is None:
            return None
        return {"start": start, "end": end} if 0 <= start < end else {"start": -1, "end": -1}

    def place(self, start: int, end: int, text: str) -> dict[str, Any] | None:
        inside = [
            (number, max(start - first, 0), min(end - first, len(said)))
            for number, (first, said) in enumerate(_turns(text))
            if start < first + len(said) and end > first
        ]
        if not inside:
            return None
        (first_turn, start_at, _), (last_turn, _, end_at) = inside[0], inside[-1]
        turns = [said for _, said in _turns(text)]
        pieces = [turns[number][start_at if number == first_turn else 0 :] for number, _, _ in inside]
        pieces[-1] = turns[last_turn][start_at if len(inside) == 1 else 0 : end_at]
        return {
            "start": str(first_turn),
            "end": str(last_turn),
            "startOffset": _utf16_length(turns[first_turn][:start_at]),
            "endOffset": _utf16_length(turns[last_turn][:end_at]),
            "text": "".join(pieces),
        }


def _keys(shown: ObjectTag) -> tuple[str, str]:
    return shown.attributes.get("namekey") or "author", shown.attributes.get("textkey") or "text"


def _turn(shown: ObjectTag, turn: object) -> tuple[str, str]:
    """Return a speaker's name and what is said; both are empty where the turn is no object, which has its number."""
    if not isinstance(turn, Mapping):
        return "", ""
    name, said = (as_text(turn.get(key)).replace(TURN_END, NAME_END) for key in _keys(shown))
    return name.replace(NAME_END, " "), said


def _line(name: str, said: str) -> str:
    return f"{name}:{NAME_END}{said}" if name else f"{NAME_END}{said}"


def _turns(text: str) -> list[tuple[int, str]]:
    """Return where in the text what is said in each turn begins, and what is said."""
    lines = text.split(TURN_END)
    starts = accumulate((len(line) + 1 for line in lines[:-1]), initial=0)
    says = [(line.find(NAME_END) + 1, line) for line in lines]
    return [(start + at, line[at:]) for start, (at, line) in zip(starts, says, strict=True)]


def _position(turns: list[tuple[int, str]], number: object, offset: object) -> int | None:
    """Return the position in the text; -1 where it is outside a turn or inside a character, None where it is none."""
    is_number = type(number) is int or (isinstance(number, str) and number.isdecimal() and number.isascii())
    if not is_number or type(offset) is not int:
        return None
    index = int(str(number)[:9])
    if not 0 <= index < len(turns):
        return -1
    first, said = turns[index]
    positions = {0: 0} | {at: place for place, at in enumerate(accumulate(map(_utf16_length, said)), start=1)}
    return first + positions[offset] if offset in positions else -1


def _utf16_length(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2

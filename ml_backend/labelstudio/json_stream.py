"""Decode JSON as real tools write it, small faults included, or refuse it with a message that says what is wrong."""

import json
import math
import re
from collections.abc import Callable, Iterator
from typing import IO, Any

from ..errors import PayloadError
from .files.notes import FileNotes

__all__ = ["NotJson", "json_decoder", "stream_objects"]

MAX_DEPTH = 200
CHARACTERS_AT_ONCE = 1 << 16
CUT_SHORT = "the text ends in the middle of it: it was cut short"
TOO_DEEP = f"more than {MAX_DEPTH} levels inside one another"
CLOSING = {"[": "]", "{": "}"}
# All text up to and including the next bracket outside strings; no bracket where the text ends before one.
UP_TO_BRACKET = re.compile(r'[^"\[\]{}]*+(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"[^"\[\]{}]*+)*+(?:([\[\]{}])|"|\Z)', re.DOTALL)
# Not after two backslashes, the second of which may be an escaped one.
ESCAPED_PAIR = re.compile(r"\\u(?<!\\\\u)[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}")
WHITE_SPACE = re.compile(r"[ \t\r\n]*")
HALF_CHARACTER = re.compile("[\ud800-\udfff]")


class NotJson(PayloadError):
    """The text is not JSON. It may be meant as plain text."""


def json_decoder(notes: FileNotes | None = None) -> Callable[[str], Any]:
    """Return a function that decodes a JSON text. Where an object has a key twice, the last value counts.

    It uses Python's own parser, which joins the escaped halves of a surrogate pair and reads whole numbers of any
    length. Faster parsers turned half a pair into another character, and stopped at 64 bits. The decoder raises
    PayloadError for a text that is not well-formed (then a `NotJson`), is more than `MAX_DEPTH` levels deep, or holds
    a number too long to read.

    Args:
        notes: counts the values that had to be replaced: NaN, infinite numbers, and halves of surrogate pairs.
    """
    decode = _decoder(notes or FileNotes())

    def decode_whole(text: str) -> Any:
        value, end = decode(text, _after_white_space(text, 0))
        if _after_white_space(text, end) < len(text):
            raise NotJson("not well-formed JSON (something follows its end)")
        return value

    return decode_whole


def stream_objects(source: IO[str], notes: FileNotes | None = None) -> Iterator[dict[str, Any]]:
    """Yield the objects of a JSON list, or of a sequence of objects (JSON lines), in constant memory.

    Raises:
        PayloadError: as `json_decoder` says, or the text holds anything but objects, or is cut short; raised when the
            reading gets there.
    """
    text = _Text(source, notes or FileNotes())
    match text.next_character():
        case "[":
            return _listed(text)
        case "{":
            return _one_after_another(text)
        case "":
            raise PayloadError("the text is empty")
        case _:
            raise PayloadError(f"it starts with {text.shown()}")


def _whole_characters(value: Any, notes: FileNotes | None = None) -> Any:
    """Return a JSON value with U+FFFD for every unpaired half of a surrogate pair, so that positions stay right."""
    if isinstance(value, str):
        if value.isascii():
            return value
        whole, count = HALF_CHARACTER.subn("\ufffd", value)
        if notes is not None:
            notes.half_characters += count
        return whole
    if isinstance(value, dict):
        return {_whole_characters(key, notes): _whole_characters(each, notes) for key, each in value.items()}
    return [_whole_characters(each, notes) for each in value] if isinstance(value, list) else value


def _listed(text: "_Text") -> Iterator[dict[str, Any]]:
    text.take()
    if text.next_character() == "]":
        text.take()
    else:
        while True:
            yield text.take_object()
            mark = text.take()
            if mark == "]":
                break
            if mark != ",":
                raise PayloadError(f"{mark!r} found after an item of the list; wanted a comma or the list's end")
    if text.next_character():
        raise PayloadError(f"{text.shown()} found after the end of the list; wanted nothing")


def _one_after_another(text: "_Text") -> Iterator[dict[str, Any]]:
    while text.next_character():
        yield text.take_object()


class _Text:
    """A text that is read piece by piece; parts that were taken are dropped from memory."""

    def __init__(self, source: IO[str], notes: FileNotes) -> None:
        self._source, self._decode = source, _decoder(notes)
        self._text, self._at = "", 0

    def next_character(self) -> str:
        """Return the next character that is not white space, without taking it; "" at the end."""
        while True:
            self._at = _after_white_space(self._text, self._at)
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._read_on():
                return ""

    def take(self) -> str:
        """Take the next character that is not white space.

        Raises:
            PayloadError: the text has ended.
        """
        character = self._peeked()
        self._at += 1
        return character

    def take_object(self) -> dict[str, Any]:
        """Take the next object.

        Raises:
            PayloadError: no object follows, or not a whole one.
        """
        if self._peeked() != "{":
            raise PayloadError(f"{self.shown()} found; wanted an object, {{...}}")
        value: dict[str, Any]
        while True:
            try:
                value, self._at = self._decode(self._text, self._at)
            except NotJson:
                if _is_whole(self._text, self._at):
                    raise
                if not self._read_on():
                    raise PayloadError(CUT_SHORT) from None
            else:
                return value

    def shown(self) -> str:
        """Return the beginning of the remaining text, for a message."""
        beginning = self._text[self._at : self._at + 40]
        return repr(beginning) + "..." * (len(self._text) > self._at + 40)

    def _peeked(self) -> str:
        if not (character := self.next_character()):
            raise PayloadError(CUT_SHORT)
        return character

    def _read_on(self) -> bool:
        """Read as much again as is waiting, so that the total work stays linear in the length; False at the end."""
        waiting = self._text[self._at :]
        more = self._source.read(max(CHARACTERS_AT_ONCE, len(waiting)))
        self._text, self._at = waiting + more, 0
        return bool(more)


def _after_white_space(text: str, at: int) -> int:
    match = WHITE_SPACE.match(text, at)
    return match.end() if match else at


def _is_whole(text: str, start: int) -> bool:
    """False where the text ends before the object that starts there does, judged by the brackets."""
    open_brackets: list[str] = []
    for match in UP_TO_BRACKET.finditer(text, start):
        bracket = match[1]
        if bracket is None:
            return False
        if bracket in CLOSING:
            open_brackets.append(CLOSING[bracket])
        elif open_brackets.pop() != bracket or not open_brackets:
            return True
    return False


def _depth(text: str) -> int:
    """Return the greatest depth of nested brackets in well-formed JSON."""
    depth = deepest = 0
    if text.count("[") + text.count("{") > MAX_DEPTH:
        for match in UP_TO_BRACKET.finditer(text):
            depth += 0 if match[1] is None else 1 if match[1] in CLOSING else -1
            deepest = max(deepest, depth)
    return deepest


def _decoder(notes: FileNotes) -> Callable[[str, int], tuple[Any, int]]:
    """Return a function that decodes the value at a position of a text and returns it with the position of its end."""

    def finite(number: str) -> float | None:
        value = float(number)
        if math.isfinite(value):
            return value
        notes.not_numbers += 1
        return None

    # Not strict: line breaks and tabs inside strings are not valid JSON, but their meaning is clear.
    json_value = json.JSONDecoder(parse_float=finite, parse_constant=finite, strict=False).raw_decode

    def decode(text: str, start: int) -> tuple[Any, int]:
        before = notes.not_numbers
        try:
            value, end = json_value(text, start)
        except json.JSONDecodeError as error:
            notes.not_numbers = before
            at = error.pos - start + 1
            raise NotJson(f"not well-formed JSON ({error.msg} at character {at} of it)") from None
        except ValueError:
            raise PayloadError("a whole number of more digits than can be read (4,300)") from None
        except RecursionError:
            raise PayloadError(TOO_DEEP) from None
        source = text[start:end]
        if _depth(source) > MAX_DEPTH:
            raise PayloadError(TOO_DEEP)
        return (_whole_characters(value, notes) if _may_hold_halves(source) else value), end

    return decode


def _may_hold_halves(text: str) -> bool:
    if "\\ud" not in text and "\\uD" not in text:
        return False
    rest = ESCAPED_PAIR.sub("", text)
    return "\\ud" in rest or "\\uD" in rest

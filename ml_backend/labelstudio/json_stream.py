"""JSON as tools really write it: decoded as it is meant, or refused with what is wrong."""

import json
import math
import re
from collections.abc import Callable, Iterator
from typing import IO, Any, TypeAlias

from ..errors import PayloadError
from .file_notes import FileNotes

__all__ = ["MAX_DEPTH", "Decoder", "NotJson", "json_decoder", "stream_objects", "whole_characters"]

Decoder: TypeAlias = Callable[[str], Any]

MAX_DEPTH = 200
CHARACTERS_AT_ONCE = 1 << 16
CUT_SHORT = "the text ends in the middle of it: it was cut short"
TOO_DEEP = f"more than {MAX_DEPTH} levels inside one another"
CLOSING = {"[": "]", "{": "}"}
# Whatever stands before the next bracket outside strings, and that bracket; none where the text ends before.
UP_TO_BRACKET = re.compile(r'[^"\[\]{}]*+(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"[^"\[\]{}]*+)*+(?:([\[\]{}])|"|\Z)', re.DOTALL)
# Not where two backslashes come first, of which the second may be an escaped one.
ESCAPED_PAIR = re.compile(r"\\u(?<!\\\\u)[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}")
WHITE_SPACE = re.compile(r"[ \t\r\n]*")
HALF_CHARACTER = re.compile("[\ud800-\udfff]")


class NotJson(PayloadError):
    """A text is no JSON. It may be meant as it stands."""


def json_decoder(notes: FileNotes | None = None) -> Decoder:
    """What gives the value that a JSON text stands for. Of a key that stands twice the last value counts.

    Python's own parser joins the escaped halves of a surrogate pair as they should be, and reads whole numbers of any
    length; faster ones were seen to make another character of half a pair, and to stop at 64 bits. The decoder raises
    PayloadError for a text that is not well-formed, is more than `MAX_DEPTH` levels deep, or holds a number too long
    to read; the first one is a `NotJson`.

    Args:
        notes: told of what had to be replaced: NaN and infinite numbers, and halves of surrogate pairs.
    """
    decode = _decoder(notes or FileNotes())

    def decode_whole(text: str) -> Any:
        value, end = decode(text, _after_white_space(text, 0))
        if _after_white_space(text, end) < len(text):
            raise NotJson("not well-formed JSON (something follows its end)")
        return value

    return decode_whole


def stream_objects(source: IO[str], notes: FileNotes | None = None) -> Iterator[dict[str, Any]]:
    """The objects of a JSON list, or those that stand one after another (JSON lines), in flat memory.

    Raises:
        PayloadError: as `json_decoder` says, or something else than objects, or cut short; raised when the reading
            gets there.
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


def whole_characters(value: Any, notes: FileNotes | None = None) -> Any:
    """A JSON value with U+FFFD in the place of every half of a surrogate pair, so that positions stay right."""
    if isinstance(value, str):
        if value.isascii():
            return value
        whole, count = HALF_CHARACTER.subn("\ufffd", value)
        if notes is not None:
            notes.half_characters += count
        return whole
    if isinstance(value, dict):
        return {whole_characters(key, notes): whole_characters(each, notes) for key, each in value.items()}
    return [whole_characters(each, notes) for each in value] if isinstance(value, list) else value


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
    """A text that is read piece by piece; what has been taken is forgotten."""

    def __init__(self, source: IO[str], notes: FileNotes) -> None:
        self._source, self._decode = source, _decoder(notes)
        self._text, self._at = "", 0

    def next_character(self) -> str:
        """The next character that is no white space, "" at the end."""
        while True:
            self._at = _after_white_space(self._text, self._at)
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._read_on():
                return ""

    def take(self) -> str:
        """The same, which is over with then.

        Raises:
            PayloadError: the text is over.
        """
        found = self._peeked()
        self._at += 1
        return found

    def take_object(self) -> dict[str, Any]:
        """The object that comes next.

        Raises:
            PayloadError: something else comes, or no whole object.
        """
        if self._peeked() != "{":
            raise PayloadError(f"{self.shown()} found; wanted an object, {{...}}")
        found: dict[str, Any]
        while True:
            try:
                found, self._at = self._decode(self._text, self._at)
            except NotJson:
                if _is_whole(self._text, self._at):
                    raise
                if not self._read_on():
                    raise PayloadError(CUT_SHORT) from None
            else:
                return found

    def shown(self) -> str:
        """What comes next, in short."""
        found = self._text[self._at : self._at + 40]
        return repr(found) + "..." * (len(self._text) > self._at + 40)

    def _peeked(self) -> str:
        if not (found := self.next_character()):
            raise PayloadError(CUT_SHORT)
        return found

    def _read_on(self) -> bool:
        """Read as much as is waiting, so that the work grows with the length alone; False at the end."""
        waiting = self._text[self._at :]
        more = self._source.read(max(CHARACTERS_AT_ONCE, len(waiting)))
        self._text, self._at = waiting + more, 0
        return bool(more)


def _after_white_space(text: str, at: int) -> int:
    found = WHITE_SPACE.match(text, at)
    return found.end() if found else at


def _is_whole(text: str, start: int) -> bool:
    """False where the text is over before the object that starts there is, as far as the brackets tell."""
    open_brackets: list[str] = []
    for found in UP_TO_BRACKET.finditer(text, start):
        bracket = found[1]
        if bracket is None:
            return False
        if bracket in CLOSING:
            open_brackets.append(CLOSING[bracket])
        elif open_brackets.pop() != bracket or not open_brackets:
            return True
    return False


def _depth(text: str) -> int:
    """How many levels of brackets are inside one another at most, in well-formed JSON."""
    depth = deepest = 0
    if text.count("[") + text.count("{") > MAX_DEPTH:
        for found in UP_TO_BRACKET.finditer(text):
            depth += 0 if found[1] is None else 1 if found[1] in CLOSING else -1
            deepest = max(deepest, depth)
    return deepest


def _decoder(notes: FileNotes) -> Callable[[str, int], tuple[Any, int]]:
    """What gives the value that starts somewhere in a text, and where it ends."""

    def finite(number: str) -> float | None:
        value = float(number)
        if math.isfinite(value):
            return value
        notes.not_numbers += 1
        return None

    # Not strict: line breaks and tabs inside strings are no JSON, and nothing else can be meant by them.
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
        found = text[start:end]
        if _depth(found) > MAX_DEPTH:
            raise PayloadError(TOO_DEEP)
        return (whole_characters(value, notes) if _may_hold_halves(found) else value), end

    return decode


def _may_hold_halves(text: str) -> bool:
    if "\\ud" not in text and "\\uD" not in text:
        return False
    rest = ESCAPED_PAIR.sub("", text)
    return "\\ud" in rest or "\\uD" in rest

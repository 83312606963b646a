"""Find the marked pieces of a text whose stored positions do not fit it.

The editor stores the text of a piece beside its positions. Where the two contradict each other, the positions were
counted in another way, or the text was changed afterwards. Every known way to count is tried, and the stored texts
decide between them. Where a doubt remains, nothing is guessed.
"""

import re
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from html import unescape
from itertools import accumulate, islice, product
from unicodedata import category

from ..domain.example import Span
from ..domain.snapshot import normal_form

__all__ = ["Mark", "repair_positions"]

UNITS: tuple[Callable[[str], int], ...] = (
    lambda _: 1,
    lambda letter: 2 if ord(letter) > 0xFFFF else 1,  # UTF-16, as JavaScript and Java count
    lambda letter: len(letter.encode(errors="surrogatepass")),
)
BETWEEN_SPACES = re.compile(r"\S+")
LINE_END = re.compile("\r?\n")
WRITTEN_LINE_END = r"\n"
"""A line end in the text that the editor stores beside the positions: a backslash and a letter."""
LINE_END_WIDTHS = (None, 1, 2)
"""Lengths of a line end that may have been assumed when positions were counted; None: as in the text."""
BEHIND_END = (0, 1)
"""Numbers to add to a span's end; 1 where the end is the position of the last character."""
MOST_SHIFTS = 100


@dataclass(frozen=True, slots=True)
class Mark:
    """A marked piece of a text as it is stored; correct positions count Unicode code points.

    Attributes:
        says: the text of the piece; empty where it was not stored.
    """

    start: int
    end: int
    says: str = ""

    def is_exact(self, text: str) -> bool:
        """True where the text at the positions equals the text of the mark."""
        return 0 <= self.start < self.end <= len(text) and self.says in ("", text[self.start : self.end])

    def fits(self, text: str, gap: str = " ") -> bool:
        """True where they are equal but for white space, case, compatible letters, escapes and invisible characters.

        Args:
            gap: the text that replaces white space between words; "" where it may have been lost.
        """
        if self.is_exact(text):
            return True
        is_inside = 0 <= self.start < self.end <= len(text)
        return is_inside and _plain(text[self.start : self.end], gap) == _plain(self.says, gap)


def repair_positions(marks: Sequence[Mark], text: str) -> list[Mark] | None:
    """Return the marks of one annotation with positions that fit the text; None where one of them is in doubt.

    Positions that fit are right. Otherwise, the positions are recounted in a way by which all marks fit, or else all
    marks are shifted by the same distance. In a text that was edited, a mark belongs where its text occurs, if that is
    only once. Two repairs that differ leave a doubt.
    """
    if all(mark.fits(text, gap="") for mark in marks):
        return list(marks)
    if not any(mark.says for mark in marks):
        return None
    for ways, gap in ((_recounted(marks, text), " "), (_shifted(marks, text), " "), (_searched(marks, text), "")):
        fitting = [way for way in ways if all(mark.fits(text, gap) for mark in way)]
        exact = [way for way in fitting if all(mark.is_exact(text) for mark in way)]
        if repairs := {_places(way, text): way for way in exact or fitting}:
            return repairs.popitem()[1] if len(repairs) == 1 else None
    return None


def _recounted(marks: Sequence[Mark], text: str) -> Iterator[list[Mark]]:
    """Yield the marks with positions that are read in other units, with other line ends, and with inclusive ends."""
    for unit, width in product(UNITS, LINE_END_WIDTHS):
        offsets = _offsets(text, unit, width)
        for more in BEHIND_END:
            yield [
                replace(mark, start=_index(offsets, mark.start), end=_index(offsets, mark.end + more)) for mark in marks
            ]


def _offsets(text: str, unit: Callable[[str], int], line_end: int | None) -> "array[int]":
    """Return the position of each letter, and of the end, in these units and with line ends of this length."""
    widths = array("B", map(unit, text))
    for match in LINE_END.finditer(text):
        if line_end is not None and line_end != len(match[0]):
            widths[match.start()] = line_end - len(match[0][1:])
    return array("q", accumulate(widths, initial=0))


def _index(offsets: "array[int]", position: int) -> int:
    """Return the index of the letter at a position; -1 where the position is outside, or in the middle of a letter."""
    index = bisect_left(offsets, position)
    return index if index < len(offsets) and offsets[index] == position else -1


def _shifted(marks: Sequence[Mark], text: str) -> Iterator[list[Mark]]:
    """Yield the marks, all shifted by the distance between the longest one and a place where its text occurs."""
    longest = max(marks, key=lambda mark: len(mark.says))
    indent = len(longest.says) - len(longest.says.lstrip())
    places = list(islice(_Words(text).places(longest.says), MOST_SHIFTS + 1))
    for start, _ in places if len(places) <= MOST_SHIFTS else ():
        distance = start - indent - longest.start
        yield [replace(mark, start=mark.start + distance, end=mark.end + distance) for mark in marks]


def _searched(marks: Sequence[Mark], text: str) -> Iterator[list[Mark]]:
    """Yield the marks, each that does not fit moved to the only place where its text occurs, if all have one."""
    words, moved = _Words(text), []
    for mark in marks:
        places = [(mark.start, mark.end)] if mark.fits(text, gap="") else list(islice(words.places(mark.says), 2))
        if len(places) != 1 or not mark.says:
            return
        moved.append(replace(mark, start=places[0][0], end=places[0][1]))
    yield moved


class _Words:
    """A text with one space between its words, and the position of each letter in the original text."""

    def __init__(self, text: str) -> None:
        self._spaced = " ".join(text.split())
        self._letters = array("q")
        for word in BETWEEN_SPACES.finditer(text):
            self._letters.extend(range(word.start() - bool(self._letters), word.end()))
        self._has_written_line_ends = WRITTEN_LINE_END in text

    def places(self, says: str) -> Iterator[tuple[int, int]]:
        """Yield start and end of each occurrence in the text, whatever white space it has; occurrences may overlap."""
        piece = " ".join((says if self._has_written_line_ends else says.replace(WRITTEN_LINE_END, " ")).split())
        at = self._spaced.find(piece) if piece else -1
        while at >= 0:
            yield self._letters[at], self._letters[at + len(piece) - 1] + 1
            at = self._spaced.find(piece, at + 1)


def _places(marks: Iterable[Mark], text: str) -> tuple[Span | None, ...]:
    """Return the spans of the marks, without white space at their ends."""
    return tuple(Span(mark.start, mark.end, "").trimmed(text[mark.start : mark.end]) for mark in marks)


def _plain(text: str, gap: str) -> str:
    """Return the visible part of a text, since browsers drop or replace some invisible characters."""
    letters = unescape(text).replace(WRITTEN_LINE_END, " ").replace("\ufffd", "")
    visible = "".join(letter for letter in letters if letter.isspace() or category(letter)[0] != "C")
    return normal_form(visible).replace(" ", gap)

"""Patterns of words and shapes, one a line of a small file."""

import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import regex
from pydantic import BaseModel, ConfigDict

from ...domain.source import AnswerForm, LabelSource
from ...errors import SourceError
from ..language import ENGLISH
from ..text import TaskText
from .base import AskedControl, Loading, SourceKind, Vote, Voter

__all__: list[str] = []

FOLDER = "patterns"
MOST_REPEATS = 10
ELEMENT = re.compile(r"(?P<body>\{[^}]*\}|.+?)(?P<repeat>[?+*]?)")
SHAPES = {"X": r"\p{Lu}", "x": r"\p{Ll}", "d": r"\d", "w": r"\w"}
REPEATS = {"": (1, 1), "?": (0, 1), "+": (1, MOST_REPEATS), "*": (0, MOST_REPEATS)}


class _PatternFacts(BaseModel):
    """The facts of a pattern in a file."""

    model_config = ConfigDict(extra="forbid", strict=True)

    pattern: str
    label: str
    name: str = ""
    control: str | None = None
    language: str = ENGLISH
    reason: str = ""
    by: str = ""
    when: str = ""


class _PatternFile(BaseModel):
    """The patterns of a file."""

    model_config = ConfigDict(extra="forbid", strict=True)

    patterns: list[_PatternFacts]


class Patterns(SourceKind):
    """The patterns in the TOML files of the folder `patterns`, each a table `[[patterns]]`."""

    name = "pattern"

    def load(self, loading: Loading) -> Iterator[Voter]:
        for path in loading.files(FOLDER):
            name = loading.name(path)
            if not loading.begin(name):
                continue
            for number, facts in enumerate(_facts(loading, path), start=1):
                place = f"{name}: pattern {number}"
                try:
                    yield _PatternVoter(facts, loading.control(facts.control), name, number)
                except SourceError as error:
                    loading.fault(name, error, facts.name or place)


def _facts(loading: Loading, path: Path) -> list[_PatternFacts]:
    try:
        return _PatternFile.model_validate(tomllib.loads(path.read_text(encoding="utf-8"))).patterns
    except ValueError as error:  # of TOML, of UTF-8, or of the model
        loading.fault(loading.name(path), " ".join(str(error).split()))
        return []


class _PatternVoter(Voter):
    """One pattern."""

    def __init__(self, facts: _PatternFacts, control: AskedControl, file: str, number: int) -> None:
        self._pattern = _TokenPattern.parse(facts.pattern, facts.language)
        self._label = control.label(facts.label)
        self.control, self.language = control, facts.language
        self.sources = (
            LabelSource(
                facts.name or f"{file} {number}",
                Patterns.name,
                control.name,
                facts.label,
                facts.reason,
                facts.by,
                facts.when,
                file,
            ),
        )

    def votes(self, text: TaskText) -> Iterable[Vote]:
        pieces = self._pattern.find(text)
        if self.control.form is AnswerForm.SPANS:
            return [(0, self._label, start, end) for start, end in pieces]
        return [(0, self._label, 0, 0) for _ in pieces][:1]


class _ReadWords:
    """The words and signs of a text, as patterns read them."""

    def __init__(self, text: TaskText) -> None:
        self.text, self.places, self.stems = text, text.tokens, text.token_stems
        self.by_end = {end: number + 1 for number, (_, end) in enumerate(text.tokens)}

    def __len__(self) -> int:
        return len(self.places)


_Element = Callable[[_ReadWords, int], Iterator[int]]
"""Something that a pattern wants: given the number of a word, it yields that of the word behind it, if it is there."""


def _any_of(choices: Sequence[Sequence[str]]) -> _Element:
    """Return an element for one of several words in any inflection, each in the tokens that it has, as `e-mail`."""

    def ends(words: _ReadWords, at: int) -> Iterator[int]:
        for choice in choices:
            if words.stems[at : at + len(choice)] == choice:
                yield at + len(choice)

    return ends


def _shaped(pattern: "regex.Pattern[str]") -> _Element:
    """Return an element for characters of certain kinds, from the beginning of a word to the end of one."""

    def ends(words: _ReadWords, at: int) -> Iterator[int]:
        found = pattern.match(words.text, words.places[at][0])
        if found and found.end() in words.by_end:
            yield words.by_end[found.end()]

    return ends


def _any_word(words: _ReadWords, at: int) -> Iterator[int]:
    """Yield the word behind any word; a sign is none."""
    if words.text[words.places[at][0]].isalnum():
        yield at + 1


class _TokenPattern:
    """A sequence of elements, each with how often it may stand there, and the part of them that is marked."""

    def __init__(self, elements: list[tuple[_Element, int, int]], marked: tuple[int, int]) -> None:
        self._elements, self._marked = elements, marked

    @classmethod
    def parse(cls, written: str, language: str) -> "_TokenPattern":
        """Read a pattern such as `order number|no? [ {X+-d+} ]`.

        Raises:
            SourceError: it cannot be read.
        """
        elements: list[tuple[_Element, int, int]] = []
        marks: list[int] = []
        for part in written.split():
            if part in ("[", "]"):
                marks.append(len(elements))
                continue
            found = ELEMENT.fullmatch(part)
            if found is None:
                raise SourceError(f"{part!r} found in the pattern {written!r}")
            elements.append((_element(found["body"], language), *REPEATS[found["repeat"]]))
        brackets = [part for part in written.split() if part in ("[", "]")]
        if not elements or brackets not in ([], ["[", "]"]) or (marks and marks[0] == marks[1]):
            raise SourceError(
                f"pattern {written!r} found; wanted words, with one pair of [ and ] around what is marked"
            )
        return cls(elements, (marks[0], marks[1]) if marks else (0, len(elements)))

    def find(self, text: TaskText) -> list[tuple[int, int]]:
        """Return start and end of what the pattern marks, from left to right, without overlaps."""
        words = _ReadWords(text)
        found, at = [], 0
        while at < len(words):
            borders = self._match(words, at, 0, 0, (at,))
            if borders is None:
                at += 1
                continue
            first, last = borders[self._marked[0]], borders[self._marked[1]]
            if first < last:
                found.append((words.places[first][0], words.places[last - 1][1]))
            at = max(borders[-1], at + 1)
        return found

    def _match(
        self, words: _ReadWords, at: int, number: int, repeats: int, borders: tuple[int, ...]
    ) -> tuple[int, ...] | None:
        """Return the words at which the elements begin, and the word after the last one; the most repeats first."""
        if number == len(self._elements):
            return borders
        element, least, most = self._elements[number]
        if repeats < most and at < len(words):
            for end in element(words, at):
                found = self._match(words, end, number, repeats + 1, borders)
                if found:
                    return found
        return self._match(words, at, number + 1, 0, (*borders, at)) if repeats >= least else None


def _element(body: str, language: str) -> _Element:
    if body == "_":
        return _any_word
    if body.startswith("{"):
        return _shaped(regex.compile(_shape(body[1:-1])))
    choices = [TaskText.of(choice, language=language).token_stems for choice in body.split("|")]
    if not all(choices):
        raise SourceError(f"{body!r} found in a pattern; wanted words, with | between alternatives")
    return _any_of(choices)


def _shape(shape: str) -> str:
    """Return the regular expression of a shape such as `X+-dddd`: X a capital, x a small letter, d a digit."""
    if not shape:
        raise SourceError("{} found in a pattern; wanted a shape, such as {Xx+} or {dd.dd}")
    return "".join(
        "+" if each == "+" and place else SHAPES.get(each, regex.escape(each)) for place, each in enumerate(shape)
    )

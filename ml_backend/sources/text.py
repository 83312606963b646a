"""The text that a rationale gets: a string that can be asked for words, patterns, numbers and dates."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from functools import cached_property, lru_cache
from typing import NamedTuple, overload

import regex

from ..errors import SourceError
from ..words import token_spans
from .language import ENGLISH, Language, language_of
from .stems import stem

__all__ = ["Examples", "Match", "Matches", "TaskText"]

# Marks of scripts that put a space behind them, and of those that do not.
SENTENCE_END = re.compile(r"[.!?;:…؟؛۔]\s|[。！？；：।॥]|\n")
CLAUSE_END = re.compile(
    r"[.!?;:…؟؛۔]\s|[。！？；：।॥]|\n|\b(?:but|aber|sondern|mais|pero|ma|maar|mas)\b", re.IGNORECASE
)
NUMBER = re.compile(r"(?<![\w.,])[-+]?\d+(?:[.,'’   ]\d+)*")
GROUPED = re.compile(r"\d{1,3}(?:[.,'’   ]\d{3})*")
ISO_DATE = re.compile(r"(?<!\d)(\d{4})-(\d{1,2})-(\d{1,2})(?!\d)")
SHORT_DATE = re.compile(r"(?<!\d)(\d{1,2})([./-])(\d{1,2})\2(\d{4}|\d{2})(?!\d)")
CENTURY = 2000

Place = tuple[int, int]


class Match(NamedTuple):
    """A piece of a text.

    Attributes:
        start: position of its first character, counted from 0.
        end: position after its last character.
        text: what stands there.
        value: the number or the date that it is; None for words.
    """

    start: int
    end: int
    text: str
    value: float | date | None = None

    def span(self) -> Place:
        """Return start and end, as matches of regular expressions do."""
        return self.start, self.end


class Matches(Sequence[Match]):
    """The pieces of a text that were found, in its order. It is true where there is one."""

    def __init__(self, text: "TaskText", found: Iterable[Match]) -> None:
        self._text, self._found = text, tuple(found)

    def __len__(self) -> int:
        return len(self._found)

    @overload
    def __getitem__(self, index: int) -> Match: ...

    @overload
    def __getitem__(self, index: slice) -> "Matches": ...

    def __getitem__(self, index: int | slice) -> "Match | Matches":
        return Matches(self._text, self._found[index]) if isinstance(index, slice) else self._found[index]

    def __add__(self, other: "Matches") -> "Matches":
        return Matches(self._text, sorted({*self._found, *other}))

    @property
    def values(self) -> list[float | date]:
        """The numbers or dates that they are."""
        return [match.value for match in self._found if match.value is not None]

    def affirmed(self, within_words: int = 5) -> "Matches":
        """Return those without a negation, such as `not` or `never`, shortly before them in the same clause.

        Source: Chapman et al. 2001, "A Simple Algorithm for Identifying Negated Findings" (NegEx). In languages whose
        negations follow the verb, such as German, the words behind count as well.
        """
        return self._where(lambda match: not self._text.is_negated(match, within_words))

    def negated(self, within_words: int = 5) -> "Matches":
        """Return those that `affirmed` leaves out."""
        return self._where(lambda match: self._text.is_negated(match, within_words))

    def near(self, others: "Matches", within_words: int = 5) -> "Matches":
        """Return those with one of the others at most so many words before or behind them."""
        return self._where(lambda match: any(self._text.words_between(match, each) <= within_words for each in others))

    def _where(self, holds: Callable[[Match], bool]) -> "Matches":
        return Matches(self._text, filter(holds, self._found))


class Examples:
    """Texts that others are compared with by `TaskText.closeness`. Make it once, at the top of a file.

    Example: `ANGRY = Examples("I have had enough of you.", "Worst service ever!")`.
    """

    made: "list[Examples]" = []  # noqa: RUF012 (one list for all, emptied by who loads the files)

    def __init__(self, *texts: str) -> None:
        if not texts or not all(isinstance(text, str) and text.strip() for text in texts):
            raise SourceError(f"Examples{texts!r} found; wanted one or more texts")
        self.texts = texts
        self.number = len(Examples.made)
        Examples.made.append(self)


class TaskText(str):
    """A task's text: a Python string with questions that it answers.

    Attributes:
        fields: the texts of all fields that are read, by name. Where the label config shows one text, it is the only
            one, and its name is empty.
        knows_negations: False only while labelloop looks for what sources leave out because it is negated.
    """

    knows_negations = True
    fields: Mapping[str, str]
    _language: Language
    _closeness: Sequence[float]

    @classmethod
    def of(
        cls,
        text: str,
        fields: Mapping[str, str] | None = None,
        language: str = ENGLISH,
        closeness: Sequence[float] = (),
    ) -> "TaskText":
        """Return a text to ask, for tests of rationales as well: `assert my_rationale(TaskText.of("..."))`.

        Args:
            closeness: to each of the `Examples` that were made, in their order.

        Raises:
            SourceError: the language is not known.
        """
        made = cls(text)
        made.fields = {"": text} if fields is None else fields
        made._language, made._closeness = language_of(language), closeness
        return made

    def mentions(self, *phrases: str) -> Matches:
        """Find words and phrases, whatever their case and inflection: `cancel` also finds `Cancelled`.

        A phrase is words in this order within a sentence, whatever signs stand between them: `top up` finds `top-up`.
        """
        found: set[Match] = set()
        places = self._places
        for first, rest in _stemmed(phrases, self._language.name):
            for at in places.get(first, ()):
                last = at + len(rest)
                if rest and (self._stems[at + 1 : last + 1] != rest or self._ends_between(at, last)):
                    continue
                found.add(self._match(self._words[at][0], self._words[last][1]))
        return Matches(self, sorted(found))

    def matching(self, pattern: "str | re.Pattern[str] | regex.Pattern[str]") -> Matches:
        """Find a regular expression; case counts only in a compiled one. A group named `mark` is what is found."""
        compiled = _compiled(pattern) if isinstance(pattern, str) else pattern
        group: str | int = "mark" if "mark" in compiled.groupindex else 0
        spans = (each.span(group) for each in compiled.finditer(self))
        return Matches(self, (self._match(start, end) for start, end in spans if start < end))

    def numbers(self) -> Matches:
        """Find numbers in digits, with their values; thousands and decimals are read as the language writes them."""
        found = []
        for each in NUMBER.finditer(self):
            value = self._number(each.group())
            if value is not None:
                found.append(Match(each.start(), each.end(), each.group(), value))
        return Matches(self, found)

    def dates(self, *, month_first: bool = False) -> Matches:
        """Find dates with a year, with their values: 2026-11-30, 30.11.2026, 30 November 2026, November 30, 2026.

        Args:
            month_first: 11/30/2026 is such a date, as in the United States, and 30/11/2026 is none.
        """
        found = [self._dated(each, each[1], each[2], each[3]) for each in ISO_DATE.finditer(self)]
        for each in SHORT_DATE.finditer(self):
            is_month_first = month_first and each[2] == "/"
            day, month = (each[3], each[1]) if is_month_first else (each[1], each[3])
            found.append(self._dated(each, each[4], month, day))
        for each in self._language.long_date.finditer(self):
            day, name, year = each["day"] or each["day_behind"], each["month"] or each["month_before"], each["year"]
            found.append(self._dated(each, year, str(self._language.month(name)), day))
        return Matches(self, sorted(each for each in found if each))

    def field(self, name: str) -> "TaskText":
        """Return the text of one of the fields that are read.

        Raises:
            SourceError: there is none of this name.
        """
        if name not in self.fields:
            known = ", ".join(map(repr, self.fields)) if "" not in self.fields else "the text itself alone"
            raise SourceError(f"field {name!r} found; this project reads {known}")
        return TaskText.of(self.fields[name], self.fields, self._language.name, self._closeness)

    def closeness(self, examples: Examples) -> float:
        """Return how much the text resembles the most similar example in meaning: 1 for the same, 0 for nothing.

        It is the cosine of the frozen base model's vectors of whole texts, all fields together.

        Raises:
            SourceError: nothing computes vectors here, as in a test without them.
        """
        if examples.number >= len(self._closeness):
            raise SourceError("no closeness is known; make Examples at the top of a file, where labelloop loads it")
        return self._closeness[examples.number]

    @property
    def language(self) -> str:
        """The language by which it is read, such as `english`."""
        return self._language.name

    @cached_property
    def words(self) -> tuple[str, ...]:
        """Its words in lower case, without the signs between them."""
        return tuple(self[start:end].casefold() for start, end in self._words)

    @cached_property
    def tokens(self) -> tuple[Place, ...]:
        """The places of its words and of the signs between them."""
        return tuple(token_spans(self))

    def is_negated(self, match: Match, within_words: int = 5) -> bool:
        """Return True where a negation goes with the match; see `Matches.affirmed`."""
        if not TaskText.knows_negations:
            return False
        before = CLAUSE_END.split(self[: match.start])[-1].split()[-within_words:]
        if self._language.negation.search(" ".join(before)):
            return True
        if not self._language.negates_behind:
            return False
        behind = CLAUSE_END.split(self[match.end :], maxsplit=1)[0].split()[:within_words]
        return self._language.negation.search(" ".join(behind)) is not None

    def words_between(self, one: Match, other: Match) -> int:
        """Return how many words stand between two matches; 0 where they touch or overlap."""
        left, right = sorted((one, other))
        return sum(left.end <= start and end <= right.start for start, end in self._words)

    @cached_property
    def token_stems(self) -> list[str]:
        """The stems of its words and the signs between them, in the order of `tokens`."""
        return [stem(self[start:end], self._language.name) for start, end in self.tokens]

    @cached_property
    def _word_numbers(self) -> list[int]:
        """The tokens that are words."""
        return [i for i, (start, _) in enumerate(self.tokens) if self[start].isalnum() or self[start] == "_"]

    @cached_property
    def _words(self) -> list[Place]:
        return [self.tokens[i] for i in self._word_numbers]

    @cached_property
    def _stems(self) -> list[str]:
        return [self.token_stems[i] for i in self._word_numbers]

    @cached_property
    def _places(self) -> dict[str, list[int]]:
        """The words at which each stem stands."""
        places: dict[str, list[int]] = {}
        for number, each in enumerate(self._stems):
            places.setdefault(each, []).append(number)
        return places

    def _ends_between(self, first: int, last: int) -> bool:
        """Return True where a sentence ends between two words."""
        gaps = (self[self._words[i][1] : self._words[i + 1][0]] for i in range(first, last))
        return any(SENTENCE_END.search(gap) for gap in gaps)

    def _match(self, start: int, end: int) -> Match:
        return Match(start, end, self[start:end])

    def _number(self, written: str) -> float | None:
        """Return the value of digits with separators; None where they are no number, as in 1.2.3."""
        sign, digits = ("-", written[1:]) if written[0] == "-" else ("", written.lstrip("+"))
        whole, point, decimals = digits.rpartition(self._language.point)
        if not point:
            whole, decimals = decimals, ""
        is_whole = whole.isdecimal() or GROUPED.fullmatch(whole)
        if not is_whole or not (decimals.isdecimal() or not point):
            return None
        return float(f"{sign}{''.join(filter(str.isdecimal, whole))}.{decimals or 0}")

    @staticmethod
    def _dated(found: "re.Match[str]", year: str, month: str, day: str) -> Match | None:
        years = int(year) + CENTURY * (len(year) == 2)
        try:
            return Match(found.start(), found.end(), found.group(), date(years, int(month), int(day)))
        except ValueError:
            return None


@lru_cache(maxsize=4096)
def _stemmed(phrases: tuple[str, ...], language: str) -> tuple[tuple[str, list[str]], ...]:
    """Return the stem of each phrase's first word, and those of its other words."""
    return tuple((first, rest) for first, *rest in _stems_of(phrases, language))


def _stems_of(phrases: Iterable[str], language: str) -> Iterator[list[str]]:
    for phrase in phrases:
        stems = TaskText.of(phrase, language=language)._stems
        if not stems:
            raise SourceError(f"phrase {phrase!r} found; wanted words")
        yield stems


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> "re.Pattern[str]":
    return re.compile(pattern, re.IGNORECASE)

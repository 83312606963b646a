"""Find many phrases in a text at once: the longest one wins, and nothing is found twice.

Every run of words of the text is looked up by its words, so the time does not depend on the number of phrases.
"""

from collections.abc import Iterator
from typing import Generic, NamedTuple, TypeVar

from .stems import stem
from .text import TaskText

__all__ = ["Form", "PhraseIndex", "longest_first"]

T = TypeVar("T")


class Form(NamedTuple):
    """How words are compared.

    Attributes:
        is_cased: `Apple` is not `apple`.
        language: by whose stems they are; empty: no inflection is found.
    """

    is_cased: bool = False
    language: str = ""

    def of(self, word: str) -> str:
        """Return what equal words have in common."""
        if self.language:
            stemmed = stem(word, self.language)
            return f"{word[0]}{stemmed}" if self.is_cased and word[0].isupper() else stemmed
        return word if self.is_cased else word.casefold()


class PhraseIndex(Generic[T]):
    """Phrases with a value each, compared in one form."""

    def __init__(self, form: Form) -> None:
        self.form = form
        self._values: dict[str, list[T]] = {}
        self._longest: dict[str, int] = {}

    def add(self, phrase: str, value: T) -> None:
        """Add a phrase, which holds a word or a sign at least."""
        text = TaskText.of(phrase)
        words = [self.form.of(phrase[start:end]) for start, end in text.tokens]
        values = self._values.setdefault("\0".join(words), [])
        if value not in values:
            values.append(value)
        self._longest[words[0]] = max(self._longest.get(words[0], 0), len(words))

    def find(self, text: TaskText) -> Iterator[tuple[int, int, T]]:
        """Yield start, end and value of the phrases in a text, at each word the longest one."""
        words = [self.form.of(text[start:end]) for start, end in text.tokens]
        for at, word in enumerate(words):
            for count in range(min(self._longest.get(word, 0), len(words) - at), 0, -1):
                values = self._values.get("\0".join(words[at : at + count]))
                if values:
                    start, end = text.tokens[at][0], text.tokens[at + count - 1][1]
                    yield from ((start, end, value) for value in values)
                    break


def longest_first(found: list[tuple[int, int, T]]) -> list[tuple[int, int, T]]:
    """Return what was found without what overlaps something longer, or something as long before it; in order.

    Several values of one place stay together.
    """
    chosen: list[tuple[int, int, T]] = []
    taken: set[int] = set()
    places = set[tuple[int, int]]()
    for start, end, value in sorted(found, key=lambda each: (each[0] - each[1], each[0])):
        if (start, end) not in places and not taken.isdisjoint(range(start, end)):
            continue
        taken.update(range(start, end))
        places.add((start, end))
        chosen.append((start, end, value))
    return sorted(chosen, key=lambda each: each[:2])

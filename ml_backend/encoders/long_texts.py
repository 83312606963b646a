"""Texts that are longer than what is read of them: only that part is tokenised, which bounds the memory."""

from collections.abc import Callable

__all__ = ["LONGEST", "beginning", "ending"]

CHARACTERS_PER_TOKEN = 32
"""Looked at for each token that is wanted, which is enough in nearly all texts."""
GROWTH = 8
LONGEST = 200_000
"""Characters looked at in the end, where the tokens of a text stand far apart or no white space parts its words; and
characters in which spans are looked for: some 70 pages."""

Count = Callable[[str], int]
"""How many tokens a text has."""


def beginning(text: str, tokens: int, count: Count) -> str:
    """A beginning of a text that has so many of the whole text's tokens, and then maybe others.

    Tokenizers part a text at white space before they do anything else: what follows a word has no influence on the
    words before it. So all tokens of a beginning are those of the text, except the ones of its last two words: the
    last may be cut, and the one before may be parted in another way from what follows.
    """
    return _enough(text, tokens, count, lambda size: text[:size], _last_words)


def ending(text: str, tokens: int, count: Count) -> str:
    """An ending of a text that has so many of the whole text's last tokens, for the same reason."""
    return _enough(text, tokens, count, lambda size: text[-size:], _first_words)


def _enough(text: str, tokens: int, count: Count, part: Callable[[int], str], unsettled: Callable[[str], str]) -> str:
    """The smallest part that is looked at which has enough tokens beside those of its unsettled words."""
    size = CHARACTERS_PER_TOKEN * tokens
    longest = min(len(text), max(LONGEST, size))
    while size < longest:
        found = part(size)
        # Twice, since by themselves the words may have fewer tokens than where they stand.
        if count(found) - 2 * count(unsettled(found)) >= tokens:
            return found
        size *= GROWTH
    return part(longest)


def _last_words(text: str) -> str:
    """The last two words, with the white space before them; the whole text where there are no more."""
    parts = text.rsplit(maxsplit=2)
    return text[len(parts[0]) :] if len(parts) == 3 else text


def _first_words(text: str) -> str:
    """The first two words, with the white space after them; the whole text where there are no more."""
    parts = text.split(maxsplit=2)
    return text[: -len(parts[-1])] if len(parts) == 3 else text

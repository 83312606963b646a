"""Cut long texts before they are tokenised: only the part that is read goes to the tokenizer, which bounds memory."""

from collections.abc import Callable

__all__ = ["LONGEST", "beginning", "ending"]

CHARACTERS_PER_TOKEN = 32
"""Characters that are looked at first for each token that is wanted, which is enough in nearly all texts."""
GROWTH = 8
LONGEST = 200_000
"""The most characters that are looked at, where a text's tokens are long or no white space separates its words; also
the part of a text in which spans are looked for: some 70 pages."""

Count = Callable[[str], int]
"""A function that returns the number of tokens in a text."""


def beginning(text: str, tokens: int, count: Count) -> str:
    """Return a beginning of a text that holds at least the first `tokens` tokens of the whole text.

    Tokenizers split a text at white space before they do anything else, so the words after a word do not influence
    its tokens. All tokens of a beginning are therefore tokens of the text, except the tokens of its last two words: the
    last word may be cut, and the one before it may be separated from it in another way.
    """
    return _enough(text, tokens, count, lambda size: text[:size], _last_words)


def ending(text: str, tokens: int, count: Count) -> str:
    """Return an ending of a text that holds at least the last `tokens` tokens of the text, for the same reason."""
    return _enough(text, tokens, count, lambda size: text[-size:], _first_words)


def _enough(text: str, tokens: int, count: Count, part: Callable[[int], str], unsettled: Callable[[str], str]) -> str:
    """Return the first of ever larger parts that has enough tokens besides the tokens of its unsettled words."""
    size = CHARACTERS_PER_TOKEN * tokens
    longest = min(len(text), max(LONGEST, size))
    while size < longest:
        piece = part(size)
        # Twice, since the words may have fewer tokens alone than in the text.
        if count(piece) - 2 * count(unsettled(piece)) >= tokens:
            return piece
        size *= GROWTH
    return part(longest)


def _last_words(text: str) -> str:
    """Return the last two words with the white space before them; the whole text where it has no more words."""
    parts = text.rsplit(maxsplit=2)
    return text[len(parts[0]) :] if len(parts) == 3 else text


def _first_words(text: str) -> str:
    """Return the first two words with the white space after them; the whole text where it has no more words."""
    parts = text.split(maxsplit=2)
    return text[: -len(parts[-1])] if len(parts) == 3 else text

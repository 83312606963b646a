"""Split text of any script into words, by one definition for duplicates, metrics, tags and exports.

The definition uses the properties of characters in Unicode's standard for text segmentation (UAX #29). A word is a
run of letters, digits and underscores, with the vowel signs, accents and joiners on them. A script without spaces
between words is cut as finely as its readers could mark it: Chinese, hiragana, Thai, Lao, Burmese and Khmer into
single characters, each with the signs on it, and katakana into runs. Punctuation ends a word, also where the standard
allows it inside one ("don't", "3.50"), as in the tokenizers of most models.
"""

from collections.abc import Iterator

import regex

from .domain.snapshot import normal_form

__all__ = ["token_spans", "tokens", "words"]

# Letters whose word boundaries the standard leaves to a dictionary, or puts on either side of each letter.
UNSPACED = r"[\p{L}&&\p{Word_Break=Other}]"
KATAKANA = r"\p{Word_Break=Katakana}"
# Signs that are written on or around the letter before them.
SIGN = r"\p{Word_Break=Extend}\p{Grapheme_Cluster_Break=SpacingMark}"
JOINED = rf"[[\w\p{{N}}]--{UNSPACED}--{KATAKANA}]"
# Soft hyphens and the like may be inside a word, but not at its ends.
WORD = rf"{JOINED}++(?:\p{{Word_Break=Format}}++{JOINED}++)*+|{KATAKANA}[{KATAKANA}{SIGN}]*+|{UNSPACED}[{SIGN}]*+"
UNSEEN = r"\p{Default_Ignorable_Code_Point}"
TOKEN = regex.compile(rf"(?![\s\p{{Cc}}{UNSEEN}])(?:({WORD})|\X)", regex.V1)
UNSEEN_CHARACTER = regex.compile(UNSEEN)


def tokens(text: str) -> list[str]:
    """Return the words of a text and the signs between them, without white space and invisible characters.

    A sign is what readers see as one symbol: an emoji with all its parts, a flag, a punctuation mark.
    """
    return [match.group() for match in TOKEN.finditer(text)]


def token_spans(text: str) -> Iterator[tuple[int, int]]:
    """Yield start and end of each of the `tokens`, in code points."""
    return (match.span() for match in TOKEN.finditer(text))


def words(text: str) -> list[str]:
    """Return the words of a text for comparison: one form of case, compatibility forms and accents, without joiners.

    If there is no word, the pieces between white space are returned.
    """
    even = normal_form(text)
    pieces = [word for word in TOKEN.findall(even) if word]  # "" for a sign
    if UNSEEN_CHARACTER.search(even):  # rarely
        pieces = [UNSEEN_CHARACTER.sub("", word) for word in pieces]
    return pieces or even.split()

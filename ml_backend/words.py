"""What a word is, in any script: one definition for duplicates, metrics, tags and exports.

It is made of the properties that Unicode gives to characters for cutting texts (UAX #29). Letters, digits and
underscores that follow one another are a word, with the vowel signs, accents and joiners on them. A script that puts
no space between words is cut as finely as its readers could mark it: Chinese, hiragana, Thai, Lao, Burmese and Khmer
by single characters, each with the signs on it, katakana in runs. Punctuation ends a word, also where the standard
would let it stand inside one ("don't", "3.50"), as the tokenizers of most models have it.
"""

from collections.abc import Iterator

import regex

from .domain.snapshot import normalised

__all__ = ["token_spans", "tokens", "words"]

# Letters whose boundaries the standard leaves to a dictionary, or sees on either side of each.
UNSPACED = r"[\p{L}&&\p{Word_Break=Other}]"
KATAKANA = r"\p{Word_Break=Katakana}"
# What is written on or around the letter before it.
SIGN = r"\p{Word_Break=Extend}\p{Grapheme_Cluster_Break=SpacingMark}"
JOINED = rf"[[\w\p{{N}}]--{UNSPACED}--{KATAKANA}]"
# Soft hyphens and the like may stand in a word, not at its ends.
WORD = rf"{JOINED}++(?:\p{{Word_Break=Format}}++{JOINED}++)*+|{KATAKANA}[{KATAKANA}{SIGN}]*+|{UNSPACED}[{SIGN}]*+"
UNSEEN = r"\p{Default_Ignorable_Code_Point}"
TOKEN = regex.compile(rf"(?![\s\p{{Cc}}{UNSEEN}])(?:({WORD})|\X)", regex.V1)
UNSEEN_CHARACTER = regex.compile(UNSEEN)


def tokens(text: str) -> list[str]:
    """The words of a text and the signs between them, as they are written; no white space, nothing that is not seen.

    A sign is whatever its readers see as one: an emoji with all its parts, a flag, a punctuation mark.
    """
    return [match.group() for match in TOKEN.finditer(text)]


def token_spans(text: str) -> Iterator[tuple[int, int]]:
    """Characters from and to of each of the `tokens`, in code points."""
    return (match.span() for match in TOKEN.finditer(text))


def words(text: str) -> list[str]:
    """The words of a text as they are compared: case, compatibility forms and accents in one form, without joiners.

    Where there is no word, what stands between white space.
    """
    even = normalised(text)
    found = [word for word in TOKEN.findall(even) if word]  # "" for a sign
    if UNSEEN_CHARACTER.search(even):  # rarely
        found = [UNSEEN_CHARACTER.sub("", word) for word in found]
    return found or even.split()

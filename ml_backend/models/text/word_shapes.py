"""How words are written: what an uncased model does not see, and names are often known by."""

import re
from collections.abc import Sequence

import numpy as np

from ...arrays import Floats2d

__all__ = ["WIDTH", "word_shapes"]

OWN, AROUND, OF_NEIGHBOURS = 8, 5, 5
WIDTH = OWN + 1 + AROUND + 2 * OF_NEIGHBOURS + 2 + OF_NEIGHBOURS
BETWEEN_SPACES = re.compile(r"\S+")


def word_shapes(text: str, spans: Sequence[tuple[int, int]]) -> Floats2d:
    """Features of each word of a text, from 0 to 1, shape (T, 31).

    First the word's own: capitalised, all capitals, a single capital, all small, mixed, with a digit, a number,
    without a letter or digit, first of the text. Then of the whole piece between the spaces around it, of which
    tokenizers make several words: starting with @, with #, an address; and whether it goes on before the word, and
    after. Then the first five for the word before and the word after; the share of capitalised words in the text, and
    whether it is nearly all of them; and the first five, times that share: a capital says less where every word has
    one.

    Args:
        spans: characters of the words, from and to, in order.
    """
    words = [text[start:end] for start, end in spans]
    own = np.array([_own(word) for word in words], dtype=np.float32).reshape(len(words), OWN)
    around = np.array(_around(text, spans), dtype=np.float32).reshape(len(words), AROUND)
    first = np.zeros((len(words), 1), dtype=np.float32)
    first[:1] = 1.0
    case = own[:, :OF_NEIGHBOURS]
    nothing = np.zeros((1, OF_NEIGHBOURS), dtype=np.float32)
    before = np.concatenate([nothing, case[:-1]]) if words else case
    after = np.concatenate([case[1:], nothing]) if words else case
    lettered = [word for word in words if any(character.isalpha() for character in word)]
    share = np.float32(sum(word[:1].isupper() for word in lettered) / max(len(lettered), 1))
    of_text = np.tile(np.array([[share, share > 0.7]], dtype=np.float32), (len(words), 1))
    return np.concatenate([own, first, around, before, after, of_text, case * share], axis=1)


def _own(word: str) -> list[bool]:
    letters = [character for character in word if character.isalpha()]
    is_upper = bool(letters) and all(letter.isupper() for letter in letters)
    is_lower = bool(letters) and all(letter.islower() for letter in letters)
    starts_upper = word[:1].isupper()
    digits = sum(character.isdigit() for character in word)
    return [
        starts_upper and not is_upper,
        is_upper and len(letters) > 1,
        is_upper and len(letters) == 1 and starts_upper,
        is_lower,
        not is_upper and not is_lower and any(letter.isupper() for letter in word[1:]),
        digits > 0,
        digits > 0 and not letters,
        not any(character.isalnum() for character in word),
    ]


def _around(text: str, spans: Sequence[tuple[int, int]]) -> list[list[bool]]:
    """Describe the text between the spaces around each word; where a word holds a space, its first piece."""
    pieces = BETWEEN_SPACES.finditer(text)
    shapes = []
    piece = next(pieces, None)
    for start, end in spans:
        while piece is not None and piece.end() <= start:
            piece = next(pieces, None)
        whole = piece.group() if piece is not None else ""
        from_start, to_end = (piece.start(), piece.end()) if piece is not None else (start, end)
        shapes.append(
            [
                whole.startswith("@"),
                whole.startswith("#"),
                "http" in whole or "www." in whole,
                from_start < start,
                end < to_end,
            ]
        )
    return shapes

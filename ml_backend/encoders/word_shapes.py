"""How words are written: what an uncased model does not see, and names are often known by."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["WIDTH", "word_shapes"]

OWN, OF_NEIGHBOURS = 12, 5
WIDTH = OWN + 2 * OF_NEIGHBOURS + 2 + OF_NEIGHBOURS


def word_shapes(words: Sequence[str]) -> npt.NDArray[np.float32]:
    """Features of each word of a text, from 0 to 1, shape (T, 29).

    First the word's own: capitalised, all capitals, a single capital, all small, mixed, with a digit, a number,
    starting with @, with #, an address, without a letter or digit, first of the text. Then the first five of these for
    the word before and the word after; the share of capitalised words in the text, and whether it is nearly all of
    them; and the first five, times that share: a capital says less where every word has one.
    """
    own = np.array([_own(word) for word in words], dtype=np.float32).reshape(len(words), OWN - 1)
    first = np.zeros((len(words), 1), dtype=np.float32)
    first[:1] = 1.0
    case = own[:, :OF_NEIGHBOURS]
    nothing = np.zeros((1, OF_NEIGHBOURS), dtype=np.float32)
    before = np.concatenate([nothing, case[:-1]]) if len(words) else case
    after = np.concatenate([case[1:], nothing]) if len(words) else case
    lettered = [word for word in words if any(character.isalpha() for character in word)]
    share = np.float32(sum(word[:1].isupper() for word in lettered) / max(len(lettered), 1))
    of_text = np.tile(np.array([[share, share > 0.7]], dtype=np.float32), (len(words), 1))
    return np.concatenate([own, first, before, after, of_text, case * share], axis=1)


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
        word.startswith("@"),
        word.startswith("#"),
        "http" in word or "www" in word,
        not any(character.isalnum() for character in word),
    ]

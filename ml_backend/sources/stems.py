"""Word forms for comparison: a word's stem stands for all of its inflections.

Source: Porter 1980, "An algorithm for suffix stripping", and its successors for other languages (Snowball).
"""

import unicodedata
from collections.abc import Callable
from functools import cache, lru_cache

from ..errors import SourceError

__all__ = ["stem"]

WORDS_KEPT = 2**17


def _languages() -> list[str]:
    """Return the names of the languages whose inflections are known, such as `english`."""
    import snowballstemmer

    return sorted(snowballstemmer.algorithms())


@lru_cache(maxsize=WORDS_KEPT)
def stem(word: str, language: str) -> str:
    """Return the stem of a word in any spelling of case.

    Raises:
        SourceError: the language is not known.
    """
    return _stemmer(language)(unicodedata.normalize("NFKC", word).casefold())


@cache
def _stemmer(language: str) -> Callable[[str], str]:
    import snowballstemmer

    if language not in _languages():
        raise SourceError(f"language {language!r} found; wanted one of {', '.join(_languages())}")
    stemmer: Callable[[str], str] = snowballstemmer.stemmer(language).stemWord
    return stemmer

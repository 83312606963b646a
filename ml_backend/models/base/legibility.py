"""Measure how well a base model can read texts: unknown letters, words it cannot tell apart, and texts it cuts off."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ...batches import in_batches
from ...words import token_spans, words
from .tokeniser import LocatedTokens, Tokeniser

__all__ = ["Legibility", "longer_texts"]

TEXTS_LOOKED_AT, CHARACTERS_LOOKED_AT, WORDS_LOOKED_AT = 200, 2000, 2000
LEAST_WORDS = 50
"""The least number of words for which `alike` is computed: among fewer, two alike by chance are a large share."""
LONGEST_WORD = 100
"""Letters and digits of the longest word that counts; longer ones are keys or dumps, unknown to every model."""
SPECIAL_TOKENS = 8
"""An upper bound on the special tokens that a tokenizer puts around a text."""
CHUNK_ROWS = 1024


class Legibility(NamedTuple):
    """Measures of how well a tokenizer represents the letters and digits in texts.

    Attributes:
        unknown: share of the letters that are in unknown tokens, or in none.
        spelled: share of the letters, in words of several letters, that are one token each, as in a foreign script.
        alike: share of the distinct words that have the same tokens as another one; 0 where there are few words.
    """

    unknown: float
    spelled: float
    alike: float

    @classmethod
    def of(cls, texts: Sequence[str], tokeniser: Tokeniser) -> "Legibility":
        """Measure how much of the texts reaches the model, by a sample of 200 that are spread over all of them.

        Raises:
            EncoderError: the tokenizer does not give the positions of its tokens.
        """
        step = max(len(texts) // TEXTS_LOOKED_AT, 1)
        chosen = [text[:CHARACTERS_LOOKED_AT] for text in texts[::step][:TEXTS_LOOKED_AT]]
        letters, read, in_words, spelled = set(), set(), set(), set()
        for number, (text, tokens) in enumerate(zip(chosen, tokeniser.locate(chosen), strict=True)):
            for word in _words(text):
                letters |= {(number, place) for place in word}
                in_words |= {(number, place) for place in word if len(word) > 1}
            for piece in _known_pieces(text, tokens, tokeniser.unknown_id):
                read |= {(number, place) for place in piece}
                spelled |= {(number, place) for place in piece if len(piece) == 1}
        return cls(
            len(letters - read) / max(len(letters), 1),
            len(in_words & spelled) / max(len(in_words), 1),
            _share_alike(chosen, tokeniser),
        )


def longer_texts(texts: Sequence[str], tokeniser: Tokeniser, max_length_tokens: int) -> list[int]:
    """Return the indices of the texts that have more tokens than are read, special tokens included."""
    # A token stands for at least one byte, so most texts are known to be short without being tokenised.
    room = max_length_tokens - SPECIAL_TOKENS
    long = [position for position, text in enumerate(texts) if len(text.encode(errors="replace")) > room]
    indices = []
    for chunk in in_batches(long, CHUNK_ROWS):
        rows = tokeniser.ids([texts[position] for position in chunk], max_length_tokens + 1)
        indices += [position for position, ids in zip(chunk, rows, strict=True) if len(ids) > max_length_tokens]
    return indices


def _letters(text: str, start: int, end: int) -> list[int]:
    """Return the positions of the letters and digits in a piece of a text."""
    return [place for place in range(start, end) if text[place].isalnum()]


def _words(text: str) -> Iterator[list[int]]:
    """Yield the positions of the letters of each word that may belong to a language."""
    pieces = (_letters(text, start, end) for start, end in token_spans(text))
    return (letters for letters in pieces if len(letters) <= LONGEST_WORD)


def _known_pieces(text: str, tokens: LocatedTokens, unknown_id: int | None) -> Iterator[list[int]]:
    """Yield the positions of the letters of each token that the model knows."""
    for token, (start, end) in zip(tokens.ids, tokens.spans.tolist(), strict=True):
        if token != unknown_id:
            yield _letters(text, start, end)


def _share_alike(texts: Sequence[str], tokeniser: Tokeniser) -> float:
    """Return the share of the words whose tokens another word has as well; words with unknown tokens do not count."""
    different = list(dict.fromkeys(word for text in texts for word in words(text)))[:WORDS_LOOKED_AT]
    if len(different) < LEAST_WORDS:
        return 0.0
    tokens = [tuple(located.ids) for located in tokeniser.locate(different)]
    counts = Counter(ids for ids in tokens if tokeniser.unknown_id not in ids)
    return sum(count for count in counts.values() if count > 1) / len(different)

"""How much of texts a base model can read: what its tokenizer knows, tells apart, and does not cut off."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..words import token_spans, words
from .tokeniser import LocatedTokens, Tokeniser

__all__ = ["Legibility", "legibility", "longer_texts"]

TEXTS_LOOKED_AT, CHARACTERS_LOOKED_AT, WORDS_LOOKED_AT = 200, 2000, 2000
LEAST_WORDS = 50
"""Of fewer, two that are alike by chance would be a large share."""
LONGEST_WORD = 100
"""Letters and digits; what is longer is a key or a dump, and unknown to models of any language."""
SPECIAL_TOKENS = 8
"""More than any tokenizer puts around a text."""
CHUNK_ROWS = 1024


@dataclass(frozen=True, slots=True)
class Legibility:
    """What a tokenizer makes of the letters and digits in texts.

    Attributes:
        unknown: share of the letters that stand in unknown tokens, or in none.
        spelled: share of the letters in words of several that are tokens of their own, as in a foreign script.
        alike: share of the different words that have the same tokens as another one; 0 where there are few words.
    """

    unknown: float
    spelled: float
    alike: float


def legibility(texts: Sequence[str], tokeniser: Tokeniser) -> Legibility:
    """How much of the texts reaches the model, by 200 of them that are spread over all.

    Raises:
        EncoderError: the tokenizer cannot tell where its tokens stand.
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
    return Legibility(
        len(letters - read) / max(len(letters), 1),
        len(in_words & spelled) / max(len(in_words), 1),
        _share_alike(chosen, tokeniser),
    )


def longer_texts(texts: Sequence[str], tokeniser: Tokeniser, max_length_tokens: int) -> list[int]:
    """Positions of the texts that have more tokens than are read, special tokens included."""
    # A token stands for a byte at least, so most texts are known to be short without their tokens.
    room = max_length_tokens - SPECIAL_TOKENS
    long = [position for position, text in enumerate(texts) if len(text.encode(errors="replace")) > room]
    found = []
    for start in range(0, len(long), CHUNK_ROWS):
        chunk = long[start : start + CHUNK_ROWS]
        rows = tokeniser.ids([texts[position] for position in chunk], max_length_tokens + 1)
        found += [position for position, ids in zip(chunk, rows, strict=True) if len(ids) > max_length_tokens]
    return found


def _letters(text: str, start: int, end: int) -> list[int]:
    """Places of the letters and digits in a piece of a text."""
    return [place for place in range(start, end) if text[place].isalnum()]


def _words(text: str) -> Iterator[list[int]]:
    """The letters of each word of a language."""
    found = (_letters(text, start, end) for start, end in token_spans(text))
    return (letters for letters in found if len(letters) <= LONGEST_WORD)


def _known_pieces(text: str, tokens: LocatedTokens, unknown_id: int | None) -> Iterator[list[int]]:
    """The letters that each token which the model knows stands for."""
    for token, (start, end) in zip(tokens.ids, tokens.spans.tolist(), strict=True):
        if token != unknown_id:
            yield _letters(text, start, end)


def _share_alike(texts: Sequence[str], tokeniser: Tokeniser) -> float:
    """Share of the words whose tokens another word has as well; unknown tokens tell nothing apart anyway."""
    different = list(dict.fromkeys(word for text in texts for word in words(text)))[:WORDS_LOOKED_AT]
    if len(different) < LEAST_WORDS:
        return 0.0
    tokens = [tuple(located.ids) for located in tokeniser.locate(different)]
    counts = Counter(ids for ids in tokens if tokeniser.unknown_id not in ids)
    return sum(count for count in counts.values() if count > 1) / len(different)

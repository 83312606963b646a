"""Texts of any length as windows that a model can read, and the pieces of them that tags are given to."""

import re
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum

import numpy as np

from ...arrays import Floats2d, Ints
from ...words import token_spans
from ..base.tokeniser import LocatedTokens
from .encoder import Encoder
from .tokenised import TokenisedTexts
from .word_shapes import WIDTH, word_shapes

__all__ = ["Unit", "stands_between_spaces", "stands_on", "tokenise_units"]

OVERLAP_SHARE = 0.25
"""Of a window: what it shares with the next one, so that every token has neighbours on both sides."""
BETWEEN_SPACES = re.compile(r"\S+")
LEAST_SPANS = 100
"""This many spans hardly ever happen to stand clear of all punctuation, unless texts were taken apart before."""


class Unit(StrEnum):
    """The piece of a text that gets one tag.

    Attributes:
        WORD: a word, or a punctuation mark or symbol between words; see `words`.
        PIECE: all text between two spaces, as in texts of separated tokens.
        MODEL_WORD: a word as the tokenizer splits them.
        TOKEN: a token, for spans that end within words.
    """

    WORD = "word"
    PIECE = "piece"
    MODEL_WORD = "model_word"
    TOKEN = "token"  # noqa: S105 (not a password)


def tokenise_units(encoder: Encoder, texts: Sequence[str], unit: Unit) -> TokenisedTexts:
    """Split texts into units and windows. A long text has several windows that overlap.

    A unit is read in the window where its first token has the most context. Features for the spelling of words (such as
    case) are added, since many models do not see it.

    Raises:
        EncoderError: the model's tokenizer does not give the positions of its tokens.
    """
    sequences: list[list[int]] = []
    places: list[Ints] = []
    spans: list[Ints] = [np.zeros((0, 2), dtype=np.int64)]
    shapes: list[Floats2d] = [np.zeros((0, WIDTH), dtype=np.float32)]
    starts = [0]
    for text, tokens in zip(texts, encoder.locate(texts), strict=True):
        units, unit_spans = _units(tokens, text, unit)
        for start, end, read_from, read_to in _windows(len(tokens.ids), encoder):
            framed, before = encoder.framed(tokens.ids[start:end])
            is_read = (units[:, 0] >= read_from) & (units[:, 0] < read_to)
            sequences.append(framed)
            places.append(np.minimum(units[is_read], end) - start + before)
        spans.append(unit_spans)
        shapes.append(word_shapes(text, [(first, last) for first, last in unit_spans.tolist()]))
        starts.append(len(sequences))
    return TokenisedTexts(
        sequences,
        places,
        np.array(starts, dtype=np.int64),
        spans=np.concatenate(spans),
        added=np.concatenate(shapes),
    )


def stands_on(unit: Unit, encoder: Encoder, texts: Sequence[str], spans: Sequence[Sequence[tuple[int, int]]]) -> bool:
    """True where every span begins at the start of a unit and ends at the end of a unit.

    Args:
        spans: characters from and to, per text.
    """
    for text, tokens, wanted in zip(texts, encoder.locate(texts), spans, strict=True):
        _, bounds = _units(tokens, text, unit)
        begins, ends = set(bounds[:, 0].tolist()), set(bounds[:, 1].tolist())
        if any(start not in begins or end not in ends for start, end in wanted):
            return False
    return True


def stands_between_spaces(texts: Sequence[str], spans: Sequence[Sequence[tuple[int, int]]]) -> bool:
    """True where there are many spans and every one begins and ends at white space, or where its text does.

    Args:
        spans: characters from and to, per text.
    """
    return sum(map(len, spans)) >= LEAST_SPANS and all(
        not text[max(start - 1, 0) : start].strip() and not text[end : end + 1].strip()
        for text, wanted in zip(texts, spans, strict=True)
        for start, end in wanted
    )


def _numbers(tokens: LocatedTokens, text: str, unit: Unit) -> Sequence[int | None]:
    """Return for each token the number of the unit in which it begins; None for a token that is a unit itself."""
    match unit:
        case Unit.WORD:
            return list(_placed(tokens, text, token_spans(text)))
        case Unit.PIECE:
            return list(_placed(tokens, text, (piece.span() for piece in BETWEEN_SPACES.finditer(text))))
        case Unit.MODEL_WORD:
            return tokens.words
        case Unit.TOKEN:
            return [None] * len(tokens.ids)


def _placed(tokens: LocatedTokens, text: str, pieces: Iterable[tuple[int, int]]) -> Iterator[int | None]:
    """Yield for each token the number of the piece in which it begins; None between pieces."""
    edges = np.array(list(pieces), dtype=np.int64).reshape(-1, 2)
    for start, end in tokens.spans.tolist():
        begin = _stripped(text, start, end)[0]
        number = int(np.searchsorted(edges[:, 1], begin, side="right"))
        yield number if number < len(edges) and edges[number, 0] <= begin else None


def _units(tokens: LocatedTokens, text: str, unit: Unit) -> tuple[Ints, Ints]:
    """Tokens and characters of every unit, each from and to, shapes (T, 2).

    Tokens that stand for no character, or for white space, belong to none.
    """
    units: list[tuple[int, int]] = []
    spans: list[tuple[int, int]] = []
    last_word: int | None = None
    numbers = _numbers(tokens, text, unit)
    for position, (covered, word) in enumerate(zip(tokens.spans.tolist(), numbers, strict=True)):
        start, end = _stripped(text, *covered)
        if start == end:
            continue
        is_same_word = word is not None and word == last_word
        # Several tokens of one character (an emoji in bytes, say) are one unit: a span cannot end within it.
        if spans and (is_same_word or start < spans[-1][1]):
            units[-1] = (units[-1][0], position + 1)
            spans[-1] = (spans[-1][0], max(spans[-1][1], end))
        else:
            units.append((position, position + 1))
            spans.append((start, end))
        last_word = word
    return np.array(units, dtype=np.int64).reshape(-1, 2), np.array(spans, dtype=np.int64).reshape(-1, 2)


def _stripped(text: str, start: int, end: int) -> tuple[int, int]:
    """Without white space at either end: some tokenizers count the space before a word as part of it."""
    while start < end and text[start].isspace():
        start += 1
    while start < end and text[end - 1].isspace():
        end -= 1
    return start, end


def _windows(tokens: int, encoder: Encoder) -> list[tuple[int, int, int, int]]:
    """(start, end, read from, read to) of every window over this number of tokens; at least one."""
    marks = len(encoder.framed([])[0]) if tokens else 0
    room = max(encoder.max_length_tokens - marks, 1)
    if tokens <= room:
        return [(0, tokens, 0, tokens)]
    step = max(room - int(room * OVERLAP_SHARE), 1)
    starts = [*range(0, tokens - room, step), tokens - room]
    ends = [start + room for start in starts]
    # Units are read in the one window up to the middle of what two windows share, and in the other from there on.
    turns = [0, *((end + start) // 2 for end, start in zip(ends, starts[1:], strict=False)), tokens]
    return [(start, start + room, turns[i], turns[i + 1]) for i, start in enumerate(starts)]

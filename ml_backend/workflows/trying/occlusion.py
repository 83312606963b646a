"""The words that an answer hangs on: how its confidence changes when each of them is left out.

Source: Zeiler and Fergus 2014, "Visualizing and Understanding Convolutional Networks" (occlusion); Li, Monroe and
Jurafsky 2016, "Understanding Neural Networks through Representation Erasure" (of words). It shows single words alone:
two that say the same can each look unimportant, since the other one is still there.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from ...batches import in_batches
from ...domain.field_texts import join_fields
from ...domain.ports import Predictor
from ...words import token_spans

__all__ = ["MOST_PASSES", "word_effects"]

MOST_PASSES = 60
"""Texts that a model reads for this; where a text has more words, runs of them are left out together."""
AT_ONCE, CHARACTERS_AT_ONCE = 10, 4000
BUDGET_S = 8.0
"""Seconds after which no further texts are given to the model; those that it reads by then it reads to their end."""
LEVELS = 3
LEAST_EFFECT, FULL_SCALE = 0.01, 0.05
"""Changes below the first are not marked at all; where all are below the second, none gets the strongest mark."""


class _Piece(NamedTuple):
    field: str
    start: int
    end: int


def word_effects(
    predictor: Predictor,
    texts: Mapping[str, str],
    labels: Mapping[str, str],
    before: Mapping[str, float],
    *,
    clock: Callable[[], float] = time.monotonic,
) -> dict[str, Any]:
    """Return what leaving out each word, or run of words, does to the confidence in one label per control.

    Args:
        texts: per field, in the order in which they are read.
        labels: the label that is explained, per control.
        before: the confidence in it with all words.

    Returns:
        An object with `words_at_once`, `pieces` (how many there are), `tried` (how many of them, from the front, there
        was time for), and `controls`: per control an object with `label`, `effects` (objects with `text`, `field` and
        `effect`: by how much the confidence falls without it, the largest first, those that change nothing left out)
        and `marked` (per field a list of objects with `text` and `level`, from -3 to 3).
    """
    pieces, size = _pieces(texts)
    until = clock() + BUDGET_S
    effects: dict[str, dict[_Piece, float]] = {control: {} for control in labels}
    tried = 0
    at_once = max(min(AT_ONCE, CHARACTERS_AT_ONCE // max(sum(map(len, texts.values())), 1)), 1)
    for some in in_batches(pieces, at_once):
        if tried and clock() > until:
            break
        answers = predictor.predict([join_fields(_without(texts, piece)) for piece in some])
        for piece, answer in zip(some, answers, strict=True):
            for control, label in labels.items():
                if answer is not None and control in answer:
                    effects[control][piece] = before[control] - float(answer[control].scores.get(label, 0.0))
        tried += len(some)
    return {
        "words_at_once": size,
        "pieces": len(pieces),
        "tried": tried,
        "controls": {
            control: {
                "label": label,
                "effects": [
                    {"text": texts[piece.field][piece.start : piece.end], "field": piece.field, "effect": effect}
                    for piece, effect in sorted(effects[control].items(), key=lambda each: -abs(each[1]))
                    if abs(effect) >= LEAST_EFFECT
                ],
                "marked": {field: list(_marked(field, text, effects[control])) for field, text in texts.items()},
            }
            for control, label in labels.items()
        },
    }


def _pieces(texts: Mapping[str, str]) -> tuple[list[_Piece], int]:
    """Return the words, or runs of so many words within a field that there are not too many of them."""
    words = {
        field: [(start, end) for start, end in token_spans(text) if any(map(str.isalnum, text[start:end]))]
        for field, text in texts.items()
    }
    size = max(math.ceil(sum(map(len, words.values())) / MOST_PASSES), 1)
    while sum(-(-len(spans) // size) for spans in words.values()) > max(MOST_PASSES, len(words)):
        size += 1  # a run ends with its field
    pieces = [
        _Piece(field, some[0][0], some[-1][1]) for field, spans in words.items() for some in in_batches(spans, size)
    ]
    return pieces, size


def _without(texts: Mapping[str, str], piece: _Piece) -> dict[str, str]:
    text = texts[piece.field]
    return {**texts, piece.field: f"{text[: piece.start].rstrip()} {text[piece.end :].lstrip()}".strip()}


def _marked(field: str, text: str, effects: Mapping[_Piece, float]) -> Iterator[dict[str, Any]]:
    """Yield the text in parts that follow each other, each with the level of its mark."""
    scale = max([*map(abs, effects.values()), FULL_SCALE])
    end = 0
    for piece, effect in sorted((each for each in effects.items() if each[0].field == field), key=lambda each: each[0]):
        level = math.ceil(LEVELS * abs(effect) / scale) if abs(effect) >= LEAST_EFFECT else 0
        if not level:
            continue
        if piece.start > end:
            yield {"text": text[end : piece.start], "level": 0}
        yield {"text": text[piece.start : piece.end], "level": level if effect > 0 else -level}
        end = piece.end
    if end < len(text):
        yield {"text": text[end:], "level": 0}

"""Edited copies of texts, whose label stays what it was: other words, typing errors, and parts of two texts alike."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ...models.text.sentences import sentences

__all__ = ["edited_copies", "rare_rows"]

RARE_ROWS = 20
"""Labels of fewer rows get copies, as many as they lack."""
MOST_COPIES = 4
"""The most copies per row."""
LEAST_LETTERS = 4
"""Shorter words carry too much of a text's meaning in each letter."""
WORDS_PER_ERROR = 8
SENTENCE_TOKENS = 200
KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")

Edit = Callable[[str, np.random.Generator], str]


def rare_rows(labels: Sequence[object]) -> list[int]:
    """Return the positions of the rows of rare labels, of which there may be copies."""
    rows = Counter(labels)
    return [position for position, label in enumerate(labels) if rows[label] < RARE_ROWS]


def edited_copies(
    texts: Sequence[str],
    labels: Sequence[object],
    *,
    seed: int,
    most: int = MOST_COPIES,
    rewordings: Mapping[str, str] | None = None,
) -> list[tuple[str, tuple[int, int]]]:
    """Return copies of rows of rare labels, each with the positions of the two rows that it has parts of.

    Both are the same for a mistyped row. The answer of a copy is theirs.

    A row's copies have in turn typing errors, and parts of it and of another row of the same label; a row that has none
    like it gets typing errors alone. Where there are other words for it, these are the first copy. No copy is one of
    the texts, and none occurs twice.

    Args:
        labels: per text, what must be the same for parts of two to be mixed, and rare to be copied.
        most: copies per row.
        rewordings: other words for texts, as far as there are any.
    """
    rng = np.random.default_rng(seed)
    rows = Counter(labels)
    alike: dict[object, list[int]] = {}
    for position, label in enumerate(labels):
        alike.setdefault(label, []).append(position)
    seen, copies = set(texts), []
    for position, (text, label) in enumerate(zip(texts, labels, strict=True)):
        lacking = max(RARE_ROWS - rows[label], 0)
        # Rows of a label share what it lacks, and chance decides about the rest of the division.
        count = min(int(lacking / rows[label] + rng.random()), most)
        others = [other for other in alike[label] if other != position]
        reworded = (rewordings or {}).get(text)
        for number in range(count):
            other = int(rng.choice(others)) if number % 2 and others else position
            copy = _mistyped(text, rng) if other == position else _mixed(text, texts[other])
            if number == 0 and reworded is not None:
                copy = reworded
            if copy not in seen:
                seen.add(copy)
                copies.append((copy, (position, other)))
    return copies


def _mixed(first: str, second: str) -> str:
    """Return the first half of one text's sentences and the second half of the other's; of single ones, both."""
    one, other = sentences(first, SENTENCE_TOKENS), sentences(second, SENTENCE_TOKENS)
    return " ".join([*one[: -(-len(one) // 2)], *other[len(other) // 2 :]])


def _mistyped(text: str, rng: np.random.Generator) -> str:
    """Return the text with an error in every eighth word or so; as it is where no word is long enough."""
    words = text.split(" ")
    long = [i for i, word in enumerate(words) if len(word) >= LEAST_LETTERS and word.isalpha()]
    for i in rng.permutation(long)[: 1 + len(words) // WORDS_PER_ERROR].tolist():
        words[i] = _EDITS[int(rng.integers(len(_EDITS)))](words[i], rng)
    return " ".join(words)


def _swapped(word: str, rng: np.random.Generator) -> str:
    i = int(rng.integers(1, len(word) - 1))
    return word[:i] + word[i + 1] + word[i] + word[i + 2 :]


def _dropped(word: str, rng: np.random.Generator) -> str:
    i = int(rng.integers(1, len(word)))
    return word[:i] + word[i + 1 :]


def _doubled(word: str, rng: np.random.Generator) -> str:
    i = int(rng.integers(1, len(word)))
    return word[:i] + word[i] + word[i:]


def _missed(word: str, rng: np.random.Generator) -> str:
    """Return the word with the key beside one of its letters; letters that no Latin keyboard has are doubled."""
    i = int(rng.integers(1, len(word)))
    beside = _BESIDE.get(word[i])
    return _doubled(word, rng) if beside is None else word[:i] + beside[int(rng.integers(len(beside)))] + word[i + 1 :]


_EDITS: Sequence[Edit] = (_swapped, _dropped, _doubled, _missed)
_BESIDE: Mapping[str, str] = {
    key: row[max(i - 1, 0) : i] + row[i + 1 : i + 2] for row in KEYS for i, key in enumerate(row)
}

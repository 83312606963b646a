"""Answers that were given before: the same text of the same version need not be computed again."""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import Protocol

from ..domain.model import ScoredTarget
from ..domain.ports import Predictor

__all__ = ["AnswerCache", "CachedPredictor"]

Answers = Mapping[str, ScoredTarget]

ENTRY_BYTES, ANSWER_BYTES, SCORE_BYTES, PART_BYTES, CHARACTER_BYTES = 400, 400, 50, 140, 4
"""Measured on CPython 3.11: an entry, an answer in it, and of that a score, a span or a label, a character."""
KEY_BYTES = 16  # a collision among a billion texts has a chance of 1 in 10**20


class LoadedPredictor(Predictor, Protocol):
    """A predictor of this package."""

    @property
    def controls(self) -> frozenset[str]:
        """Names of the controls that it answers."""

    @property
    def memory(self) -> Mapping[Hashable, int]:
        """Bytes in memory, by what holds them; two predictors may share it."""


class AnswerCache:
    """The answers of a process, by version and text; the least recently used ones give way. Safe to share.

    Args:
        limit_bytes: about what they may take in memory; 0: nothing is kept.

    Attributes:
        hits: texts whose answer was found.
        misses: texts whose answer was not.
    """

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.hits = self.misses = 0
        self._entries: OrderedDict[bytes, tuple[Answers, int]] = OrderedDict()
        self._bytes = 0
        self._guard = threading.Lock()

    @property
    def used_bytes(self) -> int:
        """About what the answers take in memory."""
        return self._bytes

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, version: str, texts: Sequence[str]) -> list[Answers | None]:
        """The answers of a version to texts, in order; None where they are not known."""
        keys = [_key(version, text) for text in texts]
        answers: list[Answers | None] = []
        with self._guard:
            for key in keys:
                entry = self._entries.get(key)
                if entry is None:
                    answers.append(None)
                else:
                    self._entries.move_to_end(key)
                    answers.append(entry[0])
            self.hits += sum(each is not None for each in answers)
            self.misses += sum(each is None for each in answers)
        return answers

    def keep(self, version: str, answers: Mapping[str, Answers]) -> None:
        """Remember the answers of a version, by text."""
        entries = [(_key(version, text), answer, _bytes_of(answer)) for text, answer in answers.items()]
        with self._guard:
            for key, answer, size in entries:
                former = self._entries.pop(key, None)
                self._entries[key] = answer, size
                self._bytes += size - (former[1] if former else 0)
            while self._bytes > self.limit_bytes and self._entries:
                _, (_, size) = self._entries.popitem(last=False)
                self._bytes -= size


class CachedPredictor:
    """A predictor that asks the cache first. Safe to use from several threads, as the predictor is.

    Answers that lack a control are not kept: a draft that was not ready in time may be the next time.

    Args:
        known_as: tells its answers from those of others; None: its version does.
    """

    def __init__(self, predictor: LoadedPredictor, cache: AnswerCache, *, known_as: str | None = None) -> None:
        self.version = predictor.version
        self._known_as = known_as or predictor.version
        self._predictor = predictor
        self._cache = cache

    @property
    def memory(self) -> Mapping[Hashable, int]:
        """As the predictor has it."""
        return self._predictor.memory

    def predict(self, texts: Sequence[str]) -> list[Answers | None]:
        """As the predictor answers."""
        if not self._cache.limit_bytes:
            return self._predictor.predict(texts)
        answers = self._cache.find(self._known_as, texts)
        misses = list(dict.fromkeys(text for text, answer in zip(texts, answers, strict=True) if answer is None))
        if not misses:
            return answers
        results = dict(zip(misses, self._predictor.predict(misses), strict=True))
        controls = self._predictor.controls
        whole = {text: answer for text, answer in results.items() if answer is not None and answer.keys() == controls}
        self._cache.keep(self._known_as, whole)
        return [results[text] if answer is None else answer for text, answer in zip(texts, answers, strict=True)]

    def predict_with_fit(self, texts: Sequence[str]) -> list[Answers | None]:
        """As the predictor answers; the cache, whose answers lack the fit, is left alone."""
        return self._predictor.predict_with_fit(texts)

    def nearest(self, text: str, count: int) -> Mapping[str, Sequence[tuple[int, float]]]:
        """As the predictor finds them."""
        return self._predictor.nearest(text, count)

    def draw_score(self, key: int, unasked: Collection[str] = ()) -> float | None:
        """As the predictor draws."""
        return self._predictor.draw_score(key, unasked)


def _key(version: str, text: str) -> bytes:
    # Label Studio lets halves of surrogate pairs through, which strict UTF-8 refuses.
    return hashlib.blake2b(f"{version}\n{text}".encode(errors="surrogatepass"), digest_size=KEY_BYTES).digest()


def _bytes_of(answers: Answers) -> int:
    size = ENTRY_BYTES
    for answer in answers.values():
        target_bytes = CHARACTER_BYTES if isinstance(answer.target, str) else PART_BYTES
        length = 1 if isinstance(answer.target, int | float) else len(answer.target)
        size += ANSWER_BYTES + SCORE_BYTES * len(answer.scores) + target_bytes * length
    return size

"""Answers of language models on the disk, so that nothing is asked, and paid for, twice."""

import hashlib
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from ..batches import in_batches
from .cache_file import open_cache

__all__ = ["AnswerFile"]

TABLE = "answers (key BLOB PRIMARY KEY, answer TEXT NOT NULL) WITHOUT ROWID"
KEYS_AT_ONCE = 500


class AnswerFile:
    """Answers by all that was asked. Questions are kept as digests alone. Safe to share between processes.

    Args:
        path: of a SQLite file; nothing is ever taken out of it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def known(self, questions: Sequence[str]) -> dict[int, str]:
        """Return the answers that are there, by the number of the question."""
        numbers: dict[bytes, list[int]] = {}
        for number, question in enumerate(questions):
            numbers.setdefault(_key(question), []).append(number)
        found: dict[int, str] = {}
        with closing(open_cache(self._path, TABLE)) as cache:
            for keys in in_batches(numbers, KEYS_AT_ONCE):
                places = ",".join("?" * len(keys))
                rows = cache.execute(f"SELECT key, answer FROM answers WHERE key IN ({places})", keys)  # noqa: S608 (marks)
                found |= {number: answer for key, answer in rows for number in numbers[key]}
        return found

    def keep(self, question: str, answer: str) -> None:
        """Store an answer, at once and for good."""
        with closing(open_cache(self._path, TABLE)) as cache, cache:
            cache.execute("INSERT OR REPLACE INTO answers (key, answer) VALUES (?, ?)", (_key(question), answer))


def _key(question: str) -> bytes:
    return hashlib.sha256(question.encode(errors="surrogatepass")).digest()

"""Data sets, and texts that are asked about: short and long ones, and never the same one twice."""

import csv
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

__all__ = [
    "KINDS",
    "LONG_TOKENS",
    "Dataset",
    "FreshTexts",
    "Pair",
    "count_tokens",
    "load_dataset",
    "read_pairs",
    "write_pools",
]

KINDS = ("short", "long")
LONG_TOKENS = 200
LONG_TEXTS = 200

Pair = tuple[str, str]


@dataclass(frozen=True)
class Dataset:
    """Labeled texts.

    Attributes:
        name: for the reader of a result.
        test: empty where there is no official test file.
    """

    name: str
    train: tuple[Pair, ...]
    test: tuple[Pair, ...]

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """In alphabetical order."""
        return tuple(sorted({label for _, label in self.train}))


def load_dataset(folder: Path | None) -> Dataset:
    """Banking77 from its folder (`train.csv` and `test.csv`); without one the tickets of the demo."""
    if folder is None:
        from ml_backend.demo.tickets import load_tickets

        return Dataset("the demo's tickets", tuple((ticket.text, ticket.label) for ticket in load_tickets()), ())
    return Dataset("Banking77", *(tuple(read_pairs(folder / name)) for name in ("train.csv", "test.csv")))


def write_pools(dataset: Dataset, path: Path) -> None:
    """Write texts of each kind as JSON: the data set's own, and as many of them joined as make 200 tokens."""
    own = [text for text, _ in dataset.test or dataset.train if text.strip()]
    draw = random.Random(1)
    words = [word for text in draw.sample(own, len(own)) for word in text.split()]
    path.write_text(json.dumps({"short": own, "long": _long_texts(words, draw)}), encoding="utf-8")


def count_tokens(texts: Sequence[str]) -> list[int]:
    """Tokens of each text in the default base model's eyes, special ones included."""
    tokenizer = _tokenizer()
    return [len(encoding.ids) for encoding in tokenizer.encode_batch(list(texts))]


class FreshTexts:
    """Texts of a kind that no cache has seen: those of a pool, their words in another order, one of them replaced.

    So they are as long as those of the pool, to a token or two.
    """

    def __init__(self, pool: Sequence[str], seed: int) -> None:
        self._pool = pool
        self._words = [word for text in pool[:500] for word in text.split()]
        self._draw = random.Random(seed)

    def take(self, count: int) -> list[str]:
        """So many texts."""
        return [self._fresh(self._draw.choice(self._pool)) for _ in range(count)]

    def _fresh(self, text: str) -> str:
        words = text.split()
        self._draw.shuffle(words)
        words[self._draw.randrange(len(words))] = self._draw.choice(self._words)
        return " ".join(words)


def read_pairs(path: Path) -> Iterator[Pair]:
    """Text and category of each row of one of Banking77's files, in the file's order."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                yield row["text"], row["category"]
    except (OSError, KeyError) as error:
        raise SystemExit(
            f"{path.name} of Banking77 cannot be read ({error!r}); wanted a folder with train.csv and test.csv, "
            "columns text,category (the files of PolyAI's task-specific-datasets)"
        ) from None


def _long_texts(words: Sequence[str], draw: random.Random) -> list[str]:
    """Texts of 200 tokens or just below, special ones included."""
    lengths = [max(1, count - 2) for count in count_tokens(words)]
    texts = []
    while len(texts) < LONG_TEXTS:
        at, used, taken = draw.randrange(len(words)), 2, []
        while used + lengths[at] <= LONG_TOKENS:
            taken.append(words[at])
            used += lengths[at]
            at = (at + 1) % len(words)
        texts.append(" ".join(taken))
    return texts


def _tokenizer():
    from tokenizers import Tokenizer

    from ml_backend.models.base.base_model import DEFAULT_BASE_MODEL, BaseModelFiles

    tokenizer = Tokenizer.from_file(str(Path(BaseModelFiles(DEFAULT_BASE_MODEL).source) / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer

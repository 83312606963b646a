"""Labels that the leak guard costs on templated texts, by the rule of groups and by the former rule.

    python -m benchmarks.templated [--meanings FOLDER] [--seeds 0 1 2 3 4] [--texts 100000]

The sets are those of `benchmarks/support/templates`. With `--meanings`, real ones are added: the meanings of the E2E
dataset (Novikova et al. 2017, CC BY-SA 4.0), from the column `mr` of `train.csv` and `test.csv` in the folder. All
pairs of a train text and a held-out one are compared exactly, by the shingles of the leak guard.

Costs are those of storing the splits in a SQLite file: of one known or new text at a time, and of so many in batches.
"""

import argparse
import csv
import platform
import random
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix

from benchmarks.support.templated import SETS, templated_texts, templates_of
from ml_backend.batches import in_batches
from ml_backend.domain.snapshot import Split, SplitFractions, text_digest
from ml_backend.snapshots.grouping import place_texts
from ml_backend.snapshots.leakage import shingles
from ml_backend.snapshots.sketches import sketch_of
from ml_backend.storage.database import Database, open_database

SIZES = (400, 2000)
THRESHOLD = 0.8
BATCH = 25
TIMED = 200
PROJECT = 1
FRACTIONS = SplitFractions()


def main() -> None:
    """Print two tables, of labels and of costs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--meanings", type=Path, help="folder of the E2E dataset")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--texts", type=int, default=100_000, help="how many texts are stored; 0: none")
    given = parser.parse_args()
    print(f"{platform.processor() or platform.machine()}, {given.seeds=}")
    print("| set | texts | dropped by hash | dropped by group: mean, most | train | validation | test |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name, size, draws in _draws(given.meanings, given.seeds):
        _show(name, size, draws)
    if given.texts:
        with tempfile.TemporaryDirectory() as folder:
            for name in ("logs", "words at random"):
                _show_costs(name, given.texts, Path(folder) / f"{name}.db")


def _draws(meanings: Path | None, seeds: Sequence[int]) -> Iterator[tuple[str, int, list[list[str]]]]:
    """Yield name and size of each set, and its texts per seed, without repetitions."""
    for name in SETS:
        for size in SIZES:
            yield name, size, [list(dict.fromkeys(templated_texts(templates_of(name), size, seed))) for seed in seeds]
    if meanings:
        found = [row["mr"] for part in ("train", "test") for row in _records(meanings / f"{part}.csv")]
        texts = list(dict.fromkeys(found))
        for size in (SIZES[0], len(texts)):
            yield "meanings of E2E", size, [random.Random(seed).sample(texts, size) for seed in seeds]


def _records(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _show(name: str, size: int, draws: Sequence[Sequence[str]]) -> None:
    by_hash, by_group = [], []
    shares: dict[Split, list[float]] = {split: [] for split in Split}
    for texts in draws:
        splits = [each.split for each in place_texts(FRACTIONS, [sketch_of(text) for text in texts])]
        by_hash.append(dropped_share(texts, [FRACTIONS.split_of(text) for text in texts]))
        by_group.append(dropped_share(texts, splits))
        counts = Counter(splits)
        for split, found in shares.items():
            found.append(counts[split] / len(texts))
    ranges = " | ".join(f"{min(found):.0%} to {max(found):.0%}" for found in shares.values())
    most = f"{statistics.mean(by_group):.2%}, {max(by_group):.2%}"
    print(f"| {name} | {size:,} | {statistics.mean(by_hash):.1%} | {most} | {ranges} |", flush=True)


def dropped_share(texts: Sequence[str], splits: Sequence[Split]) -> float:
    """Return the share of texts that are in train and nearly repeat a held-out one, all pairs compared."""
    pieces = [shingles(text) for text in texts]
    columns = {piece: column for column, piece in enumerate(sorted(frozenset().union(*pieces)))}
    used = [columns[piece] for each in pieces for piece in each]
    starts = np.cumsum([0, *map(len, pieces)])
    marks = csr_matrix((np.ones(len(used), dtype=np.float32), used, starts), shape=(len(texts), len(columns)))
    sizes = np.array([len(each) for each in pieces])
    held_out = np.array([split.is_held_out for split in splits])
    common = (marks[~held_out] @ marks[held_out].T).toarray()
    union = sizes[~held_out][:, None] + sizes[held_out][None, :] - common
    return float((common / union >= THRESHOLD).any(axis=1).sum() / len(texts))


def _show_costs(name: str, count: int, file: Path) -> None:
    made = templated_texts(templates_of(name), count, 1) if name in SETS else _random_texts(count)
    texts = list(dict.fromkeys(made))
    rule = partial(place_texts, FRACTIONS)
    with closing(open_database(f"sqlite:///{file}", lambda: datetime.now(UTC))) as database:
        config = {"label_config": "<View/>", "fingerprint": "f"}
        database.projects.add(PROJECT, slug="a", title="A", split=FRACTIONS, **config)
        began_s = time.perf_counter()
        longest_s = max(_place(database, batch, rule) for batch in in_batches(texts[:-TIMED], BATCH))
        seconds = time.perf_counter() - began_s
        known = [
            _seconds(lambda text=text: database.splits.find(PROJECT, [text_digest(text)])) for text in texts[:TIMED]
        ]
        new = [_place(database, [text], rule) for text in texts[-TIMED:]]
    print(
        f"{name}: {len(texts):,} texts in {seconds:.0f} s, {seconds / len(texts) * 1e3:.2f} ms each, the longest batch "
        f"{longest_s * 1e3:.0f} ms; then a known text takes {statistics.median(known) * 1e3:.2f} ms and a new one "
        f"{statistics.median(new) * 1e3:.2f} ms (medians); {file.stat().st_size / 1e6:.0f} MB",
        flush=True,
    )


def _place(database: Database, texts: Sequence[str], rule: Callable[..., list[object]]) -> float:
    return _seconds(lambda: database.splits.place(PROJECT, [sketch_of(text) for text in texts], rule))


def _find(database: Database, text: str) -> float:
    return _seconds(lambda: database.splits.find(PROJECT, [text_digest(text)]))


def _seconds(action: Callable[[], object]) -> float:
    began_s = time.perf_counter()
    action()
    return time.perf_counter() - began_s


def _random_texts(count: int) -> list[str]:
    """Return texts without anything in common but frequent words."""
    chance = random.Random(1)
    words, weights = [f"w{number}" for number in range(20_000)], [1 / (number + 10) for number in range(20_000)]
    return [" ".join(chance.choices(words, weights, k=chance.randint(6, 30))) for _ in range(count)]


if __name__ == "__main__":
    main()

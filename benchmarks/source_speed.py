"""How long label sources take for many texts, and how much memory.

    python -m benchmarks.source_speed --data BANKING77 [--texts 100000] [--entries 100000] [--processes 2]

The rationales of `benchmarks/banking77_sources` and a gazetteer of so many made-up entries, one in a hundred of which
occurs in some text, read different texts of Banking77's words. Memory is that of all processes together, the shared
pages of each counted again.
"""

import argparse
import random
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from benchmarks.sources import CONTROL, SOURCES
from benchmarks.support.texts import FreshTexts, read_pairs
from ml_backend.domain.source import AnswerForm
from ml_backend.sources.kinds.base import AskedControl
from ml_backend.sources.runner import SourceRunner

WATCHED_EVERY_S = 0.5


class PeakMemory:
    """The most memory that this process and its children have used together, in bytes."""

    def __init__(self) -> None:
        self.bytes = 0
        self._is_over = threading.Event()

    def __enter__(self) -> "PeakMemory":
        threading.Thread(target=self._watch, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()

    def _watch(self) -> None:
        own = psutil.Process()
        while not self._is_over.wait(WATCHED_EVERY_S):
            self.bytes = max(self.bytes, sum(map(_resident, [own, *own.children(recursive=True)])))


def _resident(process: psutil.Process) -> int:
    try:
        return process.memory_info().rss
    except psutil.Error:  # it ended meanwhile
        return 0


def _entries(count: int, words: list[str]) -> Iterator[str]:
    draw = random.Random(1)
    letters = "abcdefghiklmnoprstuvwz"
    for number in range(count):
        made = [f"{''.join(draw.choices(letters, k=6))}{number}", *draw.choices(words, k=draw.choice((0, 1, 2)))]
        yield " ".join(draw.choices(words, k=2) if number % 100 == 0 else made)


def main() -> None:
    """Read the texts once, and print seconds and memory."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of Banking77's files")
    parser.add_argument("--texts", type=int, default=100_000)
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--processes", type=int, default=2)
    asked = parser.parse_args()
    pairs = list(read_pairs(asked.data / "train.csv"))
    labels = tuple(sorted({label for _, label in pairs}))
    words = sorted({word.strip(".,?!'") for text, _ in pairs for word in text.split() if word.strip(".,?!'").isalpha()})
    fresh = FreshTexts([text for text, _ in pairs], 1)
    texts = (fresh.take(1)[0] for _ in range(asked.texts))
    control = AskedControl(CONTROL, AnswerForm.ONE, labels)
    with tempfile.TemporaryDirectory(prefix="labelloop-bench-") as home, PeakMemory() as peak:
        folder = Path(home) / "sources"
        shutil.copytree(SOURCES, folder)
        (folder / "gazetteers").mkdir()
        (folder / "gazetteers" / f"{labels[0]}.txt").write_text("\n".join(_entries(asked.entries, words)))
        started = time.perf_counter()
        with SourceRunner(folder, [control], limit_s=10.0, processes=asked.processes) as runner:
            loaded_s = time.perf_counter() - started
            votes = runner.votes(texts)
        seconds = time.perf_counter() - started
    print(f"{len(runner.sources)} sources, {asked.entries} entries, {asked.texts} texts, {asked.processes} processes")
    print(
        f"{seconds:.0f} s, {loaded_s:.1f} s of them loading; {len(votes)} votes; {peak.bytes / 2**20:.0f} MiB at most"
    )
    print(f"faults: {len(runner.faults)}")


if __name__ == "__main__":
    main()

"""Whether the driver of bulk runs keeps many workers busy, and what it needs for that, by simulation.

    python -m benchmarks.bulk [--workers 200] [--shards 4000] [--shard-s 2]

Workers are threads of this process that only wait as long as a shard takes, between half and one and a half times the
mean; the cutting of the tasks and the handing out of pieces are the real ones. It prints the share of the time in
which workers worked, the processor time of the driver per shard, and how much memory was added.
"""

import argparse
import queue
import random
import resource
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from ml_backend.labelstudio.files.notes import FileNotes
from ml_backend.storage.shared_files import SharedFiles
from ml_backend.workflows.bulk.crews.base import Crew, Event
from ml_backend.workflows.bulk.drive import drive
from ml_backend.workflows.bulk.formats.base import Piece
from ml_backend.workflows.bulk.plan import BulkPlan

PIECE_BYTES = 100
KIB = 1024


class WaitingCrew(Crew):
    """Threads that wait."""

    name: ClassVar[str] = "waiting"
    depth: ClassVar[int] = 2

    def __init__(self, mean_s: float) -> None:
        self.busy_s = 0.0
        self._mean_s, self._draw = mean_s, random.Random(1)
        self._news: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._given: list[queue.SimpleQueue[tuple[Piece, float]]] = []

    def hire(self) -> int:
        """Start a thread."""
        self._given.append(queue.SimpleQueue())
        worker = len(self._given) - 1
        threading.Thread(target=self._work, args=(worker,), daemon=True).start()
        return worker

    def give(self, worker: int, piece: Piece) -> None:
        """Draw how long it takes."""
        seconds = self._mean_s * self._draw.uniform(0.5, 1.5)
        self.busy_s += seconds
        self._given[worker].put((piece, seconds))

    def wait(self) -> Sequence[Event]:
        """Wait for the next one."""
        return [self._news.get()]

    def close(self) -> None:
        """They end with the process."""

    def _work(self, worker: int) -> None:
        self._news.put(Event(worker, "ready"))
        while True:
            piece, seconds = self._given[worker].get()
            time.sleep(seconds)
            self._news.put(Event(worker, "done", {"number": piece.number}))


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=200)
    parser.add_argument("--shards", type=int, default=4000)
    parser.add_argument("--shard-s", type=float, default=2.0)
    asked = parser.parse_args()
    crew = WaitingCrew(asked.shard_s)
    with tempfile.TemporaryDirectory() as folder:
        tasks = Path(folder) / "tasks.jsonl"
        with tasks.open("wb") as file:
            # Only its beginning is read: JSON lines are cut by their size.
            file.write(b'{"text": "a"}\n'.ljust(asked.shards * PIECE_BYTES))
        source = SharedFiles(tasks)
        plan = BulkPlan.model_validate(
            {
                "model_version": "v",
                "bundle_sha256": "",
                "tasks": source.url,
                "files": [{"name": "", "size": asked.shards * PIECE_BYTES, "stamp": ""}],
                "format": "jsonl",
                "piece_bytes": PIECE_BYTES,
            }
        )
        memory, started, used = _peak_kib(), time.monotonic(), time.process_time()
        done = sum(1 for _ in drive(crew, plan.pieces((), FileNotes()), asked.workers))
        seconds, used = time.monotonic() - started, time.process_time() - used
    print(
        f"{done} shards, {asked.workers} workers, {seconds:.1f} s: busy {crew.busy_s / (asked.workers * seconds):.1%}, "
        f"{1000 * used / done:.2f} ms of the processor per shard, {(_peak_kib() - memory) / KIB:.0f} MiB more"
    )


def _peak_kib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    main()

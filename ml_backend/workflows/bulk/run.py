"""Predict the tasks of many files: shards that any number of workers write, and a manifest that counts all."""

import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from ...domain.progress import Progress, ProgressCallback
from ...errors import BulkError
from ...labelstudio.files.notes import FileNotes
from ...options import Options
from ...storage.shared_files import SharedFiles
from .crews.base import Crew, OpenWorker
from .drive import drive
from .formats.base import Piece
from .plan import MANIFEST, BulkPlan
from .shard import RECORDS, Record, ShardWork, open_worker

__all__ = ["BulkRequest", "predict_in_bulk"]

MOST_FAILED = 5
"""Shards that may fail before the run stops: something is wrong with all of them then."""
EXAMPLES = 20


class BulkRequest(NamedTuple):
    """A wish for predictions.

    Attributes:
        tasks: folder, file or URL that is read.
        out: folder or URL that is written to.
        format: `jsonl` or `parquet`.
        engine: name of a crew.
        workers: how many there are at a time.
        shard_mb: MB of tasks that become one shard; None: by the size of all.
    """

    tasks: str
    out: str
    format: str
    engine: str = "local"
    workers: int = 1
    shard_mb: float | None = None


def predict_in_bulk(
    options: Options,
    bundle: Path,
    request: BulkRequest,
    report: ProgressCallback = Progress.ignore,
    open_with: OpenWorker | None = None,
) -> Mapping[str, Any]:
    """Write the shards that are not there yet, then the manifest; return the manifest.

    A run that is killed loses what its workers were at, and the next one with the same arguments writes the rest.

    Args:
        bundle: folder of the version's files.
        report: told about after every shard.
        open_with: opens a worker; None: one that holds the version.

    Raises:
        BundleError: the version's bundle is missing or damaged.
        BulkError: the place holds another run; or shards failed, and all others are written.
        StudioExportError: a file is damaged, or holds no tasks.
    """
    target = SharedFiles(request.out)
    plan = BulkPlan.of(bundle, request.tasks, target, request.format, request.shard_mb)
    plan.settle(target)
    if target.size(MANIFEST) is not None:
        complete: Mapping[str, Any] = json.loads(target.read(MANIFEST))
        return complete
    ledger = _Ledger(plan)
    for record in plan.records(target):
        ledger.add(record)
    ledger.start()
    notes = FileNotes()
    work = ShardWork(plan.tasks, target.url, plan.format, options.graphs_folder, options.serving.runtime)
    opener = open_with or partial(open_worker, work)
    crew = Crew.of(request.engine)(options, bundle, opener, request.workers)
    with closing(crew):
        for piece, outcome in drive(crew, plan.pieces(ledger.numbers, notes), request.workers):
            ledger.hear(piece, outcome, target)
            report(ledger.progress(request.workers))
    ledger.check(target)
    manifest = ledger.manifest(request, notes)
    with target.write(MANIFEST) as draft:
        draft.write_text(json.dumps(manifest, indent=1, ensure_ascii=False), encoding="utf-8")
    target.remove(RECORDS)
    target.remove_drafts()
    return manifest


class _Ledger:
    """Adds up the shards of a run, those of earlier runs included."""

    def __init__(self, plan: BulkPlan) -> None:
        self._plan = plan
        self._shards: dict[int, Mapping[str, Any]] = {}
        self._empty: Counter[str] = Counter()
        self._examples: list[Sequence[str]] = []
        self._failed: dict[int, str] = {}
        self._seen_of: set[str] = set()
        self._rows = self._unreadable = self._read_bytes = self._changed = 0
        self._started, self._rows_before, self._bytes_before = time.monotonic(), 0, 0

    @property
    def numbers(self) -> frozenset[int]:
        """Numbers of the shards that are there."""
        return frozenset(self._shards)

    def start(self) -> None:
        """Begin to measure the speed."""
        self._started, self._rows_before, self._bytes_before = time.monotonic(), self._rows, self._read_bytes

    def add(self, record: Record) -> None:
        """Count a shard."""
        self._shards[record["number"]] = {key: record[key] for key in ("name", "sha256", "bytes", "rows")}
        self._rows += record["rows"]
        self._read_bytes += record["read_bytes"]
        self._unreadable += record["unreadable"]
        self._changed += record["changed_values"]
        self._empty.update(record["empty"])
        self._examples += record["examples"][: EXAMPLES - len(self._examples)]

    def hear(self, piece: Piece, outcome: Record | str, target: SharedFiles) -> None:
        """Count a shard that was written, or one that failed.

        Raises:
            BulkError: so many failed that it makes no sense to go on; or a worker writes to another place.
        """
        if not isinstance(outcome, str):
            self.add(outcome)
            if outcome["by"] not in self._seen_of and target.size(outcome["name"]) != outcome["bytes"]:
                raise BulkError(
                    f"{outcome['by']} wrote {outcome['name']} to a {target.url} that is not the one of this machine; "
                    "wanted a folder that all machines share, or a URL"
                )
            self._seen_of.add(outcome["by"])
            return
        self._failed[piece.number] = f"{piece.file or self._plan.tasks}, {piece.start} to {piece.end}: {outcome}"
        if len(self._failed) >= MOST_FAILED:
            self.check(target)

    def check(self, target: SharedFiles) -> None:
        """Raise a BulkError where shards failed."""
        if self._failed:
            reasons = "; ".join(list(self._failed.values())[:EXAMPLES])
            raise BulkError(
                f"{len(self._failed)} shard{'s' * (len(self._failed) > 1)} failed, {len(self._shards)} lie in "
                f"{target.url}; the same command tries the rest again: {reasons}"
            )

    def progress(self, workers: int) -> Progress:
        """Return how far it is, how fast, and how long it takes from here, over all workers."""
        elapsed = max(time.monotonic() - self._started, 1e-9)
        rate = (self._rows - self._rows_before) / elapsed
        bytes_left = max(self._plan.total_bytes - self._read_bytes, 0)
        left_s = bytes_left * elapsed / max(self._read_bytes - self._bytes_before, 1)
        message = (
            f"{self._rows:,} texts, {rate:,.0f}/s by {workers} worker{'s' * (workers > 1)}, {_duration(left_s)} left"
        )
        return Progress(min(self._read_bytes / self._plan.total_bytes, 1.0), "predicting", message)

    def manifest(self, request: BulkRequest, notes: FileNotes) -> Mapping[str, Any]:
        """Return what the manifest says."""
        empty = sum(self._empty.values())
        return {
            **self._plan.model_dump(mode="json"),
            "rows": self._rows,
            "with_prediction": self._rows - empty,
            "without_prediction": dict(self._empty),
            "unreadable": self._unreadable,
            "unreadable_examples": [{"where": where, "problem": problem} for where, problem in self._examples],
            "changed_values": self._changed + notes.not_numbers + notes.half_characters,
            "engine": request.engine,
            "workers": request.workers,
            "seconds": round(time.monotonic() - self._started, 3),
            "shards": list(self._in_order()),
        }

    def _in_order(self) -> Iterator[Mapping[str, Any]]:
        return (self._shards[number] for number in sorted(self._shards))


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes < 2:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 120 else f"{minutes / 60:.1f} h"

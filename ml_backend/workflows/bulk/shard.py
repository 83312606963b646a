"""Predict the tasks of a piece and write them as a shard: what a worker does."""

import hashlib
import json
import logging
import os
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from ...batches import in_batches
from ...domain.annotation import Prediction, Task
from ...domain.ports import Predictor
from ...labelstudio.files.notes import FileNotes
from ...labelstudio.files.values import given_id
from ...serving.prelabels import prelabel
from ...storage.shared_files import SharedFiles
from ...tasks import ServingPlan
from ..labeling.predict import plan_in
from .formats.base import BulkFormat, Fault, Item, Piece

__all__ = ["RECORDS", "Record", "ShardWork", "WritePiece", "open_worker", "write_shard"]

Record: TypeAlias = Mapping[str, Any]
"""Facts about a finished shard, JSON values only: its file lies beside the shards until all are there."""
WritePiece: TypeAlias = Callable[[Piece], Record]

RECORDS = "_records"
EXAMPLES = 5
"""Faults of a shard that its record describes; it counts them all."""
TASKS_AT_ONCE = 512


class ShardWork(NamedTuple):
    """The work that the workers of a run share. It is sent to other machines.

    Attributes:
        tasks: folder, file or URL that is read.
        out: folder or URL that is written to.
        format: name of the `BulkFormat` of the shards.
        graphs: folder of model graphs, see `Engines`.
        runtime: as in the setting `LABELLOOP_RUNTIME`.
    """

    tasks: str
    out: str
    format: str
    graphs: Path
    runtime: str


def open_worker(work: ShardWork, bundle: Path) -> WritePiece:
    """Load a version the way it serves; return what writes a shard with it.

    Raises:
        BundleError: the bundle is damaged, or was trained on other base weights than the ones found here.
        EncoderError: its base model cannot be loaded.
    """
    from ...serving.bundle_predictor import BundlePredictor
    from ...serving.engines import Engines

    # A line per task would be millions of lines; the record counts them.
    logging.getLogger("ml_backend.serving.prelabels").setLevel(logging.ERROR)
    plan = plan_in(bundle)
    predictor = BundlePredictor(bundle, engines=Engines(work.graphs, work.runtime), runtime=work.runtime)
    return partial(write_shard, work, predictor, plan)


def write_shard(work: ShardWork, predictor: Predictor, plan: ServingPlan, piece: Piece) -> Record:
    """Write the shard of a piece, then its record, each whole or not at all; return the record.

    Raises:
        StudioExportError: the file is damaged.
        OSError: the tasks cannot be read here, or the shard not be written.
    """
    started = time.monotonic()
    target, shard = SharedFiles(work.out), BulkFormat.all()[work.format]()
    seen = _Seen()
    name = f"part-{piece.number:07}.{work.format}"
    with target.write(name) as draft:
        shard.write(seen.predicted(SharedFiles(work.tasks), piece, predictor, plan), draft)
        size = draft.stat().st_size
        with draft.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    record = {
        "number": piece.number,
        "name": name,
        "sha256": digest,
        "bytes": size,
        "read_bytes": piece.size,
        "rows": seen.rows,
        "empty": dict(seen.empty),
        "unreadable": seen.unreadable,
        "examples": [list(fault) for fault in seen.examples],
        "changed_values": seen.notes.not_numbers + seen.notes.half_characters,
        "seconds": round(time.monotonic() - started, 3),
        "by": f"{socket.gethostname()}:{os.getpid()}",
    }
    with target.write(f"{RECORDS}/{piece.number:07}.json") as draft:
        draft.write_text(json.dumps(record), encoding="utf-8")
    return record


class _Seen:
    """Counts of what came by while a piece was predicted."""

    def __init__(self) -> None:
        self.rows = self.unreadable = 0
        self.empty: Counter[str] = Counter()
        self.examples: list[Fault] = []
        self.notes = FileNotes()

    def predicted(
        self, source: SharedFiles, piece: Piece, predictor: Predictor, plan: ServingPlan
    ) -> Iterator[tuple[Item, Prediction]]:
        """Yield the tasks of a piece with their predictions, in order. No task is blind."""
        items = BulkFormat.all()[piece.format]().read(source, piece, self.notes)
        for batch in in_batches(self._tasks(items), TASKS_AT_ONCE):
            tasks = [Task(given_id(item.get("id")) or 0, item["data"]) for item in batch]
            prelabels = prelabel(tasks, predictor, plan, is_blind=None)
            self.rows += len(batch)
            self.empty += prelabels.empty
            yield from zip(batch, prelabels.predictions, strict=True)

    def _tasks(self, items: Iterator[Item | Fault]) -> Iterator[Item]:
        for item in items:
            if isinstance(item, Fault):
                self.unreadable += 1
                if len(self.examples) < EXAMPLES:
                    self.examples.append(item)
            else:
                yield item

"""Workers of bulk runs without a model: child processes find them here by name."""

import os
import signal
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from ml_backend.domain.model import ScoredTarget
from ml_backend.labelstudio.config.parse import parse_label_config
from ml_backend.tasks import serving_plan
from ml_backend.workflows.bulk.formats.base import Piece
from ml_backend.workflows.bulk.shard import Record, ShardWork, WritePiece, write_shard
from tests.fakes import FakePredictor
from tests.services import CONFIG

__all__ = ["DeadlyWorker", "open_fake", "open_slow"]


class SlowPredictor(FakePredictor):
    """Waits as long as a text takes, and does nothing else."""

    def __init__(self, seconds: float) -> None:
        super().__init__("tickets-1-v1", {"again": "Returns"}, "Billing")
        self._seconds = seconds

    def predict(self, texts: Sequence[str]) -> list[Mapping[str, ScoredTarget] | None]:
        time.sleep(self._seconds * len(texts))
        self.asked.clear()  # memory is measured beside it
        return super().predict(texts)


def open_slow(work: ShardWork, seconds: float, bundle: Path) -> WritePiece:
    """A worker that takes so many seconds for a text."""
    return partial(write_shard, work, SlowPredictor(seconds), serving_plan(parse_label_config(CONFIG)))


def open_fake(work: ShardWork, bundle: Path) -> WritePiece:
    """A worker that answers `Billing` at once."""
    return open_slow(work, 0, bundle)


class DeadlyWorker:
    """Opens workers of which the process dies at some shards: at one after its file was written, at one before.

    Args:
        marks: folder of a file per death, since each is died once.
    """

    def __init__(self, work: ShardWork, marks: Path) -> None:
        self.work, self.marks = work, marks

    def __call__(self, bundle: Path) -> WritePiece:
        write = open_fake(self.work, bundle)

        def write_or_die(piece: Piece) -> Record:
            if piece.number == 1:
                self._die("before")
            record = write(piece)
            if piece.number == 3:
                self._die("after")
            return record

        return write_or_die

    def _die(self, when: str) -> None:
        mark = self.marks / when
        if not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)

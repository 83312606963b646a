"""Workers that are child processes of this one."""

import logging
import os
import signal
from collections.abc import Collection, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import ClassVar

from ....options import Options
from ..formats.base import Piece
from .base import Crew, Event, OpenWorker

__all__: list[str] = []

log = logging.getLogger(__name__)

WAIT_S = 1.0


class LocalCrew(Crew):
    """Each process has its share of the cores. They end when this process ends, at the latest after their shard."""

    name: ClassVar[str] = "local"
    depth: ClassVar[int] = 1

    def __init__(self, options: Options, bundle: Path, open_worker: OpenWorker, count: int) -> None:
        del options
        self._bundle, self._open, self._count = bundle, open_worker, count
        self._context = get_context("spawn")
        self._links: dict[int, tuple[SpawnProcess, Connection, int]] = {}
        self._hired = 0

    def hire(self) -> int:
        """Start a process, on cores that no other one uses if there are enough."""
        taken = {seat for _, _, seat in self._links.values()}
        seat = next(seat for seat in range(self._count) if seat not in taken)
        ours, theirs = self._context.Pipe()
        process = self._context.Process(
            target=_work, args=(theirs, self._open, self._bundle, _cores_of(seat, self._count)), daemon=True
        )
        process.start()
        theirs.close()  # so that its end is the child's end
        worker, self._hired = self._hired, self._hired + 1
        self._links[worker] = process, ours, seat
        return worker

    def give(self, worker: int, piece: Piece) -> None:
        """A process that has just died is noticed by `wait`."""
        try:
            self._links[worker][1].send(piece)
        except OSError as error:
            log.info("worker %s takes no piece: %s", worker, error)

    def wait(self) -> Sequence[Event]:
        """Wait for answers, and for ends of processes."""
        workers = {link: worker for worker, (_, link, _) in self._links.items()}
        return [self._event(workers[link]) for link in wait(list(workers), WAIT_S) if isinstance(link, Connection)]

    def close(self) -> None:
        """Kill the processes: what they write appears whole or not at all."""
        for process, link, _ in self._links.values():
            process.kill()
            process.join()
            link.close()
        self._links.clear()

    def _event(self, worker: int) -> Event:
        process, link, _ = self._links[worker]
        try:
            kind, record, problem = link.recv()
            return Event(worker, kind, record, problem)
        except (EOFError, OSError):
            process.join()
            link.close()
            del self._links[worker]
            return Event(worker, "died", problem=f"its process {process.pid} ended with status {process.exitcode}")


def _cores_of(seat: int, count: int) -> Collection[int]:
    """Return the cores for one of so many processes; none where the system does not bind processes to cores."""
    if not hasattr(os, "sched_getaffinity"):
        return ()
    cores = sorted(os.sched_getaffinity(0))
    return cores[seat::count] or [cores[seat % len(cores)]]


def _work(link: Connection, open_worker: OpenWorker, bundle: Path, cores: Collection[int]) -> None:
    """Write shards until the other end of the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the command, which ends this process
    if cores:
        os.sched_setaffinity(0, cores)
    try:
        write = open_worker(bundle)
    except Exception as error:
        link.send(("unfit", None, f"{type(error).__name__}: {error}"))
        return
    link.send(("ready", None, ""))
    while True:
        try:
            piece = link.recv()
        except EOFError:
            return
        try:
            link.send(("done", write(piece), ""))
        except BrokenPipeError:
            return
        except Exception as error:
            # The process's outermost frame: whoever asked decides about another attempt.
            log.warning("shard %s failed", piece.number, exc_info=True)
            link.send(("failed", None, f"{type(error).__name__}: {error}"))

"""Keep a crew busy: give out pieces, take back those of workers that died, and tell what became of each."""

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from itertools import islice

from ...errors import BulkError
from .crews.base import Crew, Event
from .formats.base import Piece
from .shard import Record

__all__ = ["drive"]

MOST_ATTEMPTS = 3
"""Attempts at a piece, each of which raised, or whose process died at it, before it is given up."""
MOST_FALSE_STARTS = 3


def drive(crew: Crew, pieces: Iterable[Piece], count: int) -> Iterator[tuple[Piece, Record | str]]:
    """Yield every piece with the record of its shard, or with why it was given up, in the order in which they end.

    No piece is taken from the source before a worker has room for it.

    Args:
        count: workers to hire; a worker that dies is replaced.

    Raises:
        BulkError: the workers cannot be opened, or die before they are ready.
    """
    return _Foreman(crew, iter(pieces), count).run()


class _Foreman:
    def __init__(self, crew: Crew, source: Iterator[Piece], count: int) -> None:
        self._crew, self._source, self._count = crew, source, count
        self._waiting: deque[Piece] = deque(islice(source, count))
        self._held: dict[int, deque[Piece]] = {}
        self._opening: set[int] = set()
        self._failures: Counter[int] = Counter()
        self._false_starts = 0

    def run(self) -> Iterator[tuple[Piece, Record | str]]:
        while len(self._opening) < min(self._count, len(self._waiting)):
            self._opening.add(self._crew.hire())
        while self._held or self._opening:
            for event in self._crew.wait():
                yield from self._heard(event)
            if not self._waiting and not any(self._held.values()):
                return

    def _heard(self, event: Event) -> Iterator[tuple[Piece, Record | str]]:
        worker = event.worker
        match event.kind:
            case "ready":
                self._opening.discard(worker)
                self._held[worker], self._false_starts = deque(), 0
            case "unfit":
                raise BulkError(f"no worker can be opened: {event.problem}")
            case "done":
                piece = self._held[worker].popleft()
                yield piece, event.record or {}
            case "failed":
                yield from self._again(self._held[worker].popleft(), event.problem)
            case "died":
                yield from self._buried(worker, event.problem)
        self._fill(worker)

    def _buried(self, worker: int, problem: str) -> Iterator[tuple[Piece, Record | str]]:
        """Take back what a dead worker had; the piece that it worked at may be what killed it."""
        if worker in self._opening:
            self._opening.discard(worker)
            self._false_starts += 1
            if self._false_starts >= MOST_FALSE_STARTS:
                raise BulkError(f"{MOST_FALSE_STARTS} workers in a row died before they were ready: {problem}")
        pieces = self._held.pop(worker, deque())
        if pieces:
            yield from self._again(pieces.popleft(), problem)
        self._waiting.extend(pieces)
        if not self._waiting:
            self._waiting.extend(islice(self._source, 1))
        if self._waiting:
            self._opening.add(self._crew.hire())

    def _again(self, piece: Piece, problem: str) -> Iterator[tuple[Piece, Record | str]]:
        self._failures[piece.number] += 1
        if self._failures[piece.number] < MOST_ATTEMPTS:
            self._waiting.append(piece)
        else:
            yield piece, f"{problem} ({MOST_ATTEMPTS} attempts)"

    def _fill(self, worker: int) -> None:
        """Give a worker what it has room for."""
        held = self._held.get(worker)
        while held is not None and len(held) < self._crew.depth:
            piece = self._waiting.popleft() if self._waiting else next(self._source, None)
            if piece is None:
                return
            held.append(piece)
            self._crew.give(worker, piece)

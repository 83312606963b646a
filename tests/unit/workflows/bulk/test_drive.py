"""Every piece is given out once and comes back once, whatever becomes of the workers."""

import heapq
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import ClassVar

import pytest

from ml_backend.errors import BulkError
from ml_backend.workflows.bulk.crews.base import Crew, Event
from ml_backend.workflows.bulk.drive import drive
from ml_backend.workflows.bulk.formats.base import Piece

PIECE = Piece(0, "a.jsonl", "jsonl", 0, 1, 1)


class SimulatedCrew(Crew):
    """Workers that only wait, by a clock that jumps to the next event.

    Args:
        seconds: how long a worker takes for a piece.
        fate: what happens at a piece, by its number and attempt.
    """

    name: ClassVar[str] = "simulated"
    depth: ClassVar[int] = 1
    OPENING_S: ClassVar[float] = 5.0

    def __init__(
        self,
        seconds: Callable[[], float] = lambda: 1.0,
        fate: Callable[[int, int], str] = lambda _number, _attempt: "done",
        openings: Sequence[str] = (),
    ) -> None:
        self.now = self.busy_s = 0.0
        self.hired = 0
        self._seconds, self._fate, self._openings = seconds, fate, list(openings)
        self._attempts: Counter[int] = Counter()
        self._events: list[tuple[float, int, Event]] = []

    def hire(self) -> int:
        self.hired += 1
        kind = self._openings.pop(0) if self._openings else "ready"
        self._add(self.OPENING_S, Event(self.hired, kind, problem="no memory"))  # type: ignore[arg-type]
        return self.hired

    def give(self, worker: int, piece: Piece) -> None:
        self._attempts[piece.number] += 1
        kind, took = self._fate(piece.number, self._attempts[piece.number]), self._seconds()
        self.busy_s += took
        self._add(took, Event(worker, kind, {"number": piece.number}, "no luck"))  # type: ignore[arg-type]

    def wait(self) -> Sequence[Event]:
        self.now, _, event = heapq.heappop(self._events)
        return [event]

    def close(self) -> None:
        """Nothing is left."""

    def _add(self, after: float, event: Event) -> None:
        heapq.heappush(self._events, (self.now + after, event.worker, event))


def pieces(count: int) -> Iterator[Piece]:
    return (PIECE._replace(number=number) for number in range(count))


def test_two_hundred_workers_are_busy_for_more_than_nine_tenths_of_the_time() -> None:
    draw = Random(1)
    crew = SimulatedCrew(lambda: draw.uniform(5, 15))

    done = [piece.number for piece, outcome in drive(crew, pieces(200 * 40), 200) if not isinstance(outcome, str)]

    assert sorted(done) == list(range(200 * 40))
    assert crew.busy_s / (200 * crew.now) > 0.9


def test_nothing_is_lost_or_doubled_where_workers_die_and_pieces_fail() -> None:
    draw = Random(2)

    def fate(_number: int, attempt: int) -> str:
        return draw.choice(["done", "died", "failed"]) if attempt < 3 else "done"

    crew = SimulatedCrew(draw.random, fate)

    outcomes = [(piece.number, outcome["number"]) for piece, outcome in drive(crew, pieces(500), 7)]  # type: ignore[index]

    assert sorted(outcomes) == [(number, number) for number in range(500)]


@pytest.mark.parametrize("fate", ["died", "failed"])
def test_a_piece_that_never_works_is_given_up_and_the_others_are_done(fate: str) -> None:
    crew = SimulatedCrew(fate=lambda number, _attempt: fate if number == 3 else "done")

    outcomes = {piece.number: outcome for piece, outcome in drive(crew, pieces(20), 4)}

    assert outcomes.pop(3) == "no luck (3 attempts)"
    assert sorted(outcomes) == sorted({*range(20)} - {3})


def test_no_more_is_read_than_workers_have_room_for() -> None:
    taken: list[int] = []

    def source() -> Iterator[Piece]:
        for piece in pieces(100):
            taken.append(piece.number)
            yield piece

    for done, _ in enumerate(drive(SimulatedCrew(), source(), 4), start=1):
        assert len(taken) <= done + 4


def test_fewer_workers_are_hired_than_asked_for_where_there_is_less_to_do() -> None:
    crew = SimulatedCrew()

    assert len(list(drive(crew, pieces(3), 10))) == 3
    assert crew.hired == 3
    assert list(drive(crew, pieces(0), 10)) == []


@pytest.mark.parametrize(
    ("openings", "said"),
    [
        (["unfit"], "no worker can be opened: no memory"),
        (["died"] * 3, "3 workers in a row died before they were ready: no memory"),
    ],
)
def test_workers_that_cannot_be_opened_end_the_run(openings: list[str], said: str) -> None:
    with pytest.raises(BulkError, match=said):
        list(drive(SimulatedCrew(openings=openings), pieces(5), 1))


def test_a_worker_that_dies_while_it_is_opened_is_replaced() -> None:
    crew = SimulatedCrew(openings=["died", "died", "ready"])

    assert len(list(drive(crew, pieces(5), 1))) == 5

"""Which runtime `auto` takes, on a machine whose speed changes from second to second."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from ml_backend.arrays import Floats2d
from ml_backend.errors import GraphError
from ml_backend.models.graphs.fastest import open_runtime
from ml_backend.models.graphs.graph import Graph, GraphFacts
from ml_backend.models.graphs.packing import PackedRow
from ml_backend.models.graphs.runtimes.base import GraphRuntime, Shape

WORDS = np.zeros((100, 4), dtype=np.float32)
NAMES = ("int8", "plain", "other")


class Machine:
    """Tells how long a computation took, by a clock that it turns itself."""

    def __init__(self, slowness: Callable[[float], float] = lambda now: 1.0) -> None:
        self.now = 0.0
        self.opened: list[str] = []
        self._slowness = slowness

    def clock(self) -> float:
        return self.now

    def compute(self, seconds: float) -> None:
        self.now += seconds * self._slowness(self.now)


def computed(name: str, number: int, seconds: float | None, machine: Machine) -> type[GraphRuntime]:
    """A runtime that takes these seconds for a text; None: it cannot compute the graph."""

    class Computed(GraphRuntime):
        order, package, memory_bytes = number, "numpy", 0

        def _prepare(self, *_: object) -> None:
            if seconds is None:
                raise GraphError(f"{name} cannot")
            machine.opened.append(name)

        def hidden(self, sequences: Sequence[Sequence[int]]) -> list[Floats2d]:
            machine.compute(seconds * len(sequences))
            return []

        def close(self) -> None:
            machine.opened.remove(name)

        def _batches(self, *_: object) -> Iterator[tuple[Sequence[PackedRow], Shape]]:
            raise NotImplementedError

        def _compute(self, *_: object) -> Floats2d:
            raise NotImplementedError

    Computed.name = name
    return Computed


@pytest.fixture
def chosen(tmp_path: Path) -> Callable[..., str]:
    """The name of the runtime that `auto` takes, by seconds a text; one that has none cannot compute it."""

    def choice(machine: Machine, **seconds: float) -> str:
        kinds = [computed(name, number, seconds.get(name), machine) for number, name in enumerate(NAMES)]
        files = {Graph.ONNX_NAME: "", Graph.INT8_NAMES[0]: ""}
        facts = GraphFacts(
            base_model_sha256="0" * 64, hidden_size=4, is_packed=True, first_position=0, pad_id=0, files=files
        )
        runtime = open_runtime(
            Graph(tmp_path, facts),
            WORDS,
            wanted="auto",
            max_length_tokens=64,
            measured=tmp_path / "runtimes.json",
            kinds=kinds,
            clock=machine.clock,
        )
        assert machine.opened == [runtime.name], "those that were only measured are closed"
        return runtime.name

    return choice


@pytest.mark.parametrize("fastest", ["int8", "plain", "other"])
def test_it_is_the_one_that_takes_the_least_time(chosen: Callable[..., str], fastest: str, tmp_path: Path) -> None:
    seconds = {"int8": 0.002, "plain": 0.002, "other": 0.002} | {fastest: 0.0019}

    assert chosen(Machine(), **seconds) == fastest
    assert list(json.loads((tmp_path / "runtimes.json").read_text()).values()) == [fastest]


def test_a_machine_that_becomes_three_times_as_fast_half_way_changes_nothing(chosen: Callable[..., str]) -> None:
    machine = Machine(slowness=lambda now: 3.0 if now < 0.4 else 1.0)

    assert chosen(machine, int8=0.0020, plain=0.0024, other=0.0030) == "int8"


def test_one_that_cannot_compute_the_graph_is_passed_over(chosen: Callable[..., str]) -> None:
    assert chosen(Machine(), other=0.002) == "other"


def test_where_none_can_the_reasons_are_told(chosen: Callable[..., str]) -> None:
    with pytest.raises(GraphError, match="int8 cannot; plain cannot; other cannot"):
        chosen(Machine())

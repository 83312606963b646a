"""Which runtime `auto` takes, on a machine whose speed changes from second to second."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from ml_backend.arrays import Floats2d
from ml_backend.errors import GraphError
from ml_backend.models.graphs.graph import INT8_NAMES, ONNX_NAME, Graph, GraphFacts
from ml_backend.models.graphs.runtimes import choose
from ml_backend.models.graphs.runtimes.base import Runtime

WORDS = np.zeros((100, 4), dtype=np.float32)
Opener = Callable[..., Runtime]


class Machine:
    """Tells how long a computation took, by a clock that it turns itself."""

    def __init__(self, slowness: Callable[[float], float] = lambda now: 1.0) -> None:
        self.now = 0.0
        self.opened: list[str] = []
        self._slowness = slowness

    def perf_counter(self) -> float:
        return self.now

    def compute(self, seconds: float) -> None:
        self.now += seconds * self._slowness(self.now)


class Computed:
    """A runtime that takes so many seconds for a text."""

    tokens_per_batch, memory_bytes = 512, 0

    def __init__(self, name: str, seconds: float, machine: Machine) -> None:
        self.name = name
        self._seconds, self._machine = seconds, machine
        machine.opened.append(name)

    def hidden(self, sequences: Sequence[Sequence[int]]) -> list[Floats2d]:
        self._machine.compute(self._seconds * len(sequences))
        return []

    def close(self) -> None:
        self._machine.opened.remove(self.name)


@pytest.fixture
def chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """The name of the runtime that `auto` takes, by seconds a text; one that has none cannot compute it."""

    def choice(machine: Machine, **seconds: float) -> str:
        def opened(name: str) -> Runtime:
            if name not in seconds:
                raise GraphError(f"{name} cannot")
            return Computed(name.replace("_", "-"), seconds[name], machine)

        def openvino(*_: object, in_int8: bool, **__: object) -> Runtime:
            return opened("openvino_int8" if in_int8 else "openvino")

        # Nobody can set how fast a real runtime or the machine is. The integration tests choose among real ones.
        monkeypatch.setattr(choose, "time", machine)
        monkeypatch.setattr(choose, "OpenVinoRuntime", openvino)
        monkeypatch.setattr(choose, "OnnxRuntime", lambda *_, **__: opened("onnxruntime"))
        files = {ONNX_NAME: "", INT8_NAMES[0]: ""}
        graph = Graph(
            tmp_path,
            GraphFacts(
                base_model_sha256="0" * 64, hidden_size=4, is_packed=True, first_position=0, pad_id=0, files=files
            ),
        )
        runtime = choose.open_runtime(
            graph, WORDS, wanted="auto", max_length_tokens=64, measured=tmp_path / "runtimes.json"
        )
        assert machine.opened == [runtime.name], "those that were only measured are closed"
        return runtime.name

    return choice


@pytest.mark.parametrize("fastest", ["openvino_int8", "openvino", "onnxruntime"])
def test_it_is_the_one_that_takes_the_least_time(chosen: Callable[..., str], fastest: str, tmp_path: Path) -> None:
    seconds = {"openvino_int8": 0.002, "openvino": 0.002, "onnxruntime": 0.002} | {fastest: 0.0019}

    assert chosen(Machine(), **seconds) == fastest.replace("_", "-")
    assert list(json.loads((tmp_path / "runtimes.json").read_text()).values()) == [fastest.replace("_", "-")]


def test_a_machine_that_becomes_three_times_as_fast_half_way_changes_nothing(chosen: Callable[..., str]) -> None:
    machine = Machine(slowness=lambda now: 3.0 if now < 0.4 else 1.0)

    assert chosen(machine, openvino_int8=0.0020, openvino=0.0024, onnxruntime=0.0030) == "openvino-int8"


def test_one_that_cannot_compute_the_graph_is_passed_over(chosen: Callable[..., str]) -> None:
    assert chosen(Machine(), onnxruntime=0.002) == "onnxruntime"


def test_where_none_can_the_reasons_are_told(chosen: Callable[..., str]) -> None:
    with pytest.raises(GraphError, match="openvino_int8 cannot; openvino cannot; onnxruntime cannot"):
        chosen(Machine())

"""Which runtime is the fastest on this machine: measured once, and remembered."""

import contextlib
import json
import logging
import math
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from ....atomic_files import atomic_text
from ....errors import GraphError
from ..graph import Graph, WordVectors
from .base import Runtime, cores
from .onnx import OnnxRuntime
from .openvino import EAGER, OpenVinoRuntime

__all__ = ["AUTO", "GRAPH_RUNTIMES", "TORCH", "open_runtime"]

log = logging.getLogger(__name__)

AUTO, TORCH = "auto", "torch"
INT8 = "openvino-int8"
GRAPH_RUNTIMES = (INT8, "openvino", "onnxruntime")
# One text and several fill shapes that OpenVINO compiles first, so that nobody computes padding.
SHORT_TOKENS, SHORT_TEXTS = 32, 4
ROUNDS = 20


def open_runtime(
    graph: Graph, words: WordVectors, *, wanted: str, max_length_tokens: int, measured: Path, threads: int | None = None
) -> Runtime:
    """A graph's layers in the runtime asked for, or in the fastest one.

    Args:
        wanted: one of `GRAPH_RUNTIMES`, or `AUTO`; without a graph in 8 bits `openvino-int8` is `openvino`.
        max_length_tokens: longest sequence that will be asked for.
        measured: file that remembers which one was the fastest for such graphs on this machine.

    Raises:
        GraphError: none of them can compute it.
    """
    names = [name for name in GRAPH_RUNTIMES if name != INT8 or graph.int8 is not None]

    def opened(name: str, shapes: int | None = None) -> Runtime:
        if name == "onnxruntime":
            return OnnxRuntime(graph, words, threads=threads)
        return OpenVinoRuntime(
            graph, words, in_int8=name == INT8, max_length_tokens=max_length_tokens, threads=threads, shapes=shapes
        )

    if wanted != AUTO:
        return opened(wanted if wanted in names else "openvino")
    key = _machine(graph)
    name = _read(measured).get(key)
    if name not in names:
        # A few shapes, all of them ready: one that still compiled others would lose to one that was done with it.
        name = _fastest([(each, partial(opened, each, EAGER)) for each in names], len(words), graph)
        _remember(measured, key, name)
    return opened(name)


def _fastest(openers: Sequence[tuple[str, Callable[[], Runtime]]], vocabulary: int, graph: Graph) -> str:
    best: Runtime | None = None
    reasons = []
    for name, opener in openers:
        try:
            runtime = opener()
        except GraphError as error:
            reasons.append(str(error))
            continue
        # Two at a time: each one that is open holds copies of the weights.
        if best is not None:
            ratio = _ratio(runtime, best, vocabulary)
            log.info("%s takes %.2f times as long as %s for short texts", name, ratio, best.name)
            if ratio < 1.0:
                best, runtime = runtime, best
            runtime.close()
        else:
            best = runtime
    if best is None:
        raise GraphError(f"nothing here can compute the graph in {graph.folder}: {'; '.join(reasons)}")
    best.close()
    return best.name


def _ratio(runtime: Runtime, other: Runtime, vocabulary: int) -> float:
    """How many times as long a runtime takes as another: for one short text and for several, the geometric mean.

    They compute in turns, and of neighbouring turns the median ratio counts, since a machine that is shared may be
    twice as slow a second later.
    """
    ids = np.random.default_rng(0).integers(0, vocabulary, (SHORT_TEXTS, SHORT_TOKENS)).tolist()
    logs = []
    for sequences in (ids[:1], ids):
        ratios = [_seconds(runtime, sequences) / _seconds(other, sequences) for _ in range(ROUNDS)]
        logs.append(math.log(statistics.median(ratios)))
    return math.exp(statistics.mean(logs))


def _seconds(runtime: Runtime, sequences: Sequence[Sequence[int]]) -> float:
    began = time.perf_counter()
    runtime.hidden(sequences)
    return time.perf_counter() - began


def _machine(graph: Graph) -> str:
    """What the speed depends on: the machine, the libraries, and the kind of graph."""
    parts = [_processor(), f"{cores()} cores"]
    for package in ("openvino", "onnxruntime"):
        with contextlib.suppress(PackageNotFoundError):
            parts.append(f"{package} {version(package)}")
    kind = f"{graph.facts.base_model_sha256[:16]}{' int8' if graph.int8 else ''}"
    return ", ".join([*parts, kind])


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _read(measured: Path) -> dict[str, str]:
    try:
        document = json.loads(measured.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def _remember(measured: Path, key: str, name: str) -> None:
    with atomic_text(measured) as file:
        file.write(json.dumps(_read(measured) | {key: name}, indent=2) + "\n")

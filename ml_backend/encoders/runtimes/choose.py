"""Which runtime is the fastest on this machine: measured once, and remembered."""

import contextlib
import json
import logging
import math
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from ...errors import GraphError
from ..graph import Graph, WordVectors
from .base import Runtime, cores
from .onnx import OnnxRuntime
from .openvino import OpenVinoRuntime

__all__ = ["AUTO", "GRAPH_RUNTIMES", "TORCH", "open_runtime"]

log = logging.getLogger(__name__)

AUTO, TORCH = "auto", "torch"
GRAPH_RUNTIMES = ("openvino-int8", "openvino", "onnxruntime")
SHORT_TOKENS, SHORT_TEXTS = 16, 8
ROUNDS = 12


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
    openers: dict[str, Callable[[], Runtime]] = {
        "openvino-int8": lambda: OpenVinoRuntime(
            graph, words, in_int8=True, max_length_tokens=max_length_tokens, threads=threads
        ),
        "openvino": lambda: OpenVinoRuntime(
            graph, words, in_int8=False, max_length_tokens=max_length_tokens, threads=threads
        ),
        "onnxruntime": lambda: OnnxRuntime(graph, words, threads=threads),
    }
    if graph.int8 is None:
        del openers["openvino-int8"]
    if wanted != AUTO:
        return openers["openvino" if wanted not in openers else wanted]()
    key = _machine(graph)
    known = _read(measured).get(key)
    if known in openers:
        return openers[known]()
    return _fastest(openers, graph, len(words), measured, key)


def _fastest(
    openers: Mapping[str, Callable[[], Runtime]], graph: Graph, vocabulary: int, measured: Path, key: str
) -> Runtime:
    best: Runtime | None = None
    least_s = math.inf
    reasons = []
    for name, opener in openers.items():
        try:
            runtime = opener()
        except GraphError as error:
            reasons.append(str(error))
            continue
        seconds = _seconds(runtime, vocabulary)
        log.info("%s takes %.1f ms for a short text and some more", name, seconds * 1000)
        if seconds < least_s:
            best, runtime, least_s = runtime, best, seconds
        if runtime is not None:
            runtime.close()
    if best is None:
        raise GraphError(f"nothing here can compute the graph in {graph.folder}: {'; '.join(reasons)}")
    _remember(measured, key, best.name)
    return best


def _seconds(runtime: Runtime, vocabulary: int) -> float:
    """Geometric mean of the times for one short text and for several, medians of some rounds."""
    ids = np.random.default_rng(0).integers(0, vocabulary, (SHORT_TEXTS, SHORT_TOKENS)).tolist()
    logs = []
    for sequences in (ids[:1], ids):
        times = []
        for _ in range(ROUNDS):
            began = time.perf_counter()
            runtime.hidden(sequences)
            times.append(time.perf_counter() - began)
        logs.append(math.log(statistics.median(times)))
    return math.exp(statistics.mean(logs))


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
    measured.parent.mkdir(parents=True, exist_ok=True)
    draft = measured.with_suffix(f".{os.getpid()}")
    draft.write_text(json.dumps(_read(measured) | {key: name}, indent=2) + "\n", encoding="utf-8")
    draft.replace(measured)

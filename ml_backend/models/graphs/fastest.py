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

from ...arrays import Floats2d
from ...atomic_files import atomic_text
from ...errors import GraphError
from ..base.device import cores
from .graph import Graph
from .runtimes.base import GraphRuntime
from .runtimes.torch import TorchRuntime

__all__ = ["AUTO", "open_runtime", "runtime_names"]

log = logging.getLogger(__name__)

AUTO = "auto"
# One text and several fill shapes that OpenVINO compiles first, so that neither runtime computes padding.
SHORT_TOKENS, SHORT_TEXTS = 32, 4
ROUNDS = 20


def runtime_names() -> Sequence[str]:
    """Return the names of all runtimes, those that compute graphs first."""
    return [*(kind.name for kind in GraphRuntime.found()), TorchRuntime.name]


def open_runtime(
    graph: Graph,
    words: Floats2d,
    *,
    wanted: str,
    max_length_tokens: int,
    measured: Path,
    kinds: Sequence[type[GraphRuntime]] | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> GraphRuntime:
    """A graph's layers in the runtime asked for, or in the fastest one.

    Args:
        wanted: the name of a runtime for graphs, or `AUTO`. Where the graph lacks the form that this one computes, a
            runtime for its plain form takes its place.
        max_length_tokens: longest sequence that will be asked for.
        measured: file that remembers which one was the fastest for such graphs on this machine.
        kinds: the runtimes to choose from; None: all that are found.

    Raises:
        GraphError: none of them can compute it.
    """
    usable = {kind.name: kind for kind in kinds or GraphRuntime.found() if kind.file_of(graph) is not None}
    if wanted != AUTO:
        kind = usable.get(wanted) or next(iter(usable.values()))
        return kind(graph, words, max_length_tokens=max_length_tokens)
    key = _machine(graph)
    name = _read(measured).get(key)
    if name not in usable:

        def opened(kind: type[GraphRuntime]) -> GraphRuntime:
            return kind(graph, words, max_length_tokens=max_length_tokens, shapes=kind.trial_shapes)

        name = _fastest([partial(opened, kind) for kind in usable.values()], len(words), graph, clock)
        _remember(measured, key, name)
    return usable[name](graph, words, max_length_tokens=max_length_tokens)


def _fastest(
    openers: Sequence[Callable[[], GraphRuntime]], vocabulary: int, graph: Graph, clock: Callable[[], float]
) -> str:
    best: GraphRuntime | None = None
    reasons = []
    for opener in openers:
        try:
            runtime = opener()
        except GraphError as error:
            reasons.append(str(error))
            continue
        if best is None:
            best = runtime
            continue
        # Two at a time: each one that is open holds copies of the weights.
        ratio = _ratio(runtime, best, vocabulary, clock)
        log.info("%s takes %.2f times as long as %s for short texts", runtime.name, ratio, best.name)
        if ratio < 1.0:
            best, runtime = runtime, best
        runtime.close()
    if best is None:
        raise GraphError(f"nothing here can compute the graph in {graph.folder}: {'; '.join(reasons)}")
    best.close()
    return best.name


def _ratio(runtime: GraphRuntime, other: GraphRuntime, vocabulary: int, clock: Callable[[], float]) -> float:
    """How many times as long a runtime takes as another: for one short text and for several, the geometric mean.

    They compute in turns, and of neighbouring turns the median ratio counts, since a machine that is shared may be
    twice as slow a second later.
    """
    ids = np.random.default_rng(0).integers(0, vocabulary, (SHORT_TEXTS, SHORT_TOKENS)).tolist()
    logs = []
    for sequences in (ids[:1], ids):
        ratios = [_seconds(runtime, sequences, clock) / _seconds(other, sequences, clock) for _ in range(ROUNDS)]
        logs.append(math.log(statistics.median(ratios)))
    return math.exp(statistics.mean(logs))


def _seconds(runtime: GraphRuntime, sequences: Sequence[Sequence[int]], clock: Callable[[], float]) -> float:
    began = clock()
    runtime.hidden(sequences)
    return clock() - began


def _machine(graph: Graph) -> str:
    """Return what the speed depends on: the machine, the libraries, and the kind of graph."""
    parts = [_processor(), f"{cores()} cores"]
    for package in dict.fromkeys(kind.package for kind in GraphRuntime.found()):
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

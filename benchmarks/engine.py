"""How fast a predictor is in process, by runtime and batch, beside the peer; and its share of the machine's peak.

The peer is asked in the same rounds, in turns with every runtime; a ratio is that of a round.
"""

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.support.bench import Bench
from benchmarks.support.figures import in_turns, spread
from benchmarks.support.machine import peak_gflops
from benchmarks.support.predictors import PEER, RUNTIMES, PredictorProcess, predictor
from benchmarks.support.texts import KINDS, count_tokens
from ml_backend.models.base.base_model import DEFAULT_BASE_MODEL, BaseModelFiles

__all__ = ["BATCHES", "flops_per_text", "measure"]

BATCHES = (1, 8, 64)
ROUNDS, QUICK_ROUNDS = 5, 2
SECONDS, QUICK_SECONDS = 1.5, 0.3


def measure(bench: Bench) -> Mapping[str, Any]:
    """Texts per second and ratios to the peer of every runtime, kind of text and batch."""
    pools = json.loads(bench.pool.read_text(encoding="utf-8"))
    tokens = {kind: count_tokens(pools[kind]) for kind in KINDS}
    rounds, seconds = bench.pick(ROUNDS, QUICK_ROUNDS), bench.pick(SECONDS, QUICK_SECONDS)
    cells: list[dict[str, Any]] = []
    peaks = [peak_gflops(is_quick=bench.is_quick)]
    with ExitStack() as stack:
        processes = [stack.enter_context(predictor(name, bench.home, bench.pool)) for name in (PEER, *RUNTIMES)]
        for kind in KINDS:
            for batch in BATCHES:
                cells += _cell(processes, kind, batch, rounds, seconds)
        load_s = {process.name: round(process.load_s, 2) for process in processes}
    peaks.append(peak_gflops(is_quick=bench.is_quick))
    return {
        "texts": bench.dataset.name,
        "peak_gflops": {name: max(peak[name] for peak in peaks) for name in peaks[0]},
        "rounds": rounds,
        "seconds_per_round": seconds,
        "tokens_per_text": {kind: round(sum(counts) / len(counts), 1) for kind, counts in tokens.items()},
        "mflop_per_text": {
            kind: round(sum(map(flops_per_text, counts)) / len(counts) / 1e6, 1) for kind, counts in tokens.items()
        },
        "load_s": load_s,
        "cells": cells,
    }


def flops_per_text(tokens: int) -> float:
    """Floating point operations of the default base model's layers for a text, a multiplication and an addition each.

    Two per parameter of a linear layer and token; in attention two products of (T, T) and (T, D) matrices per layer.
    """
    config = json.loads((Path(BaseModelFiles(DEFAULT_BASE_MODEL).source) / "config.json").read_text(encoding="utf-8"))
    width, inner, layers = config["hidden_size"], config["intermediate_size"], config["num_hidden_layers"]
    linear = 4 * width * width + 2 * width * inner
    return float(layers * (2 * linear * tokens + 4 * tokens * tokens * width))


def _cell(
    processes: Sequence[PredictorProcess], kind: str, batch: int, rounds: int, seconds: float
) -> list[dict[str, Any]]:
    def asked(process: PredictorProcess, number: int) -> float:
        return process.rate(kind=kind, batch=batch, seconds=seconds, seed=100 * batch + number)

    rates = in_turns(rounds, *(lambda number, process=process: asked(process, number) for process in processes))
    return [
        {
            "runtime": process.name,
            "kind": kind,
            "batch": batch,
            "texts_per_s": spread(found, 1),
            "ratio": spread([ours / peer for ours, peer in zip(found, rates[0], strict=True)], 2),
        }
        for process, found in zip(processes, rates, strict=True)
    ]

"""Small results of every benchmark, in the form that the benchmarks write them."""

import json
from pathlib import Path
from typing import Any

__all__ = ["FIGURES", "MACHINE", "spread", "write_result"]

MACHINE = {
    "cpu": "Abacus 9",
    "cores": 2,
    "cpu_features": ["avx2"],
    "memory_gib": 8.0,
    "system": "Linux 6.1, x86_64",
    "python": "3.11.7",
    "threads_of_torch": 2,
    "peak_gflops": {"fp32": 400, "bf16": 800},
    "load_before": [0.1, 0.2, 0.3],
    "libraries": {"torch": "2.13.0"},
    "date": "2026-11-21",
    "commit": "0123456789",
}


def spread(median: float, low: float | None = None, high: float | None = None) -> dict[str, float]:
    return {"median": median, "low": median if low is None else low, "high": median if high is None else high}


def _spreads(**medians: float) -> dict[str, Any]:
    return {name: spread(median) for name, median in medians.items()}


def _wait(clients: int) -> dict[str, Any]:
    own = _spreads(p95_ms=8.0, texts_per_s=250.0)
    peers = _spreads(peer_p50_ms=12.0, peer_p95_ms=20.0, peer_texts_per_s=80.0)
    ratios = _spreads(p50_ratio=3.0, p95_ratio=2.5, texts_per_s_ratio=3.125)
    counts = {"clients": clients, "requests": [100, 40], "failed": 0, "peer_failed": 1}
    return {**counts, "p50_ms": spread(4.0, 3.5, 5.0), **own, **peers, **ratios}


def _phase(failed: int) -> dict[str, Any]:
    times = _spreads(p50_ms=12.0, p95_ms=12.0, p99_ms=12.0, slowest_ms=12.0, texts_per_s=12.0)
    return {"requests": 5000, "failed": failed, "failures": [], **times}


# What most results begin with.
_ROUNDS = {"texts": "Banking77", "runtime": "openvino", "rounds": 5}
_SERVER = {
    **_spreads(health_s=1.5, first_prediction_s=2.5),
    "idle_mib": _spreads(rss=300, pss=200),
    "loaded_mib": _spreads(rss=320, pss=220),
    "modules": ["openvino"],
}

FIGURES: dict[str, dict[str, Any]] = {
    "engine": {
        "texts": "Banking77",
        "peak_gflops": {"fp32": 400, "bf16": 800},
        "rounds": 5,
        "seconds_per_round": 1.5,
        "tokens_per_text": {"short": 15.1, "long": 199.8},
        "mflop_per_text": {"short": 320.0, "long": 4600.0},
        "load_s": {"peer": 4.0, "openvino": 0.4},
        "cells": [
            {"runtime": runtime, "kind": kind, "batch": 8, "texts_per_s": spread(rate), "ratio": ratio}
            for runtime, kind, rate, ratio in (
                ("peer", "short", 80.0, spread(1.0)),
                ("peer", "long", 25.0, spread(1.0)),
                ("openvino", "short", 1000.0, spread(12.5, 11.0, 13.0)),
                ("openvino", "long", 100.0, spread(4.0)),
            )
        ],
    },
    "predict_http": {
        **_ROUNDS,
        "throughput": [
            {
                "kind": "short",
                "batch": 8,
                "ratio": spread(12.0, 11.0, 12.5),
                **_spreads(texts_per_s=900.0, peer_texts_per_s=75.0),
            }
        ],
        "latency": [_wait(1), _wait(32)],
    },
    "beside_training": {
        **_ROUNDS,
        "stages": {"embedding": 1, "training": 3},
        "idle": [_wait(1), _wait(32)],
        "training": [_wait(1), _wait(32)],
    },
    "hot_swap": {
        **_ROUNDS,
        "clients": 32,
        "seconds_per_phase": 16.0,
        "swaps": 20,
        "versions_seen": 2,
        "without": _phase(0),
        "with": _phase(3),
        "p99_ratio": spread(1.25),
    },
    "accuracy": {
        "texts": "Banking77",
        "rows": 3080,
        "ways": [
            {"runtime": "eager", "accuracy": 0.87, "points": 0.0, "agreement": 1.0},
            {"runtime": "openvino", "accuracy": 0.8709, "points": 0.09, "agreement": 0.998},
        ],
    },
    "start_up": {
        **_ROUNDS,
        "help_s": spread(0.3),
        "labelloop": _SERVER,
        "peer": {**_SERVER, "modules": ["torch", "transformers"]},
        "ratios": _spreads(health_s=1.0, first_prediction_s=3.0),
    },
    "training_time": {
        "runs": [
            {
                "data": "10 per class",
                "rows": 770,
                "seed": seed,
                "way": "auto: lora",
                "seconds": 60.5 + seed,
                "accuracy": 0.8712,
                "macro_f1": 0.87 + seed / 1000,
            }
            for seed in (1, 2)
        ],
        "steps": [{"way": "adversarial", "ratio": spread(7.5, 7.0, 8.0)}],
        "peer_whole_file": {"rows": 10003, "epochs": 3, "seconds": 1500.4},
    },
    "growth": {
        "texts": "Banking77",
        "figures": [
            {
                "step": "export",
                "tool": tool,
                "tasks": 1000,
                "seconds": seconds,
                "cpu_s": seconds,
                "peak_mib": 73,
                "rows_per_s": 1000 / seconds,
            }
            for tool, seconds in (("labelloop", 1.0), ("label-studio-sdk", 2.0))
        ],
    },
}


def write_result(folder: Path, name: str, *, is_quick: bool = False) -> None:
    """The result of a benchmark as a file in the folder."""
    document = {
        "benchmark": name,
        "is_quick": is_quick,
        "machine": MACHINE,
        "took_s": 90,
        "figures": FIGURES[name],
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(document), encoding="utf-8")

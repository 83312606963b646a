"""How long until `--help`, `/health` and the first real prediction, and what a serving process holds in memory.

The files are in the system's cache: every command runs once before anything counts. The peer is started in the same
rounds, and loads its model with the first request, as its recipe does.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from benchmarks.support.bench import Bench
from benchmarks.support.clients import Load, asking
from benchmarks.support.figures import in_turns, spread
from benchmarks.support.served_home import clean_environment
from benchmarks.support.servers import Server, labelloop_server, memory_mib, peer_server

__all__ = ["HEAVY", "measure"]

HEAVY = (
    "torch",
    "transformers",
    "tokenizers",
    "peft",
    "onnxruntime",
    "openvino",
    "nncf",
    "onnx",
    "sklearn",
    "scipy",
    "pandas",
    "pyarrow",
    "mlflow",
    "matplotlib",
    "cleanlab",
    "label_studio_sdk",
)
"""Packages that take long to import or much memory."""
ROUNDS, QUICK_ROUNDS = 5, 1
LOAD_SECONDS, QUICK_LOAD_SECONDS = 5.0, 1.0
SETTLE_S = 2.0
TEXT = "My card has not arrived yet."

# Python imports a module of this name at every start; at its end the process tells what it has imported by then.
RECORDER = """
import atexit, os, sys
def record():
    names = sorted({name.partition(".")[0] for name in sys.modules})
    with open(os.path.join(os.environ["BENCHMARK_MODULES"], str(os.getpid())), "w") as file:
        file.write("\\n".join(names))
atexit.register(record)
"""


def measure(bench: Bench) -> Mapping[str, Any]:
    """Seconds and MiB of both servers, and seconds of `labelloop --help`."""
    rounds = bench.pick(ROUNDS, QUICK_ROUNDS)
    bench.home.version  # noqa: B018 (trained and promoted before a server looks for it)
    recorder = bench.folder / "recorder"
    recorder.mkdir(exist_ok=True)
    (recorder / "sitecustomize.py").write_text(RECORDER, encoding="utf-8")
    _help_seconds(bench)
    helps = [_help_seconds(bench) for _ in range(2 * rounds + 1)]
    ours, peer = in_turns(
        rounds, lambda n: _started(bench, recorder, n), lambda n: _started(bench, recorder, n, "peer")
    )
    return {
        "texts": bench.dataset.name,
        "runtime": bench.home.runtime,
        "rounds": rounds,
        "help_s": spread(helps),
        "labelloop": _summary(ours),
        "peer": _summary(peer),
        "ratios": {
            name: spread([theirs[name] / mine[name] for mine, theirs in zip(ours, peer, strict=True)], 2)
            for name in ("health_s", "first_prediction_s")
        },
    }


def _help_seconds(bench: Bench) -> float:
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "ml_backend", "--help"],
        env=clean_environment(bench.home.settings()),
        stdout=subprocess.DEVNULL,
        check=True,
    )
    return time.perf_counter() - began


def _started(bench: Bench, recorder: Path, number: int, who: str = "labelloop") -> dict[str, Any]:
    """One start, one prediction, some load, one end."""
    modules = recorder / f"{who}-{number}"
    modules.mkdir()
    with _server(bench, who, recorder, modules) as server:
        answer = json.loads(server.predict([TEXT]))["results"][0]
        first_s = time.perf_counter() - server.began_s
        wanted = bench.home.version if who == "labelloop" else "peer"
        if answer["model_version"] != wanted or not answer["result"]:
            raise SystemExit(f"{answer} is not a prediction of {wanted}")
        time.sleep(SETTLE_S)
        idle = memory_mib(server.processes)
        seconds = bench.pick(LOAD_SECONDS, QUICK_LOAD_SECONDS)
        for batch, kind in ((1, "short"), (64, "short"), (8, "long")):
            load = Load(server.url, str(bench.pool), server.label_config, 8, batch, kind, seconds, bench.fresh_seed())
            asking(load).result()
        time.sleep(SETTLE_S)
        loaded = memory_mib(server.processes)
        health_s = server.health_s
    return {
        "health_s": health_s,
        "first_prediction_s": first_s,
        "idle_mib": idle,
        "loaded_mib": loaded,
        "modules": _imported(modules),
    }


def _server(bench: Bench, who: str, recorder: Path, modules: Path) -> AbstractContextManager[Server]:
    path = os.pathsep.join(filter(None, (str(recorder), os.environ.get("PYTHONPATH"))))
    environment = {"PYTHONPATH": path, "BENCHMARK_MODULES": str(modules)}
    if who == "peer":
        return peer_server(bench.home, bench.folder, environment)
    return labelloop_server(bench.home, bench.folder, environment)


def _imported(folder: Path) -> list[str]:
    """Heavy packages that a process of the server had imported when it ended."""
    found = {name for file in folder.iterdir() for name in file.read_text(encoding="utf-8").split()}
    return [name for name in HEAVY if name in found]


def _summary(starts: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "health_s": spread([each["health_s"] for each in starts]),
        "first_prediction_s": spread([each["first_prediction_s"] for each in starts]),
        "idle_mib": _memory([each["idle_mib"] for each in starts]),
        "loaded_mib": _memory([each["loaded_mib"] for each in starts]),
        "modules": starts[0]["modules"],
    }


def _memory(found: list[dict[str, int]]) -> dict[str, Any]:
    return {kind: spread([each[kind] for each in found], 0) for kind in found[0]}

"""What a result was measured on: processor, memory, measured peak rates, versions, commit; no name and no path."""

import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import psutil

__all__ = ["REPOSITORY", "described", "load_before", "peak_gflops"]

REPOSITORY = Path(__file__).resolve().parent.parent.parent
LIBRARIES = (
    "torch",
    "transformers",
    "peft",
    "onnxruntime",
    "openvino",
    "nncf",
    "numpy",
    "scikit-learn",
    "mlflow",
    "flask",
    "gunicorn",
    "label-studio",
)
FEATURES = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8")

PEAK_SECONDS, QUICK_PEAK_SECONDS = 0.7, 0.05  # per number format and size
# In a process of its own, so that nothing of torch stays in the one that measures. Best of several, since other work
# on the machine can only slow it down.
PEAK = """
import json, sys, time, torch
def best(multiply, size):
    multiply(); fastest, end = 1e9, time.perf_counter() + float(sys.argv[1])
    while time.perf_counter() < end:
        began = time.perf_counter(); multiply(); fastest = min(fastest, time.perf_counter() - began)
    return 2 * size**3 / fastest / 1e9
rates = {}
for name, kind in (("fp32", torch.float32), ("bf16", torch.bfloat16), ("int8", torch.int8)):
    for size in (512, 1024, 2048):
        with torch.inference_mode():
            if kind is torch.int8:
                a = torch.randint(-9, 9, (size, size), dtype=kind)
                b = torch.randint(-9, 9, (size, size), dtype=kind)
                try:
                    rate = best(lambda: torch._int_mm(a, b), size)
                except (AttributeError, RuntimeError):
                    break
            else:
                a, b = torch.randn(size, size).to(kind), torch.randn(size, size).to(kind)
                rate = best(lambda: a @ b, size)
        rates[name] = max(rates.get(name, 0.0), rate)
print(json.dumps({"gflops": rates, "threads": torch.get_num_threads()}))
"""


def described(load: tuple[float, float, float], *, is_quick: bool) -> dict[str, Any]:
    """The machine and the software, as every result records them.

    Args:
        load: what `load_before` gave before the benchmark began.
    """
    peak = _peak(is_quick)
    memory = psutil.virtual_memory().total
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "cpu_features": [name for name in FEATURES if name in _cpu_flags()],
        "memory_gib": round(memory / 2**30, 1),
        "system": f"{platform.system()} {platform.release().split('-')[0]}, {platform.machine()}",
        "python": platform.python_version(),
        "threads_of_torch": peak["threads"],
        "peak_gflops": {name: round(rate) for name, rate in peak["gflops"].items()},
        "load_before": [round(each, 2) for each in load],
        "libraries": {name: version for name in LIBRARIES if (version := _version(name))},
        "date": datetime.now(UTC).date().isoformat(),
        "commit": _commit(),
    }


def load_before() -> tuple[float, float, float]:
    """The machine's load averages now: of one, five and fifteen minutes."""
    return psutil.getloadavg()


def peak_gflops(*, is_quick: bool) -> dict[str, float]:
    """The best rates of square matrix products by torch per number format, measured now.

    For int8 an operation counts like one on floating point numbers. A format that torch cannot multiply is left out.
    """
    return {name: round(rate) for name, rate in _peak(is_quick)["gflops"].items()}


def _peak(is_quick: bool) -> Mapping[str, Any]:
    seconds = QUICK_PEAK_SECONDS if is_quick else PEAK_SECONDS
    done = subprocess.run([sys.executable, "-c", PEAK, str(seconds)], capture_output=True, text=True, check=True)
    found: Mapping[str, Any] = json.loads(done.stdout)
    return found


def _cpu_model() -> str:
    names = [line.partition(":")[2].strip() for line in _cpu_info() if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _cpu_flags() -> set[str]:
    flags = [line.partition(":")[2].split() for line in _cpu_info() if line.startswith("flags")]
    return set(flags[0]) if flags else set()


@cache
def _cpu_info() -> tuple[str, ...]:
    try:
        return tuple(Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines())
    except OSError:
        return ()


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _commit() -> str:
    """The commit; with a plus where the code differs from it."""
    head = _git("rev-parse", "--short=10", "HEAD")
    if not head:
        return "unknown"
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", "ml_backend", "benchmarks/*.py")
    return f"{head}+" if changed else head


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()

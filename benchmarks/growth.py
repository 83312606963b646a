"""How time and memory grow with the number of tasks: export, snapshot, predictions of a file, and pre-labels pushed.

Every figure is that of a command in a process of its own, its start included. Predictions are pushed into a real Label
Studio. Beside them: the converter of label-studio-sdk, the peer's pipeline, and one call per prediction.
"""

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.export import MEASURE
from benchmarks.export import PEER as CONVERTER
from benchmarks.support.bench import Bench
from benchmarks.support.predictors import PEER, predictor
from benchmarks.support.served_home import PROJECT_ID, clean_environment
from benchmarks.support.texts import FreshTexts
from ml_backend.errors import ConfigurationError
from ml_backend.labelstudio.http import StudioHttp
from ml_backend.labelstudio.local import LocalStudio, free_port

__all__ = ["measure"]

SIZES, QUICK_SIZES = (1_000, 10_000, 100_000), (100, 1_000)
PEER_SECONDS, QUICK_PEER_SECONDS = 5.0, 1.0
SINGLE_CALLS, QUICK_SINGLE_CALLS = 200, 20
STUDIO_TIMEOUT_S = 600.0
IMPORTED_AT_ONCE = 5_000


def measure(bench: Bench) -> Mapping[str, Any]:
    """Seconds and MiB of every step, by size."""
    bench.home.version  # noqa: B018 (trained before anything is measured)
    sizes = bench.pick(SIZES, QUICK_SIZES)
    figures: list[dict[str, Any]] = []
    with predictor(PEER, bench.home, bench.pool) as peer:
        for size in sizes:
            figures += _files(bench, size)
            seconds = bench.pick(PEER_SECONDS, QUICK_PEER_SECONDS)
            rate = peer.rate(kind="short", batch=64, seconds=seconds, seed=size)
            figures.append({"step": "predict", "tool": "peer", "tasks": size, "rows_per_s": round(rate, 1)})
    return {"texts": bench.dataset.name, "figures": figures + _pushes(bench, sizes)}


def _files(bench: Bench, size: int) -> list[dict[str, Any]]:
    """The steps that need files alone."""
    folder = bench.folder / f"tasks-{size}"
    folder.mkdir()
    tasks, config = folder / "tasks.json", folder / "config.xml"
    config.write_text(bench.home.label_config, encoding="utf-8")
    _write_tasks(bench, tasks, size)
    source = ["--studio-export", str(tasks), "--config", str(config)]
    rows = ["export", *source, "--format", "rows", "--out", str(folder / "rows.jsonl")]
    snapshot = ["export", *source, "--out", str(folder / "snapshot")]
    predict = [
        "predict",
        "--tasks",
        str(tasks),
        "--model-dir",
        str(bench.home.bundle),
        "--out",
        str(folder / "out.json"),
    ]
    converter = [sys.executable, "-c", CONVERTER, str(config), str(tasks), str(folder / "peer"), "JSON_MIN"]
    found = [_labelloop(bench, "export", size, rows)]
    found.append(_figures("export", "label-studio-sdk", size, _run(bench, converter)))
    found.append(_labelloop(bench, "snapshot", size, snapshot))
    found.append(_labelloop(bench, "predict", size, predict))
    tasks.unlink()
    return found


def _pushes(bench: Bench, sizes: Sequence[int]) -> list[dict[str, Any]]:
    """Pre-labels pushed into a project that grows to each size; 100,000 only where that was asked for."""
    try:
        executable = LocalStudio.find_executable()
    except ConfigurationError as error:
        return [{"step": "prelabel", "tool": "labelloop", "tasks": size, "missing": str(error)} for size in sizes]
    figures: list[dict[str, Any]] = []
    folder = bench.folder / "studio"
    with LocalStudio.start(folder, free_port(), executable=executable, log_file=bench.folder / "studio.log") as studio:
        http = StudioHttp(studio.url, studio.token, STUDIO_TIMEOUT_S)
        project = http.send("POST", "api/projects/", {"title": "Growth", "label_config": bench.home.label_config})
        if project["id"] != PROJECT_ID:
            raise SystemExit(f"the first project of a new Label Studio is {project['id']}; wanted {PROJECT_ID}")
        access = {"studio_url": studio.url, "studio_token": studio.token}
        command = ["prelabel", "--project", str(PROJECT_ID)]
        there = 0
        for size in sizes:
            if size > 10_000 and not bench.is_large:
                continue
            _import(bench, http, size - there)
            found = _run(bench, [sys.executable, "-m", "ml_backend", *command], **access)
            figures.append(_figures("prelabel", "labelloop", size, found, rows=size - there))
            single = _single_calls(http, bench.pick(SINGLE_CALLS, QUICK_SINGLE_CALLS))
            figures.append({"step": "prelabel", "tool": "peer", "tasks": size, "rows_per_s": round(single, 1)})
            there = size
    return figures


def _single_calls(http: StudioHttp, count: int) -> float:
    """Predictions per second that one call each stores, what they say being known already."""
    tasks = http.get("api/tasks/", {"project": PROJECT_ID, "page_size": count, "fields": "all"})["tasks"]
    began = time.perf_counter()
    for task in tasks:
        http.send("POST", "api/predictions/", {"task": task["id"], "result": [], "model_version": "one by one"})
    return len(tasks) / (time.perf_counter() - began)


def _import(bench: Bench, http: StudioHttp, count: int) -> None:
    texts = _fresh(bench, count + 1)
    while count > 0:
        batch = [{"data": {"text": text}} for text in texts.take(min(count, IMPORTED_AT_ONCE))]
        http.send("POST", f"api/projects/{PROJECT_ID}/import", batch, timeout_s=STUDIO_TIMEOUT_S)
        count -= len(batch)


def _write_tasks(bench: Bench, path: Path, count: int) -> None:
    """A JSON export with this many annotated tasks; their labels are drawn."""
    texts, draw = _fresh(bench, count), random.Random(count)
    with path.open("w", encoding="utf-8") as target:
        for number in range(1, count + 1):
            choice = {"choices": [draw.choice(bench.dataset.labels)]}
            region = {"from_name": "intent", "to_name": "text", "type": "choices", "value": choice}
            annotation = {"id": number, "completed_by": 1, "was_cancelled": False, "ground_truth": False}
            task = {
                "id": number,
                "data": {"text": texts.take(1)[0]},
                "annotations": [annotation | {"result": [region]}],
            }
            target.write(("[" if number == 1 else ",") + "\n" + json.dumps(task))
        target.write("\n]\n")


def _fresh(bench: Bench, seed: int) -> FreshTexts:
    return FreshTexts(json.loads(bench.pool.read_text(encoding="utf-8"))["short"], seed)


def _labelloop(bench: Bench, step: str, size: int, arguments: Sequence[str]) -> dict[str, Any]:
    return _figures(step, "labelloop", size, _run(bench, [sys.executable, "-m", "ml_backend", *arguments]))


def _run(bench: Bench, command: Sequence[str], **settings: object) -> dict[str, float]:
    """Seconds by the clock and of the processor, and peak memory, of a command."""
    environment = os.environ | clean_environment(bench.home.settings(**settings))
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, *command], env=environment, capture_output=True, text=True, check=False
    )
    seconds = time.perf_counter() - began
    if done.returncode:
        raise SystemExit(f"{' '.join(command[:5])}: {done.stderr[-2000:]}")
    cpu_s, peak_kib = map(float, done.stdout.split())
    return {"seconds": round(seconds, 2), "cpu_s": round(cpu_s, 2), "peak_mib": round(peak_kib / 1024)}


def _figures(step: str, tool: str, size: int, found: Mapping[str, float], rows: int | None = None) -> dict[str, Any]:
    rate = round((size if rows is None else rows) / found["seconds"], 1)
    return {"step": step, "tool": tool, "tasks": size, **found, "rows_per_s": rate}

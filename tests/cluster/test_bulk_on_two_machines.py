"""Bulk predictions by two machines of a core each, which share a folder.

Skipped without Ray, and where this process may not make network namespaces. `TEXTS=200000` in the environment is the
number of texts of the test of speed, which `--long` runs; it prints what it measured with -s.
"""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.backend_process import command
from tests.cluster.machines import Machines, machines_on_one
from tests.integration.tickets import source_of, write_export
from tests.running import until

pytest.importorskip("ray", reason="Ray is not installed: pip install 'labelloop[ray]'")
pytestmark = pytest.mark.filterwarnings("ignore")

TEXTS = int(os.environ.get("TEXTS") or 6000)
FEW = 3000
TEXTS_PER_SHARD = 50
ROUNDS = 3
LEAST_GAIN = 1.8
MOST_MIB, MOST_GROWTH_MIB = 1536, 50
MIB = 1 << 20
WINDOW = (0.3, 0.9)
"""Shards between which the speed is measured: by then all workers are at work, and none waits for the end."""


class Runs:
    """Runs of `labelloop predict` on the head, into folders that both machines see."""

    def __init__(self, machines: Machines, bundle: Path) -> None:
        self.machines, self.bundle = machines, bundle
        self.mib: list[int] = []

    def tasks(self, count: int) -> Path:
        """A file of short texts, of about the same length each."""
        path = self.machines.shared / f"tasks-{count}.jsonl"
        lines = (
            json.dumps({"id": n, "data": {"text": f"Order {n:07} has not arrived, and I was charged twice for it."}})
            for n in range(count)
        )
        path.write_text("\n".join(lines), encoding="utf-8")
        return path

    def start(self, tasks: Path, out: Path, workers: int) -> Any:
        """A run that has begun."""
        shard_mb = tasks.stat().st_size / 1e6 / (len(tasks.read_text().splitlines()) / TEXTS_PER_SHARD)
        arguments = ["--model-dir", self.bundle, "--tasks", tasks, "--out", out, "--format", "jsonl", "--engine", "ray"]
        arguments += ["--workers", workers, "--shard-mb", shard_mb]
        environment = {"LABELLOOP_HOME": "/tmp/labelloop", "LABELLOOP_RAY_ADDRESS": self.machines.ray_address}
        return self.machines.head.run(
            sys.executable, "-m", "ml_backend", "predict", *map(str, arguments), environment=environment
        )

    def finish(self, run: Any, out: Path) -> Mapping[str, Any]:
        """The manifest of a run that has ended; meanwhile, the memory of its workers is looked at."""
        while run.poll() is None:
            for each in self.actors():
                with suppress(psutil.NoSuchProcess):
                    self.mib.append(each.memory_info().rss // MIB)
            with suppress(subprocess.TimeoutExpired):
                run.wait(2)
        assert run.returncode == 0, self.machines.head.log.read_text(errors="replace")[-3000:]
        manifest: Mapping[str, Any] = json.loads((out / "_manifest.json").read_text())
        return manifest

    def actors(self) -> Sequence[psutil.Process]:
        """Processes of workers."""
        found = []
        for each in [*self.machines.head.processes, *self.machines.node.processes]:
            with suppress(psutil.NoSuchProcess):
                if "ShardActor" in " ".join([each.name(), *each.cmdline()]):
                    found.append(each)
        return found


def shards(out: Path) -> list[Path]:
    return sorted(out.glob("part-*.jsonl"))


def ids(out: Path) -> list[int]:
    return [json.loads(line)["id"] for shard in shards(out) for line in shard.read_text("utf-8").splitlines()]


def texts_per_s(out: Path) -> float:
    """The speed between two shards of all, by when their files appeared."""
    times = sorted(shard.stat().st_mtime for shard in shards(out))
    first, last = (int(share * (len(times) - 1)) for share in WINDOW)
    return (last - first) * TEXTS_PER_SHARD / (times[last] - times[first])


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    folder = tmp_path_factory.mktemp("bulk")
    export = write_export(folder / "tickets.json", rows=160)
    snapshot = ["export", *source_of(export), "--split", "0.6,0.2,0.2", "--out", str(folder / "snapshot")]
    made = command(folder / "home", *snapshot)
    assert made.returncode == 0, made.stderr
    with machines_on_one() as machines:
        bundle = machines.shared / "version"
        train = ["train", "--snapshot", str(folder / "snapshot"), "--method", "regression", "--out", str(bundle)]
        made = command(folder / "home", *train, environment={"LABELLOOP_RUNTIME": "auto"})
        assert made.returncode == 0, made.stderr
        machines.start()
        yield Runs(machines, bundle)


def test_a_lost_machine_and_a_killed_command_lose_and_double_nothing(runs: Runs) -> None:
    tasks, out = runs.tasks(FEW), runs.machines.shared / "lost"
    run = runs.start(tasks, out, 2)
    until(lambda: len(shards(out)) > 5, "some shards")
    runs.machines.node.kill()
    had = len(shards(out))
    until(lambda: len(shards(out)) > had + 5, "shards after a machine was lost")
    run.kill()
    until(lambda: not runs.actors(), "the end of workers whose command is gone")
    kept = {
        shard: shard.stat().st_mtime_ns
        for shard in shards(out)
        if (out / "_records" / f"{shard.stem[5:]}.json").exists()
    }

    runs.machines.node.start()
    runs.machines.wait_for(2)
    manifest = runs.finish(runs.start(tasks, out, 2), out)

    assert len(kept) > 10
    assert {shard: shard.stat().st_mtime_ns for shard in kept} == kept
    assert manifest["rows"] == manifest["with_prediction"] == FEW
    assert ids(out) == list(range(FEW))


@pytest.mark.long
def test_two_machines_predict_nearly_twice_as_fast_as_one(runs: Runs) -> None:
    tasks = runs.tasks(TEXTS)
    speeds: dict[int, list[float]] = {1: [], 2: []}
    for number in range(ROUNDS):
        for workers, found in speeds.items():
            out = runs.machines.shared / f"speed-{number}-{workers}"
            runs.mib.clear()
            assert runs.finish(runs.start(tasks, out, workers), out)["rows"] == TEXTS
            found.append(texts_per_s(out))
            mib, half = runs.mib, len(runs.mib) // 2
            print(f"\n{workers}: {found[-1]:.0f} texts/s, {max(mib)} MiB, load {os.getloadavg()[0]:.1f}")  # noqa: T201
            assert max(mib) < MOST_MIB
            assert max(mib[half:]) <= max(mib[:half]) + MOST_GROWTH_MIB

    gains = [two / one for one, two in zip(speeds[1], speeds[2], strict=True)]
    assert statistics.median(gains) >= LEAST_GAIN, gains

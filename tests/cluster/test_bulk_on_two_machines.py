"""Bulk predictions by two machines of a core each, which share a folder.

Skipped without Ray, and where this process may not make network namespaces. `TEXTS=200000` in the environment is the
number of texts of the test of speed, which `--long` runs; it prints what it measured with -s.

Other work on the cores slows two workers more than one, who has a core that the other work can leave. So what counts is
texts per second of processor time, times the share of time in which workers ran or waited for their core. Without other
work that is the speed.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

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
PATIENCE_S = 600.0
ROUNDS = 3
LEAST_GAIN = 1.8
MOST_MIB, MOST_GROWTH_MIB = 1536, 50
MIB = 1 << 20
WINDOW = (0.3, 0.9)
"""Shards between which the speed is measured: by then all workers are at work, and none waits for the end."""


class Look(NamedTuple):
    """A worker at a moment.

    Attributes:
        is_busy: True where a thread of it runs, or waits for the core.
    """

    pid: int
    at_s: float
    cpu_s: float
    mib: int
    is_busy: bool

    @classmethod
    def at(cls, worker: psutil.Process) -> "Look":
        states = [
            task.read_text().rpartition(")")[2].split()[0] for task in Path(f"/proc/{worker.pid}/task").glob("*/stat")
        ]
        used = worker.cpu_times()
        return cls(worker.pid, time.time(), used.user + used.system, worker.memory_info().rss // MIB, "R" in states)


class Speed(NamedTuple):
    """How fast all workers were together, between two shards of all.

    Attributes:
        workers: how many of them there were.
        per_cpu_s: texts per second of processor time.
        busy: share of the looks at which a worker was busy.
    """

    workers: int
    per_s: float
    per_cpu_s: float
    busy: float

    @classmethod
    def of(cls, out: Path, looks: Sequence[Look]) -> "Speed":
        times = sorted(shard.stat().st_mtime for shard in shards(out))
        start, end = (times[int(share * (len(times) - 1))] for share in WINDOW)
        seen = [look for look in looks if start <= look.at_s <= end]
        first, last = seen[0].at_s, seen[-1].at_s
        texts = sum(first < each <= last for each in times) * TEXTS_PER_SHARD
        cpu_s = 0.0
        pids = {look.pid for look in seen}
        for pid in pids:
            used = [look.cpu_s for look in seen if look.pid == pid]
            cpu_s += used[-1] - used[0]
        busy = sum(look.is_busy for look in seen) / len(seen)
        return cls(len(pids), texts / (last - first), texts / cpu_s, busy)


class Runs:
    """Runs of `labelloop predict` on the head, into folders that both machines see."""

    def __init__(self, machines: Machines, bundle: Path) -> None:
        self.machines, self.bundle = machines, bundle
        self.looks: list[Look] = []

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
                with suppress(psutil.NoSuchProcess, OSError):
                    self.looks.append(Look.at(each))
            with suppress(subprocess.TimeoutExpired):
                run.wait(0.5)
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


def mib(looks: Sequence[Look]) -> list[int]:
    return [look.mib for look in looks]


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
    until(lambda: len(shards(out)) > 5, "some shards", timeout_s=PATIENCE_S)
    runs.machines.node.kill()
    had = len(shards(out))
    until(lambda: len(shards(out)) > had + 5, "shards after a machine was lost", timeout_s=PATIENCE_S)
    run.kill()
    until(lambda: not runs.actors(), "the end of workers whose command is gone", timeout_s=PATIENCE_S)
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
    speeds: dict[int, list[Speed]] = {1: [], 2: []}
    for number in range(ROUNDS):
        for workers, found in speeds.items():
            out = runs.machines.shared / f"speed-{number}-{workers}"
            runs.looks.clear()
            assert runs.finish(runs.start(tasks, out, workers), out)["rows"] == TEXTS
            found.append(Speed.of(out, runs.looks))
            assert found[-1].workers == workers
            print(f"\n{workers}: {found[-1]}, {max(mib(runs.looks))} MiB, load {os.getloadavg()[0]:.1f}")  # noqa: T201
            assert max(mib(runs.looks)) < MOST_MIB
            half = len(runs.looks) // 2
            assert max(mib(runs.looks[half:])) <= max(mib(runs.looks[:half])) + MOST_GROWTH_MIB

    gains = [
        2 * (two.per_cpu_s * two.busy) / (one.per_cpu_s * one.busy)
        for one, two in zip(speeds[1], speeds[2], strict=True)
    ]
    print(gains)  # noqa: T201
    assert statistics.median(gains) >= LEAST_GAIN, speeds

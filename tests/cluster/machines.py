"""Machines of a cluster on this one: each has a network, processes, a name and a disk of its own, and one core."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest

from tests.running import until

__all__ = ["HEAD_PORT", "Machine", "Machines", "machines_on_one"]

REPOSITORY = Path(__file__).resolve().parents[2]
HEAD_PORT = 6379
RAY = Path(sys.executable).with_name("ray")
# A machine's first process adopts orphans and takes note of their ends, which this loop of bash does.
FIRST_PROCESS = """
set -e
hostname "$1"
mount --make-rprivate /
mount -t tmpfs -o size=600m tmpfs /dev/shm
for path in "${@:3}"; do
  case $path in /tmp/*) mkdir -p "$2/${path#/tmp/}"; mount --bind "$path" "$2/${path#/tmp/}" ;; esac
done
mount --rbind "$2" /tmp
cd /
echo ready
while true; do sleep 0.5; done
"""
AGAIN = 'while true; do "$@" || true; sleep 1; done'
"""Starts a command again whenever it ends, as systemd does: Ray's processes end where the head is gone."""
# A lost machine is noticed in seconds rather than in the half minute to a minute that Ray takes by default.
QUICK = {
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "2000",
    "RAY_health_check_failure_threshold": "4",
    "RAY_gcs_rpc_server_reconnect_timeout_s": "15",
}


class Machine:
    """A machine, while it runs.

    Attributes:
        name: its host name.
        address: its IP address, which it keeps.
        core: the only one that its processes may use.
    """

    def __init__(self, network: str, name: str, address: str, core: int, disk: Path) -> None:
        self.name, self.address, self.core = name, address, core
        self._network, self._disk = network, disk
        self._ray: Sequence[str] = ()
        self._holder: subprocess.Popen[str] | None = None

    def start(self, *ray: str) -> None:
        """Switch it on, with an empty disk, and keep `ray start` with these arguments running on it."""
        self._ray = ray or self._ray
        shutil.rmtree(self._disk, ignore_errors=True)
        self._disk.mkdir(parents=True)
        seen = [str(REPOSITORY), sys.prefix, sys.base_prefix, str(Path(sys.executable).resolve().parents[1])]
        isolate = ["unshare", "--mount", "--uts", "--pid", "--fork", "--mount-proc", "--kill-child=KILL"]
        first = ["bash", "-c", FIRST_PROCESS, "first", self.name, str(self._disk), *dict.fromkeys(seen)]
        core = ["taskset", "--cpu-list", str(self.core)]
        self._holder = subprocess.Popen(
            ["ip", "netns", "exec", self._network, *core, *isolate, *first],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self._holder.stdout is not None
        with self._holder.stdout as said:
            assert said.readline() == "ready\n", f"{self.name} was not made"
        options = ["--node-ip-address", self.address, "--num-cpus=1", "--num-gpus=0", "--object-store-memory=100000000"]
        self.keep(str(RAY), "start", *options, "--disable-usage-stats", "--block", *self._ray)

    @property
    def processes(self) -> list[psutil.Process]:
        """Everything that runs on it."""
        found = []
        with suppress(psutil.NoSuchProcess, IndexError):
            own = _process_space(self._first)
            for process in psutil.process_iter():
                with suppress(OSError):
                    if _process_space(process) == own:
                        found.append(process)
        return found

    @property
    def zombies(self) -> list[str]:
        """Processes that have ended and that nobody has taken note of."""
        found = []
        for process in self.processes:
            with suppress(psutil.NoSuchProcess):
                if process.status() == psutil.STATUS_ZOMBIE:
                    found.append(process.name())
        return found

    @property
    def jobs(self) -> list[psutil.Process]:
        """Processes of jobs."""
        found = []
        for process in self.processes:
            with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                if "job run" in " ".join(process.cmdline()):
                    found.append(process)
        return found

    def keep(self, *command: str, environment: Mapping[str, str] | None = None) -> None:
        """Run a command, and again whenever it ends."""
        self.run("bash", "-c", AGAIN, "again", *command, environment=environment)

    def run(
        self, *command: str, environment: Mapping[str, str] | None = None, stdin: int = subprocess.DEVNULL
    ) -> "subprocess.Popen[str]":
        """Start a command on it; its output goes to the machine's log."""
        with self.log.open("a") as log:
            return subprocess.Popen(
                [*self._enter, *command],
                stdin=stdin,
                stdout=log,
                stderr=subprocess.STDOUT,
                text=True,
                env=_environment(environment),
                start_new_session=True,
            )

    def output(self, *command: str, environment: Mapping[str, str] | None = None) -> str:
        """Return what a command prints on it, which must succeed."""
        done = subprocess.run(
            [*self._enter, *command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env=_environment(environment),
            timeout=900,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    @property
    def log(self) -> Path:
        """The file that its processes print to."""
        return self._disk.with_suffix(".log")

    def kill(self) -> None:
        """Cut its power: all of its processes end at once."""
        if self._holder is not None:
            with suppress(psutil.NoSuchProcess):
                self._first.kill()
            with suppress(ProcessLookupError):
                os.killpg(self._holder.pid, signal.SIGKILL)
            self._holder.wait()

    def link(self, state: str) -> None:
        """Cut its link to the others, or mend it: `down` or `up`."""
        _ip("link", "set", f"{self._network}-l", state)

    @property
    def _first(self) -> psutil.Process:
        assert self._holder is not None
        return psutil.Process(self._holder.pid).children()[0]

    @property
    def _enter(self) -> list[str]:
        core = ["taskset", "--cpu-list", str(self.core)]
        return [*core, "nsenter", "--target", str(self._first.pid), "--mount", "--uts", "--net", "--pid", "--"]


class Machines:
    """A head and a node. What they all reach, beside each other, lies on this machine.

    Attributes:
        shared: a folder that they have under the same path, as a network drive.
    """

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self.shared = folder / "shared"
        self.shared.mkdir()
        self._stack = stack
        self._mark, self._subnet = f"ll{os.getpid() % 100000}", f"10.213.{os.getpid() % 250}"
        self._gateway = f"{self._subnet}.1"
        bridge = f"{self._mark}-b"
        _ip("link", "add", bridge, "type", "bridge")
        stack.callback(_ip, "link", "del", bridge)
        _ip("addr", "add", f"{self._gateway}/24", "dev", bridge)
        _ip("link", "set", bridge, "up")
        self.head, self.node = (self._machine(name, n, folder) for n, name in enumerate(("head", "node"), start=2))

    @property
    def ray_address(self) -> str:
        """The cluster's address."""
        return f"{self.head.address}:{HEAD_PORT}"

    def reachable(self, url: str) -> str:
        """Return a URL under which the machines reach what this one has on loopback."""
        parts = urlsplit(url)
        assert parts.port is not None
        assert parts.hostname is not None
        self._stack.enter_context(_forwarding(self._gateway, parts.port))
        return url.replace(f"{parts.hostname}:{parts.port}", f"{self._gateway}:{parts.port}", 1)

    def start(self) -> None:
        """Start both, and wait until they are one cluster."""
        self.head.start("--head", f"--port={HEAD_PORT}", "--include-dashboard=false")
        self.node.start(f"--address={self.ray_address}")
        self.wait_for(2)

    def wait_for(self, count: int) -> None:
        """Wait until the cluster has so many nodes."""
        until(lambda: len(self.nodes()) == count, f"a cluster of {count}")

    def nodes(self) -> Sequence[str]:
        """Host names of the nodes that are alive; none where there is no head."""
        try:
            found: Sequence[str] = self.asked("[n['NodeManagerHostname'] for n in ray.nodes() if n['Alive']]")
        except (AssertionError, IndexError, StopIteration, psutil.NoSuchProcess):
            return []
        return found

    def actors(self) -> Sequence[Mapping[str, Any]]:
        """Actors that have a name."""
        found: Sequence[Mapping[str, Any]] = self.asked("ray.util.list_named_actors(all_namespaces=True)")
        return found

    def asked(self, expression: str) -> Any:
        """Return the value of an expression, on the head and with a connection to the cluster."""
        code = f"import json, ray, ray.util\n{self._connect}\nprint('found', json.dumps({expression}))"
        lines = self.head.output(sys.executable, "-c", code).splitlines()
        return json.loads(next(line.removeprefix("found ") for line in lines if line.startswith("found ")))

    @property
    def _connect(self) -> str:
        return f"ray.init({self.ray_address!r}, log_to_driver=False, logging_level='ERROR')"

    @contextmanager
    def head_taken(self) -> Iterator[None]:
        """Keep the head's CPU for a block, so that what is started goes to the node."""
        code = (
            f"import ray, sys\n{self._connect}\n"
            "from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy as On\n"
            "class Holder:\n    def ready(self): return 1\n"
            "here = On(ray.get_runtime_context().get_node_id(), soft=False)\n"
            "actor = ray.remote(Holder).options(num_cpus=1, scheduling_strategy=here).remote()\n"
            "ray.get(actor.ready.remote()); print('taken', flush=True); sys.stdin.read()\n"
        )
        before = self.head.log.stat().st_size
        process = self.head.run(sys.executable, "-c", code, stdin=subprocess.PIPE)
        try:
            until(lambda: "taken" in self.head.log.read_text(errors="replace")[before:], "a head that is taken")
            yield
        finally:
            process.communicate(timeout=60)  # closes its input

    def _machine(self, name: str, number: int, folder: Path) -> Machine:
        network, address = f"{self._mark}{name[0]}", f"{self._subnet}.{number}"
        _ip("netns", "add", network)
        self._stack.callback(_ip, "netns", "del", network)
        _ip("link", "add", f"{network}-l", "type", "veth", "peer", "name", "eth0", "netns", network)
        _ip("link", "set", f"{network}-l", "master", f"{self._mark}-b", "up")
        for words in (f"addr add {address}/24 dev eth0", "link set eth0 up", "link set lo up"):
            _ip("-n", network, *words.split())
        cores = sorted(os.sched_getaffinity(0))
        machine = Machine(network, name, address, cores[number % len(cores)], folder / name)
        self._stack.callback(machine.kill)
        return machine


@contextmanager
def machines_on_one() -> Iterator[Machines]:
    """Two machines, which are not switched on yet; skipped where this process may not make any."""
    if os.getuid() != 0 or any(shutil.which(program) is None for program in ("ip", "unshare", "nsenter", "taskset")):
        pytest.skip("two machines need root, and the programs ip, unshare, nsenter and taskset")
    with ExitStack() as stack:
        # Not below /tmp, which each has for itself.
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="labelloop-machines-", dir="/var/tmp")))
        try:
            machines = Machines(stack, folder)
        except subprocess.CalledProcessError as error:
            pytest.skip(f"this machine makes no network namespaces: {error.stderr}")
        yield machines


def _process_space(process: psutil.Process) -> str:
    return str(Path(f"/proc/{process.pid}/ns/pid").readlink())


def _environment(more: Mapping[str, str] | None) -> dict[str, str]:
    ours = {"PYTHONPATH": str(REPOSITORY), "HF_HUB_OFFLINE": "1", "RAY_USAGE_STATS_ENABLED": "0"}
    return {**os.environ, **ours, **QUICK, **(more or {})}


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


@contextmanager
def _forwarding(address: str, port: int) -> Iterator[None]:
    """Take connections to an address for the same port of loopback."""
    with socket.create_server((address, port)) as server:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    near, _ = server.accept()
                    far = socket.create_connection(("127.0.0.1", port))
                    for source, target in ((near, far), (far, near)):
                        threading.Thread(target=_copy, args=(source, target), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield
        server.shutdown(socket.SHUT_RDWR)


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while part := source.recv(1 << 16):
            target.sendall(part)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)

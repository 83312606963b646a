"""Start jobs on a Ray cluster: an actor on some node starts the same child process that a launcher here would."""

import hashlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from secrets import token_hex
from typing import Any, NamedTuple

from ..domain.job import Job
from ..errors import ConfigurationError
from .launcher import GRACE_S, ChildProcess, SubprocessLauncher, log_path
from .ray_cluster import connect_to_ray

__all__ = ["RayLauncher"]

HOST = "ray "
"""How the names of nodes begin, in the row of a job."""
WAIT_S = 0.1
LINGERS_S = 60.0
"""Time after a job's end for reading the rest of its log."""
LOG_BYTES = 1_000_000
GB = 1_000_000_000
SQLITE = "sqlite:///"
RUN = (sys.executable, "-m", "ml_backend", "job", "run")


class _News(NamedTuple):
    """News of an actor's child: exit status, None while it runs, and what it has printed."""

    pid: int
    host: str
    status: int | None
    printed: bytes


class RayJob:
    """A job's process on a node, as the process sees it that launched it."""

    def __init__(self, ray: Any, actor: Any, asked: Any, log: Path) -> None:
        self._ray, self._actor, self._asked, self._log = ray, actor, asked, log
        self._printed = 0
        self._news: _News | None = None
        self._status: int | None = None

    @property
    def pid(self) -> int | None:
        """Its process id on the node; None while it waits for room on the cluster."""
        return self._news.pid if self._news else None

    @property
    def host(self) -> str:
        """The node's name and id."""
        return self._news.host if self._news else f"{HOST}(waits for room)"

    def poll(self) -> int | None:
        """Exit status, negative for a signal, SIGKILL where the node is lost; None while it runs."""
        from ray.exceptions import ActorUnavailableError, RayActorError, RayError

        if self._status is not None or not self._ray.wait([self._asked], timeout=WAIT_S)[0]:
            return self._status
        try:
            self._news = news = self._ray.get(self._asked)
        except ActorUnavailableError:
            # The network, or a node that is going; the cluster soon knows which.
            self._asked = self._actor.news.remote(self._printed)
        except RayActorError as error:
            self._append(f"lost: {' '.join(str(error).split())[:300]}\n".encode())
            self._status = -signal.SIGKILL
        except RayError as error:
            self._append(f"did not start: {error}\n".encode())
            self._status = 1
        else:
            self._append(news.printed)
            self._printed += len(news.printed)
            if len(news.printed) < LOG_BYTES:
                self._status = news.status
            self._asked = self._actor.news.remote(self._printed)
        if self._status is not None:
            self._ray.kill(self._actor)
        return self._status

    def terminate(self) -> None:
        """Ask it to stop; after the grace time, or where it waits for room, it is killed with its actor."""
        if self._news is not None:
            stopped = self._actor.terminate.remote()
            self._ray.wait([stopped], timeout=2 * GRACE_S)
        else:
            self._ray.kill(self._actor)

    def _append(self, printed: bytes) -> None:
        if printed:
            self._log.parent.mkdir(parents=True, exist_ok=True)
            with self._log.open("ab") as file:
                file.write(printed)


class RayLauncher:
    """Runs `python -m ml_backend job run ID` on any node that has room.

    A job goes on when the process that launched it ends. It ends with its node, and so does its process: no attempt
    outlives the actor that started it. What it prints is copied to the log file here.

    Args:
        home: the home folder, here and on every node; it need not be the same disk.
        environment: settings for the job.
        address: of the cluster.
        resources: gives what a kind of job is promised: `cpu`, `gpu`, `memory_gb`.
        command: what is run, with the job's id added as its last argument.
    """

    def __init__(
        self,
        home: Path,
        environment: Mapping[str, str],
        address: str,
        resources: Callable[[str], Mapping[str, float]],
        command: Sequence[str] = RUN,
    ) -> None:
        self._home, self._environment, self._address = home, environment, address
        self._resources, self._command = resources, command
        self._beside = SubprocessLauncher(home, environment)

    def launch(self, job: Job, *, is_bound: bool = False) -> RayJob:
        """Ask the cluster for room; returns at once.

        Raises:
            OSError: there is no cluster, or it does not answer.
        """
        ray = self._connected()
        wanted = self._resources(job.kind)
        actor = (
            ray.remote(_JobOnNode)
            .options(
                name=self._name(job),
                lifetime=None if is_bound else "detached",
                num_cpus=wanted["cpu"],
                num_gpus=wanted["gpu"],
                memory=wanted["memory_gb"] * GB or None,
                max_restarts=0,
                max_concurrency=2,
            )
            .remote()
        )
        # A command's job is cancelled with the command; another one only loses its process, with the actor.
        command = [*self._command] if is_bound else [*self._command, "--ends-with-launcher"]
        mark = self._home / "jobs" / f"{job.id}.mark"
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.write_text(token_hex(8), encoding="ascii")
        asked = actor.start.remote(job, self._home, dict(self._environment), command, mark.read_text(encoding="ascii"))
        return RayJob(ray, actor, asked, log_path(self._home, job.id))

    def is_gone(self, job: Job) -> bool:
        """Return True where the job's actor is no more, or its process, where that was a child process here."""
        if not (job.host or "").startswith(HOST):
            return self._beside.is_gone(job)
        try:
            return self._actor(job) is None
        except ConnectionError:
            return False  # nobody here can tell

    def kill(self, job: Job) -> None:
        """Kill the job's actor, with which its process ends."""
        if not (job.host or "").startswith(HOST):
            self._beside.kill(job)
            return
        with suppress(ConnectionError):
            if (actor := self._actor(job)) is not None:
                self._connected().kill(actor)

    def _actor(self, job: Job) -> Any:
        """Return the actor of this attempt; None where there is none any more."""
        with suppress(ValueError):
            return self._connected().get_actor(self._name(job))
        return None

    def _connected(self) -> Any:
        try:
            return connect_to_ray(self._address)
        except ConfigurationError as error:
            raise ConnectionError(str(error)) from error

    def _name(self, job: Job) -> str:
        """Return the actor's name: other databases may use the same cluster, and number their jobs alike."""
        database = self._environment.get("LABELLOOP_DATABASE_URL") or str(self._home)
        return f"job-{hashlib.sha256(database.encode()).hexdigest()[:12]}-{job.id}-{job.attempt}"


class _JobOnNode:
    """The actor: it starts the job's child process on its node, and tells how it goes."""

    _child: ChildProcess

    def start(self, job: Job, home: Path, environment: Mapping[str, str], command: Sequence[str], mark: str) -> _News:
        database = environment.get("LABELLOOP_DATABASE_URL") or f"{SQLITE}{home / 'labelloop.db'}"
        if database.startswith(SQLITE) and not Path(database.removeprefix(SQLITE)).exists():
            raise ConfigurationError(
                f"{database} is not on {socket.gethostname()}; wanted LABELLOOP_DATABASE_URL of a PostgreSQL server, "
                "and LABELLOOP_MLFLOW_URL of an MLflow server, which all nodes reach"
            )
        self._log = log_path(home, job.id)
        marked = home / "jobs" / f"{job.id}.mark"
        # On a disk that all share, the child's log file is the one that people read.
        self._is_same_disk = marked.exists() and marked.read_text(encoding="ascii") == mark
        self._start = self._log.stat().st_size if self._log.exists() else 0
        launcher = SubprocessLauncher(home, environment, command=command)
        self._child = launcher.launch(job, is_bound=True)
        threading.Thread(target=self._end_after_child, daemon=True).start()
        return self.news(0)

    def news(self, printed: int) -> _News:
        status = self._child.poll()
        part = b""
        if not self._is_same_disk:
            with self._log.open("rb") as file:
                file.seek(self._start + printed)
                part = file.read(LOG_BYTES)
        return _News(self._child.pid, _node_name(), status, part)

    def terminate(self) -> None:
        self._child.terminate()

    def _end_after_child(self) -> None:
        """End the actor some time after the child, though nobody may ask for it any more: it holds resources."""
        self._child.process.wait()
        threading.Event().wait(LINGERS_S)
        os._exit(0)


def _node_name() -> str:
    import ray

    return f"{HOST}{socket.gethostname()} {ray.get_runtime_context().get_node_id()[:8]}"

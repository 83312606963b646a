"""Workers that are actors on a Ray cluster. They get the version's files with the run, and share the tasks' folder."""

import hashlib
import io
import os
import tarfile
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from tempfile import gettempdir
from typing import Any, ClassVar

from ....atomic_files import take_place, unfinished_folder
from ....errors import BulkError
from ....jobs.ray_cluster import connect_to_ray
from ....options import Options
from ..formats.base import Piece
from ..shard import Record, WritePiece
from .base import Crew, Event, OpenWorker

__all__: list[str] = []

WAIT_S = 1.0
GB = 1_000_000_000


class RayCrew(Crew):
    """Say of an actor whose process or node is lost that it died; the run replaces it."""

    name: ClassVar[str] = "ray"
    depth: ClassVar[int] = 2

    def __init__(self, options: Options, bundle: Path, open_worker: OpenWorker, count: int) -> None:
        del count
        self._ray = ray = connect_to_ray(options.ray.address)
        wanted = options.ray.resources_of("predict")
        self._actor = ray.remote(_ShardActor).options(
            num_cpus=wanted["cpu"],
            num_gpus=wanted["gpu"],
            memory=wanted["memory_gb"] * GB or None,
            max_restarts=0,
            scheduling_strategy="SPREAD",
        )
        self._open, self._files = open_worker, ray.put(_packed(bundle))
        self._actors: dict[int, Any] = {}
        self._asked: dict[int, deque[Any]] = {}
        self._hired = 0

    def hire(self) -> int:
        """Start an actor; it waits for room on the cluster, if need be."""
        worker, self._hired = self._hired, self._hired + 1
        actor = self._actors[worker] = self._actor.remote()
        self._asked[worker] = deque([actor.open.remote(self._open, self._files)])
        return worker

    def give(self, worker: int, piece: Piece) -> None:
        """Send it; the actor takes one after another."""
        self._asked[worker].append(self._actors[worker].write.remote(piece))

    def wait(self) -> Sequence[Event]:
        """Wait for the oldest answer of every actor."""
        first = {asked[0]: worker for worker, asked in self._asked.items() if asked}
        answered, _ = self._ray.wait(list(first), num_returns=1, timeout=WAIT_S)
        if answered:
            answered, _ = self._ray.wait(list(first), num_returns=len(first), timeout=0)
        return [self._event(first[each], each) for each in answered]

    def close(self) -> None:
        """Kill the actors: what they write appears whole or not at all."""
        for actor in self._actors.values():
            self._ray.kill(actor)
        self._actors.clear()
        self._asked.clear()

    def _event(self, worker: int, answer: Any) -> Event:
        from ray.exceptions import RayActorError, RayError

        self._asked[worker].popleft()
        try:
            kind, record, problem = self._ray.get(answer)
            return Event(worker, kind, record, problem)
        except RayActorError as error:
            del self._asked[worker], self._actors[worker]
            return Event(worker, "died", problem=" ".join(str(error).split())[:300])
        except RayError as error:
            return Event(worker, "failed", problem=" ".join(str(error).split())[:300])


class _ShardActor:
    """An actor. It tells errors as text, so that no class has to be sent."""

    _write: WritePiece

    def open(self, open_worker: OpenWorker, packed: bytes) -> tuple[str, None, str]:
        try:
            self._write = open_worker(_unpacked(packed))
        except Exception as error:
            return "unfit", None, f"{type(error).__name__}: {error}"
        return "ready", None, ""

    def write(self, piece: Piece) -> tuple[str, Record | None, str]:
        try:
            return "done", self._write(piece), ""
        except Exception as error:
            return "failed", None, f"{type(error).__name__}: {error}"


def _packed(folder: Path) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        archive.add(folder, arcname="bundle")
    return target.getvalue()


def _unpacked(packed: bytes) -> Path:
    """Return the folder with the files, which all actors of a machine share.

    Raises:
        BulkError: somebody else has made the folder that they share.
    """
    home = Path(gettempdir()) / f"labelloop-bundles-{os.getuid()}"
    home.mkdir(mode=0o700, exist_ok=True)
    if home.stat().st_uid != os.getuid():
        raise BulkError(f"{home} belongs to another user; remove it")
    place = home / hashlib.sha256(packed).hexdigest()[:32]
    if not place.exists():
        with unfinished_folder(home) as draft, tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            archive.extractall(draft, filter="data")
            take_place(draft, place)
    return place / "bundle"

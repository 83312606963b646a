"""Let a Ray cluster do parts of a job: as many at a time as there is room for, and none that must be waited for."""

import logging
import pickle
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from .ray_cluster import connect_to_ray

__all__ = ["share_on_ray"]

log = logging.getLogger(__name__)

WAIT_S = 0.5
GB = 1_000_000_000


@contextmanager
def share_on_ray(
    address: str,
    resources: Callable[[str], Mapping[str, float]],
    kind: str,
    calls: Mapping[int, Callable[[], Any]],
) -> Iterator[Callable[[int], Any | None]]:
    """Offer each call to one actor, which begins once the cluster has room for it; see `ShareWork`.

    A call that fails on its node, or is lost with it, is left to this process.

    Args:
        address: of the cluster.
        resources: gives what a helper of the kind is promised: `cpu`, `gpu`, `memory_gb`.

    Raises:
        ConfigurationError: there is no cluster.
    """
    ray = connect_to_ray(address) if calls else None
    packed = _packed(ray, calls)
    if packed is None:
        yield lambda _number: None
        return
    work = _SharedWork(ray, calls, packed, resources(kind))
    try:
        yield work.result
    finally:
        work.close()


def _packed(ray: Any, calls: Mapping[int, Callable[[], Any]]) -> Any | None:
    """Return where the calls lie in the cluster; None: there are none, or they cannot be sent.

    They lie there as bytes: arrays that come from Ray's store by themselves cannot be written to. What calls share is
    sent once.
    """
    if not calls:
        return None
    from ray.exceptions import RayError

    try:
        return ray.put(ray.cloudpickle.dumps(dict(calls)))
    except (RayError, pickle.PickleError, TypeError, AttributeError) as error:  # pickle raises all but the first
        log.warning("the cluster gets no part of the work, which cannot be sent: %s", _cause(error))
        return None


class _SharedWork:
    def __init__(self, ray: Any, numbers: Collection[int], packed: Any, wanted: Mapping[str, float]) -> None:
        self._ray, self._packed, self._guard, self._is_over = ray, packed, threading.Lock(), threading.Event()
        helper = ray.remote(_Helper).options(
            num_cpus=wanted["cpu"],
            num_gpus=wanted["gpu"],
            memory=wanted["memory_gb"] * GB or None,
            max_restarts=0,
            scheduling_strategy="SPREAD",
        )
        self._helpers = {number: helper.remote() for number in numbers}
        self._free = dict.fromkeys(numbers)
        self._asked: dict[int, Any] = {}
        self._thread = threading.Thread(target=self._give_out, name="share-work", daemon=True)
        self._thread.start()

    def result(self, number: int) -> Any | None:
        """Return what a helper has made or is making of a call; None: nobody has, and nobody will."""
        from ray.exceptions import RayError

        with self._guard:
            self._free.pop(number, None)
            asked = self._asked.pop(number, None)
        if asked is None:
            return None
        while not self._ray.wait([asked], timeout=WAIT_S)[0]:
            pass
        try:
            return self._ray.get(asked)
        except RayError:
            return None  # the log says why

    def close(self) -> None:
        """End all helpers."""
        self._is_over.set()
        self._thread.join()
        for helper in self._helpers.values():
            self._ray.kill(helper)

    def _give_out(self) -> None:
        """Give each helper its call once it runs, unless the call has been made meanwhile."""
        from ray.exceptions import RayError

        begun = {helper.ready.remote(): (number, self._give) for number, helper in self._helpers.items()}
        while begun and not self._is_over.is_set():
            for answer in self._ray.wait(list(begun), timeout=WAIT_S)[0]:
                number, and_then = begun.pop(answer)
                try:
                    self._ray.get(answer)
                except RayError as error:
                    log.warning("part %d of the work came to nothing on the cluster: %s", number, _cause(error))
                    continue
                if asked := and_then(number):
                    begun[asked] = number, self._dismiss

    def _give(self, number: int) -> Any:
        with self._guard:
            if number in self._free:
                del self._free[number]
                asked = self._asked[number] = self._helpers[number].make.remote(number, self._packed)
                return asked
        return self._dismiss(number)

    def _dismiss(self, number: int) -> None:
        """End a helper: its room is for others."""
        self._ray.kill(self._helpers[number])


def _cause(error: Any) -> str:
    """Return what happened, without the tracebacks that Ray adds."""
    return " ".join(str(getattr(error, "cause", None) or error).split())[:300]


class _Helper:
    """The actor."""

    def ready(self) -> bool:
        return True

    def make(self, number: int, packed: bytes) -> Any:
        return pickle.loads(packed)[number]()  # noqa: S301 (from the process that started this one)

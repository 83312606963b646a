"""The connection to a Ray cluster. Ray is imported by the first call that needs it, not before."""

import os
import signal
import threading
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from ..errors import ConfigurationError

__all__ = ["connect_to_ray"]

LEAST_VERSION = (2, 60)
HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def connect_to_ray(address: str) -> Any:
    """Return the module `ray`, connected to a cluster; a connection that there is already is kept.

    Args:
        address: as in `LABELLOOP_RAY_ADDRESS`; empty: the cluster on this machine.

    Raises:
        ConfigurationError: Ray is not installed or too old, or there is no cluster.
    """
    try:
        found = version("ray")
    except PackageNotFoundError:
        raise ConfigurationError("Ray is not installed; wanted `pip install 'labelloop[ray]'`") from None
    if tuple(int(part) for part in found.split(".")[:2]) < LEAST_VERSION:
        raise ConfigurationError(f"Ray {found} found; wanted 2.60 or newer: `pip install 'labelloop[ray]'`")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing about a cluster is sent to anybody
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # as it will be by default
    import ray

    if ray.is_initialized():
        return ray
    # Only the main thread may set them, and only there does Ray.
    is_main = threading.current_thread() is threading.main_thread()
    handlers = {number: signal.getsignal(number) for number in HANDLED} if is_main else {}
    try:
        ray.init(address=address or "auto", namespace="labelloop", log_to_driver=False, logging_level="ERROR")
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise ConfigurationError(
            f"no Ray cluster at {address or 'this machine'}: {error}; start one with `ray start --head`, or set "
            "LABELLOOP_RAY_ADDRESS"
        ) from None
    finally:
        # Ray puts its own in their place, by which a command would end without cleaning up.
        for number, handler in handlers.items():
            signal.signal(number, handler)
    return ray

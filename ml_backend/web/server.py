"""Serving the application with gunicorn: one process, because a process holds one copy of each model."""

import socket
import threading
from collections.abc import Callable
from contextlib import closing
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.glogging import Logger

from ..bootstrap import build_services, configure_logging
from ..domain.addresses import in_url
from ..errors import ConfigurationError
from ..log_lines import LineFormatter
from ..models.base.native_threads import NativeThread
from ..options import BackendOptions, Options
from ..workflows.accounts import Accounts
from ..workflows.jobs.worker import Worker
from .app import create_app
from .patient_worker import PatientWorker
from .streams import Streams
from .watcher import watch_champions

__all__ = ["serve"]

REQUEST_TIMEOUT_S = 120  # above the 100 s that Label Studio waits for predictions
GRACE_S = 110  # for requests that are under way when the server is asked to end, with the same margin
HURRIED_GRACE_S = 10  # for such requests where somebody presses Ctrl-C


def serve(options: Options, *, with_worker: bool, note: Callable[[str], None]) -> None:
    """Serve until a signal ends it.

    Args:
        with_worker: also run jobs, each in a child process.
        note: tells the operator how the first admin gets in.

    Raises:
        ConfigurationError: the port is taken, or the database cannot be opened.
        StateError: another process works alone on the database.
    """
    _check_port(options.backend)
    # Opened once here, since of an error in the serving process gunicorn would make a traceback.
    with closing(build_services(options)) as services:
        link = Accounts(services).first_link()
    if link:
        note(f"nobody has signed in yet; the first admin does so here, once and within a day: {link}")
    _Server(options, with_worker=with_worker).run()


class _Server(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
    def __init__(self, options: Options, *, with_worker: bool) -> None:
        self._options = options
        self._with_worker = with_worker
        super().__init__()

    def run(self) -> None:
        """Serve in a child process, which is started again if it dies."""
        _Arbiter(self).run()

    def load_config(self) -> None:
        backend = self._options.backend
        values: dict[str, Any] = {
            "bind": f"{in_url(backend.host)}:{backend.port}",
            "workers": 1,
            "worker_class": PatientWorker,
            "threads": backend.threads + Streams.MOST,
            "timeout": REQUEST_TIMEOUT_S,
            "graceful_timeout": GRACE_S,
            "proc_name": "labelloop",
            "logger_class": _Log,
            "loglevel": self._options.log_level.lower(),
            "control_socket_disable": True,
        }
        for name, value in values.items():
            if name in self.cfg.settings:
                self.cfg.set(name, value)

    def load(self) -> Flask:
        """Called in the serving process: threads and database connections do not survive a fork."""
        configure_logging(self._options.log_level)
        services = build_services(self._options)
        stop = threading.Event()
        NativeThread(lambda: watch_champions(services, stop), name="champions", stop=stop.set).start()
        if self._with_worker:
            NativeThread(lambda: Worker(services).run(stop), name="worker", stop=stop.set).start()
        return create_app(services)


class _Arbiter(Arbiter):  # type: ignore[misc]  # gunicorn has no types
    """The parent process, which starts and ends the serving process."""

    def stop(self, graceful: bool = True) -> None:
        if not graceful:
            self.cfg.set("graceful_timeout", HURRIED_GRACE_S)
        super().stop(graceful)


class _Log(Logger):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn's log; its messages may hold text that clients have sent."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        for handler in self.error_log.handlers:
            handler.setFormatter(LineFormatter(self.error_fmt, self.datefmt))


def _check_port(backend: BackendOptions) -> None:
    """Raise an error where the port is taken, since gunicorn would try it again and again."""
    family = socket.AF_INET6 if ":" in backend.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((backend.host, backend.port))
        except OSError as error:
            raise ConfigurationError(
                f"cannot listen on {backend.host}:{backend.port}: {error.strerror}; stop what listens there, "
                "or choose another with --port or LABELLOOP_PORT"
            ) from None

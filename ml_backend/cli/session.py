"""Services for a command."""

import getpass
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..domain.ports import JobLauncher
    from ..options import Options
    from ..workflows.services import Services

__all__ = ["command_session", "open_services", "operator", "read_settings"]

_session: "ContextVar[tuple[ExitStack, JobLauncher | None] | None]" = ContextVar("session", default=None)


@contextmanager
def command_session(launcher: "JobLauncher | None" = None) -> Iterator[None]:
    """Close at the block's end what commands have opened in it.

    Args:
        launcher: replaces the one that starts child processes.
    """
    with ExitStack() as opened:
        token = _session.set((opened, launcher))
        try:
            yield
        finally:
            _session.reset(token)


def read_settings() -> "Options":
    """Return the settings of the environment, and log what a command should: warnings and worse."""
    from ..bootstrap import configure_logging
    from ..config import load_settings

    settings = load_settings()
    configure_logging(settings.log_level if "log_level" in settings.model_fields_set else "WARNING")
    return settings


def open_services(settings: "Options | None" = None, *, project: int | None = None) -> "Services":
    """Return services, which are closed with the command.

    Args:
        settings: None: those of `read_settings`.
        project: the project that they are for; None: the backend, or work on files.
    """
    from ..bootstrap import build_services

    opened, launcher = _session.get() or (None, None)
    services = build_services(settings or read_settings(), launcher=launcher)
    if opened is not None:
        opened.callback(services.close)
    return services.for_project(project or 0)


def operator() -> str:
    """Return who runs this command, as `user@host`, as far as the system knows."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a container may run under a number without a name
        user = f"uid {os.getuid()}"
    return f"{user}@{socket.gethostname()}"

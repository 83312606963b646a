"""The command line: results on standard output, notes and progress on standard error."""

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING

from ..errors import LabelloopError
from ..jobs.signals import interrupted_by_signals
from .app import app
from .output import notes
from .session import command_session

if TYPE_CHECKING:
    from ..domain.ports import JobLauncher

__all__ = ["main"]

# Their import adds commands to the app; `--help` lists them in this order.
for _name in (
    "server",
    "projects",
    "files",
    "predict",
    "train",
    "tune",
    "audit",
    "select",
    "sources",
    "source_reasons",
    "source_switches",
    "baseline",
    "auto_accept",
    "report",
    "state",
    "jobs",
    "models",
    "settings",
    "users",
):
    import_module(f"{__name__}.{_name}")


def main(arguments: Sequence[str] | None = None, *, launcher: "JobLauncher | None" = None) -> None:
    """Run a command; the exit status is 0 only when it did what was asked.

    The first signal ends it in order, with exit status 128 plus the signal's number; a second one ends it at once.

    Args:
        arguments: None: those of the process.
        launcher: replaces the one that starts child processes for jobs.
    """
    try:
        with interrupted_by_signals(), command_session(launcher):
            app(args=arguments, prog_name="labelloop")
    except LabelloopError as error:
        _fail(str(error))
    except OSError as error:
        _fail(f"{error.filename}: {error.strerror}" if error.filename else str(error))


def _fail(problem: str) -> None:
    notes().print(f"error: {problem}", style="red")
    sys.exit(1)

"""How jobs are started: as child processes, or in-process for tests and debugging."""

from .launcher import InlineLauncher, SubprocessLauncher, log_path

__all__ = ["InlineLauncher", "SubprocessLauncher", "log_path"]

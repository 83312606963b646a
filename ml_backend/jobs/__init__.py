"""How jobs are started: as child processes, or in-process for tests and debugging."""

from .launcher import InlineLauncher, SubprocessLauncher, job_folder, log_path

__all__ = ["InlineLauncher", "SubprocessLauncher", "job_folder", "log_path"]

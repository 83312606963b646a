"""The command line: results on standard output, notes and progress on standard error."""

from .app import main

__all__ = ["main"]

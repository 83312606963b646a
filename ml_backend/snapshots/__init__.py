"""Snapshots: reviewed tasks as versioned, split, leak-free rows on disk."""

from .build import BuiltRows, DroppedRow, build_rows
from .leakage import Leak, find_leaks
from .review import ReviewMode, ReviewRule
from .reviewed import BuildSettings
from .store import read_manifest, read_rows, read_unresolved, write_snapshot

__all__ = [
    "BuildSettings",
    "BuiltRows",
    "DroppedRow",
    "Leak",
    "ReviewMode",
    "ReviewRule",
    "build_rows",
    "find_leaks",
    "read_manifest",
    "read_rows",
    "read_unresolved",
    "write_snapshot",
]

"""The database: projects, annotation events, jobs, snapshots, gates, promotions and flags."""

from .database import Database, open_database

__all__ = ["Database", "open_database"]

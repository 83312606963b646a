"""The database: projects, annotation events, jobs, snapshots, gates, promotions, model versions and flags."""

from .database import Database, open_database

__all__ = ["Database", "open_database"]
